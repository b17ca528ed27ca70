public import Exchanges
public import Settings

/// The id of an anonymous session: where a client has it, and what it may look like.
public struct SessionNames: Sendable {
    let cookie: [UInt8]
    let header: [UInt8]

    public init(_ settings: IdentitySettings.Session) {
        cookie = Array(settings.cookie.utf8)
        header = Array(settings.header.utf8)
    }

    public enum Found: Sendable, Equatable {
        case none
        case id(Slice)
        /// The field was said, and is no id. A cookie that is none is forgotten.
        case malformed
    }

    /// The field before the cookie: who sends it means it.
    public func find(_ head: borrowing Head, in text: borrowing Span<UInt8>) -> Found {
        if let field = head.first(named: header, in: text) {
            return Self.isID(text.extracting(field.value.range)) ? .id(field.value) : .malformed
        }
        for i in head.fields.indices where head.fields[i].name == .cookie {
            if let id = value(of: head.fields[i].value, in: text), Self.isID(text.extracting(id.range)) { return .id(id) }
        }
        return .none
    }

    /// Letters, digits, `-`, `_` and `.`: 16 to 128, so that nobody comes upon another's by chance.
    static func isID(_ id: borrowing Span<UInt8>) -> Bool {
        guard id.count >= 16, id.count <= 128 else { return false }
        for i in 0..<id.count {
            let byte = id[i]
            let letter = byte | 0x20
            let isPlain = letter >= 0x61 && letter <= 0x7a || byte >= 0x30 && byte <= 0x39
            if !isPlain && byte != 0x2d && byte != 0x5f && byte != 0x2e { return false }
        }
        return true
    }

    /// The cookie's value in a `Cookie` field (RFC 6265 section 4.2.1).
    private func value(of field: Slice, in text: borrowing Span<UInt8>) -> Slice? {
        var at = Int(field.start)
        while at < field.end {
            while at < field.end, text[at] == 0x20 || text[at] == 0x3b { at += 1 }
            var end = at
            while end < field.end, text[end] != 0x3b { end += 1 }
            if end - at > cookie.count, text[at + cookie.count] == 0x3d,
                text.extracting(at..<(at + cookie.count)).equals(cookie)
            {
                return Slice(at + cookie.count + 1, end)
            }
            at = end
        }
        return nil
    }

    /// `Set-Cookie` for an id that was made here (RFC 6265 section 4.1).
    public func appendCookie(_ id: [UInt8], isSecure: Bool, to out: Buffer) {
        out.append("Set-Cookie: " as StaticString)
        out.append(cookie)
        out.append(0x3d)
        out.append(id)
        out.append("; Path=/; HttpOnly; SameSite=Lax" as StaticString)
        if isSecure { out.append("; Secure" as StaticString) }
        out.append("\r\n" as StaticString)
    }

    /// The principal of a session.
    /// - Parameter isNew: its id was made here: upstreams hear of it by the field, which the client has not sent.
    public func principal(_ id: [UInt8], isNew: Bool) -> Principal {
        Principal(kind: .session, subject: id, fieldLines: isNew ? header + [0x3a, 0x20] + id + [0x0d, 0x0a] : [])
    }
}
