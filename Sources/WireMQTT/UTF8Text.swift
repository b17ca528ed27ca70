import Exchanges

/// The text MQTT carries (MQTT 5.0 section 1.5.4): well-formed UTF-8 (RFC 3629, Unicode table 3-7) without U+0000.
/// Control characters and non-characters are allowed: the standard leaves both to the receiver.
enum UTF8Text {
    /// Bytes of a text, at most: its length has 16 bits.
    static let longest = 65_535

    static func isValid(_ text: borrowing Span<UInt8>) -> Bool { check(text, allowsNull: false) }

    /// UTF-8, and U+0000 is a character like any other.
    static func isWellFormed(_ text: borrowing Span<UInt8>) -> Bool { check(text, allowsNull: true) }

    private static func check(_ text: borrowing Span<UInt8>, allowsNull: Bool) -> Bool {
        var i = 0
        while i < text.count {
            // Eight ASCII characters at once.
            if i &+ 8 <= text.count, isPlain(text.bytes.unsafeLoadUnaligned(fromByteOffset: i, as: UInt64.self)) {
                i &+= 8
                continue
            }
            let lead = text[i]
            if lead < 0x80 {
                guard lead != 0 || allowsNull else { return false }
                i &+= 1
                continue
            }
            let length = sequence(text, at: i)
            guard length > 0 else { return false }
            i &+= length
        }
        return true
    }

    /// Bytes of the sequence that begins at `i` with a byte outside ASCII; 0 = ill-formed.
    private static func sequence(_ text: borrowing Span<UInt8>, at i: Int) -> Int {
        let lead = text[i]
        // What the second byte may be keeps overlong forms, surrogates and numbers above U+10FFFF out.
        let length: Int
        let second: ClosedRange<UInt8>
        switch lead {
        case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: (length, second) = (3, 0x80...0xbf)
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default: return 0
        }
        guard i &+ length <= text.count, second.contains(text[i &+ 1]) else { return 0 }
        if length > 2, text[i &+ 2] & 0xc0 != 0x80 { return 0 }
        if length > 3, text[i &+ 3] & 0xc0 != 0x80 { return 0 }
        return length
    }

    /// Bytes of the longest beginning of `text`, which is valid, that has at most `most` and ends with a whole character.
    static func cut(_ text: borrowing Span<UInt8>, most: Int) -> Int {
        guard text.count > most else { return text.count }
        var end = most
        while end > 0, text[end] & 0xc0 == 0x80 { end &-= 1 }
        return end
    }

    private static func isPlain(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        // The top bit of a byte is set where the byte is not ASCII, or is zero (a borrow may set it elsewhere too, but only above a zero).
        return (word | (word &- ones)) & 0x8080_8080_8080_8080 == 0
    }
}
