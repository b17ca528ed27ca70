import Exchanges

/// The inside of a JSON string: escapes and UTF-8.
public enum JSONString {
    struct BadEscape: Error { var reason: JSONError.Reason }

    /// Bytes of the escape that begins with `\` at `at`: 2, 6, or 12 for a surrogate pair.
    static func escapeLength(_ text: Span<UInt8>, at: Int) -> Result<Int, BadEscape> {
        guard at + 1 < text.count else { return .failure(BadEscape(reason: .unexpectedEnd)) }
        switch text[at + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return .success(2)
        case UInt8(ascii: "u"):
            guard let unit = hex4(text, at: at + 2) else { return .failure(BadEscape(reason: .invalidEscape)) }
            guard unit & 0xF800 == 0xD800 else { return .success(6) }
            guard unit < 0xDC00, at + 7 < text.count, text[at + 6] == UInt8(ascii: "\\"),
                text[at + 7] == UInt8(ascii: "u"), let low = hex4(text, at: at + 8), low & 0xFC00 == 0xDC00
            else { return .failure(BadEscape(reason: .loneSurrogate)) }
            return .success(12)
        default: return .failure(BadEscape(reason: .invalidEscape))
        }
    }

    private static func hex4(_ text: Span<UInt8>, at: Int) -> UInt32? {
        guard at + 4 <= text.count else { return nil }
        var value: UInt32 = 0
        for i in at..<(at + 4) {
            guard let digit = text[i].hexValue else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    /// Length of the well-formed UTF-8 sequence at `at` (Unicode table 3-7), 0 when it is not one:
    /// overlong forms, surrogates and what lies above U+10FFFF are not.
    static func scalarLength(_ text: Span<UInt8>, at: Int) -> Int {
        let lead = text[at]
        let length: Int
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        switch lead {
        case 0x00...0x7F: return 1
        case 0xC2...0xDF: length = 2
        case 0xE0:
            length = 3
            low = 0xA0
        case 0xED:
            length = 3
            high = 0x9F
        case 0xE1...0xEF: length = 3
        case 0xF0:
            length = 4
            low = 0x90
        case 0xF4:
            length = 4
            high = 0x8F
        case 0xF1...0xF3: length = 4
        default: return 0
        }
        guard at + length <= text.count else { return 0 }
        guard text[at + 1] >= low && text[at + 1] <= high else { return 0 }
        for i in (at + 2)..<(at + max(length, 2)) where text[i] & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// Are all eight bytes ASCII that needs no escape? Each test sets the high bit of a byte that fails:
    /// below 0x20, equal to `"`, equal to `\`, or 0x80 and above. (A borrow can only add false alarms.)
    @inline(__always) static func isPlain(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let control = word &- ones &* 0x20
        let quote = (word ^ ones &* 0x22) &- ones
        let backslash = (word ^ ones &* 0x5C) &- ones
        return (word | control | quote | backslash) & (ones &* 0x80) == 0
    }

    /// Is the whole text well-formed UTF-8?
    public static func isUTF8(_ text: Span<UInt8>) -> Bool {
        var at = 0
        while at < text.count {
            let n = scalarLength(text, at: at)
            guard n > 0 else { return false }
            at += n
        }
        return true
    }

    /// The bytes a checked string stands for. `raw` has passed the parser.
    static func unescaped(_ raw: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(raw.count)
        unescape(raw, to: &bytes)
        return bytes
    }

    /// Appends the bytes a checked string stands for.
    static func unescape<Sink: JSONSink>(_ raw: Span<UInt8>, to bytes: inout Sink) {
        var at = 0
        while at < raw.count {
            let byte = raw[at]
            guard byte == UInt8(ascii: "\\"), at + 1 < raw.count else {
                bytes.append(byte)
                at += 1
                continue
            }
            switch raw[at + 1] {
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0C)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = hex4(raw, at: at + 2) ?? 0xFFFD
                if scalar & 0xFC00 == 0xD800, let low = hex4(raw, at: at + 8) {
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
                    at += 6
                }
                append(scalar, to: &bytes)
                at += 4
            case let same: bytes.append(same)
            }
            at += 2
        }
    }

    private static func append<Sink: JSONSink>(_ scalar: UInt32, to bytes: inout Sink) {
        func byte(_ lead: UInt32, _ shift: UInt32) -> UInt8 { UInt8(lead | scalar >> shift) }
        func continuation(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (scalar >> shift & 0x3F)) }
        switch scalar {
        case ..<0x80: bytes.append(byte(0, 0))
        case ..<0x800: bytes.append(byte(0xC0, 6))
        case ..<0x10000:
            bytes.append(byte(0xE0, 12))
            bytes.append(continuation(6))
        default:
            bytes.append(byte(0xF0, 18))
            bytes.append(continuation(12))
            bytes.append(continuation(6))
        }
        if scalar >= 0x80 { bytes.append(continuation(0)) }
    }
}
