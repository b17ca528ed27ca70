public import Exchanges

/// Topics, topic filters and client identifiers of MQTT as paths, so that templates, captures, policies and rewrites
/// are the same for every protocol.
///
/// A level is a segment. What a path cannot have is percent-encoded, and so are `+` and `#` wherever they are not
/// wildcards, and levels of dots alone, which mean something else in a path. `a//b` has an empty segment, as it has an
/// empty level.
public enum TopicPath {
    /// Appends `/` and the levels of `text`.
    ///
    /// - Parameters:
    ///   - text: without control characters that MQTT forbids; the codec has seen to that.
    ///   - isFilter: the levels `+` and `#` are wildcards, and stay as they are.
    /// - Returns: false when a level is `.` or `..`. No HTTP server takes such a path as what it is, encoded or not, so
    ///   it must not go to a cluster.
    @discardableResult
    public static func append(_ text: borrowing Span<UInt8>, isFilter: Bool, into buffer: Buffer) -> Bool {
        var isPlain = true
        var start = 0
        while true {
            var end = start
            while end < text.count, text[end] != 0x2f { end &+= 1 }
            buffer.append(0x2f)
            let count = end &- start
            let isWildcard = isFilter && count == 1 && (text[start] == 0x2b || text[start] == 0x23)
            let isDots = count > 0 && count <= 2 && text[start] == 0x2e && text[end &- 1] == 0x2e
            if isDots { isPlain = false }
            while start < end {
                let byte = text[start]
                if isWildcard || (isPlainByte(byte) && !isDots) {
                    buffer.append(byte)
                } else {
                    buffer.append(0x25)
                    buffer.append(hexadecimal(byte >> 4))
                    buffer.append(hexadecimal(byte & 15))
                }
                start &+= 1
            }
            if end == text.count { return isPlain }
            start = end &+ 1
        }
    }

    /// The same as text.
    public static func path(of text: String, isFilter: Bool) -> String {
        let buffer = Buffer(capacity: text.utf8.count + 1)
        append(Array(text.utf8).span, isFilter: isFilter, into: buffer)
        return buffer.withReadable { $0.text }
    }

    /// `pchar` of RFC 3986 section 3.3 without `%` and `+`: a bit for each.
    @inline(__always) private static func isPlainByte(_ byte: UInt8) -> Bool {
        guard byte < 128 else { return false }
        let set: UInt64 = byte < 64 ? 0x2fff_77d2_0000_0000 : 0x47ff_fffe_87ff_ffff
        return set >> UInt64(byte & 63) & 1 == 1
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 &+ digit : 0x37 &+ digit }
}
