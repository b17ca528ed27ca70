import Exchanges

/// Percent-decoding of one path segment (RFC 3986 section 2.1).
enum PercentDecoding {
    /// The bytes meant; malformed escapes were refused when the path was normalised, and stay as they are.
    static func decode(_ text: borrowing Span<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        var i = 0
        while i < text.count {
            if text[i] == 0x25, i + 2 < text.count, let high = text[i + 1].hexValue, let low = text[i + 2].hexValue {
                out.append(high << 4 | low)
                i += 3
            } else {
                out.append(text[i])
                i += 1
            }
        }
        return out
    }
}
