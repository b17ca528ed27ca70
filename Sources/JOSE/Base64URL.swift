/// Base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strictly: one text for one run of bytes.
public enum Base64URL {
    private static let none: UInt8 = 255
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: none, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// The bytes; nil when a character is not of the alphabet, the length is impossible, or the bits behind the
    /// last byte are not zero.
    public static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        let rest = text.count & 3
        guard rest != 1 else { return nil }
        let table = values
        let values = table.span
        let whole = text.count & ~3
        // Values are six bits: only `none` has the highest. Whether there was one is asked once, at the end.
        var seen: UInt8 = 0
        var bytes = [UInt8](capacity: text.count / 4 * 3 + 2) { bytes in
            var at = 0
            while at < whole {
                let a = values[Int(text[at])]
                let b = values[Int(text[at &+ 1])]
                let c = values[Int(text[at &+ 2])]
                let d = values[Int(text[at &+ 3])]
                seen |= a | b | c | d
                bytes.append(a << 2 | b >> 4)
                bytes.append(b << 4 | c >> 2)
                bytes.append(c << 6 | d)
                at &+= 4
            }
        }
        guard seen & 0x80 == 0 else { return nil }
        let at = whole
        guard rest > 0 else { return bytes }
        let a = values[Int(text[at])]
        let b = values[Int(text[at &+ 1])]
        guard (a | b) & 0x80 == 0 else { return nil }
        bytes.append(a << 2 | b >> 4)
        if rest == 2 { return b & 0x0f == 0 ? bytes : nil }
        let c = values[Int(text[at &+ 2])]
        guard c != none, c & 0x03 == 0 else { return nil }
        bytes.append(b << 4 | c >> 2)
        return bytes
    }

    /// The text of `bytes`.
    public static func encode(_ bytes: Span<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count / 3 * 4 + 4)
        var at = 0
        while at < bytes.count {
            let n = min(3, bytes.count - at)
            var word = UInt32(bytes[at]) << 16
            if n > 1 { word |= UInt32(bytes[at + 1]) << 8 }
            if n > 2 { word |= UInt32(bytes[at + 2]) }
            for sextet in 0...n { text.append(alphabet[Int(word >> UInt32(18 - 6 * sextet) & 63)]) }
            at += n
        }
        return text
    }
}
