import Exchanges

/// Base64 (RFC 4648): written in the standard alphabet with padding, read in both alphabets with or
/// without it.
enum Base64 {
    /// Appends `bytes` as a quoted string.
    static func append(_ bytes: Span<UInt8>, to out: Buffer) {
        out.reserve(bytes.count / 3 * 4 + 6)
        out.append(UInt8(ascii: "\""))
        var at = 0
        while at < bytes.count {
            let n = min(3, bytes.count - at)
            var word = UInt32(bytes[at]) << 16
            if n > 1 { word |= UInt32(bytes[at + 1]) << 8 }
            if n > 2 { word |= UInt32(bytes[at + 2]) }
            out.append(character(word >> 18))
            out.append(character(word >> 12))
            out.append(n > 1 ? character(word >> 6) : UInt8(ascii: "="))
            out.append(n > 2 ? character(word) : UInt8(ascii: "="))
            at += 3
        }
        out.append(UInt8(ascii: "\""))
    }

    @inline(__always) private static func character(_ bits: UInt32) -> UInt8 {
        let six = UInt8(truncatingIfNeeded: bits & 63)
        switch six {
        case 0..<26: return 65 &+ six
        case 26..<52: return 71 &+ six
        case 52..<62: return six &- 4
        case 62: return UInt8(ascii: "+")
        default: return UInt8(ascii: "/")
        }
    }

    /// Appends what `text` stands for; false when it is no base64.
    static func decode(_ text: Span<UInt8>, to out: Buffer) -> Bool {
        var end = text.count
        var padding = 0
        while end > 0, padding < 2, text[end - 1] == UInt8(ascii: "=") {
            end -= 1
            padding += 1
        }
        // One character alone holds no byte; padding, when there is some, completes a group of four.
        guard end % 4 != 1, padding == 0 || text.count % 4 == 0 else { return false }
        out.reserve(end / 4 * 3 + 3)
        var word: UInt32 = 0
        var count = 0
        for i in 0..<end {
            guard let six = value(text[i]) else { return false }
            word = word << 6 | UInt32(six)
            count += 1
            if count == 4 {
                out.append(UInt8(truncatingIfNeeded: word >> 16))
                out.append(UInt8(truncatingIfNeeded: word >> 8))
                out.append(UInt8(truncatingIfNeeded: word))
                count = 0
                word = 0
            }
        }
        if count >= 2 { out.append(UInt8(truncatingIfNeeded: word >> (count == 3 ? 10 : 4))) }
        if count == 3 { out.append(UInt8(truncatingIfNeeded: word >> 2)) }
        return true
    }

    private static func value(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 65...90: byte - 65
        case 97...122: byte - 71
        case 48...57: byte + 4
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
