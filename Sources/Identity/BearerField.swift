public import Exchanges

/// What the `Authorization` fields of a request come to (RFC 9110 section 11.4, RFC 6750 section 2.1).
public enum BearerField: Sendable, Equatable, BitwiseCopyable {
    /// None, or one of another scheme.
    case absent
    /// Where the token stands.
    case token(Slice)
    /// Several fields, or `Bearer` with anything but one token behind it.
    case malformed

    public init(_ head: borrowing Head, in text: borrowing Span<UInt8>) {
        var found: Slice?
        for i in head.fields.indices {
            let field = head.fields[i]
            guard field.name == .authorization else { continue }
            guard found == nil else {
                self = .malformed
                return
            }
            found = field.value
        }
        guard let found else {
            self = .absent
            return
        }
        self = Self.read(found, in: text)
    }

    private static func read(_ value: Slice, in text: borrowing Span<UInt8>) -> BearerField {
        let all = text.extracting(value.range)
        guard all.count >= 6, all.extracting(0..<6).equalsIgnoringCase("bearer") else { return .absent }
        var at = 6
        while at < all.count, all[at] == 0x20 { at &+= 1 }
        // A longer scheme's name, such as `BearerX`, is another scheme; what no scheme's name goes on with is a way
        // to say Bearer that only some would read.
        guard at > 6 else { return all.count > 6 && isNameByte(all[6]) ? .absent : .malformed }
        let start = at
        while at < all.count, isTokenByte(all[at]) { at &+= 1 }
        guard at > start, at == all.count else { return .malformed }
        return .token(Slice(Int(value.start) &+ start, value.end))
    }

    /// Of a scheme's name: a `tchar` (RFC 9110 section 5.6.2) but `%`, with which someone might hide a blank.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        let letter = byte | 0x20
        if letter >= 0x61 && letter <= 0x7a || byte >= 0x30 && byte <= 0x39 { return true }
        return [0x21, 0x23, 0x24, 0x26, 0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e].contains(byte)
    }

    /// Of `token68` without its padding, which base64url in tokens does not have; `=` makes a bad token, not a bad field.
    @inline(__always) private static func isTokenByte(_ byte: UInt8) -> Bool {
        let letter = byte | 0x20
        if letter >= 0x61 && letter <= 0x7a || byte >= 0x2d && byte <= 0x39 { return true }  // - . / 0-9
        return byte == 0x5f || byte == 0x7e || byte == 0x2b || byte == 0x3d
    }
}
