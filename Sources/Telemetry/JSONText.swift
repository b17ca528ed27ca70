public import Exchanges

/// JSON string escaping (RFC 8259 section 7) of bytes that may be anything.
public enum JSONText {
    /// Writes `bytes` as the inside of a JSON string. Bytes that are not UTF-8 become U+FFFD, so the
    /// line stays valid JSON whatever a peer sent.
    public static func append(_ bytes: borrowing Span<UInt8>, to out: Buffer) {
        var clean = 0
        var i = 0
        while i < bytes.count {
            let byte = bytes[i]
            if byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") {
                i &+= 1
                continue
            }
            if byte >= 0x80 {
                let length = utf8Length(bytes, at: i)
                if length > 0 {
                    i &+= length
                    continue
                }
            }
            out.append(bytes.extracting(clean..<i))
            escape(byte, to: out)
            i &+= 1
            clean = i
        }
        out.append(bytes.extracting(clean..<bytes.count))
    }

    private static func escape(_ byte: UInt8, to out: Buffer) {
        switch byte {
        case UInt8(ascii: "\""): out.append("\\\"" as StaticString)
        case UInt8(ascii: "\\"): out.append("\\\\" as StaticString)
        case 0x0a: out.append("\\n" as StaticString)
        case 0x0d: out.append("\\r" as StaticString)
        case 0x09: out.append("\\t" as StaticString)
        case 0x80...: out.append("\\ufffd" as StaticString)
        default:
            out.append("\\u" as StaticString)
            out.append(hex: UInt64(byte), digits: 4)
        }
    }

    /// Length of the well-formed UTF-8 sequence at `i`, 0 when there is none (RFC 3629 section 4).
    private static func utf8Length(_ bytes: borrowing Span<UInt8>, at i: Int) -> Int {
        let lead = bytes[i]
        let length: Int
        var lowest: UInt8 = 0x80
        var highest: UInt8 = 0xbf
        switch lead {
        case 0xc2...0xdf: length = 2
        case 0xe0...0xef:
            length = 3
            if lead == 0xe0 { lowest = 0xa0 }
            if lead == 0xed { highest = 0x9f }
        case 0xf0...0xf4:
            length = 4
            if lead == 0xf0 { lowest = 0x90 }
            if lead == 0xf4 { highest = 0x8f }
        default: return 0
        }
        guard i + length <= bytes.count else { return 0 }
        guard bytes[i + 1] >= lowest && bytes[i + 1] <= highest else { return 0 }
        for k in 2..<max(2, length) where bytes[i + k] & 0xc0 != 0x80 { return 0 }
        return length
    }
}
