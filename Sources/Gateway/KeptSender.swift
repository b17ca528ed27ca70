import Exchanges

/// Who has sent a message that outlives his connection: a will, or one that was refused. Beside his name (`Principal.owner`) what
/// authorisation asks for, and the listener that he came in by. Kept as bytes that nobody else takes apart; no token is among them.
struct KeptSender {
    /// Bytes of what is kept beside the name; of whoever has more, the listener alone is: he is allowed what his name is.
    static let most = 4096
    private static let version: UInt8 = 1

    let principal: Principal
    /// By its name. Nil = it is not known.
    let listener: String?

    /// - Parameters:
    ///   - owner: his name.
    ///   - standing: what `standing(of:listener:)` has written; what cannot be read gives no rights.
    init(owner: [UInt8], standing: [UInt8]) {
        let named = Principal(owner: owner)
        guard let named, let read = Self.read(standing, named) else {
            principal = named ?? .anonymous
            listener = nil
            return
        }
        (principal, listener) = read
    }

    static func standing(of principal: Principal, listener: String) -> [UInt8] {
        let whole = write(principal, listener)
        return whole.count <= most ? whole : write(.anonymous, listener)
    }

    private static func write(_ principal: Principal, _ listener: String) -> [UInt8] {
        var bytes = [version]
        func append(_ number: Int) { bytes += [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)] }
        func append(_ text: [UInt8]) {
            // More is more than is kept in any case.
            let text = text.prefix(Int(UInt16.max))
            append(text.count)
            bytes += text
        }
        append(Array(listener.utf8))
        for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: principal.issuedMS >> UInt64(shift))) }
        append(principal.tokenID)
        append(principal.fieldLines)
        for list in [principal.roles, principal.scopes] {
            append(min(list.count, Int(UInt16.max)))
            for text in list.prefix(Int(UInt16.max)) { append(text) }
        }
        append(min(principal.claims.count, Int(UInt16.max)))
        for claim in principal.claims.prefix(Int(UInt16.max)) {
            append(claim.name)
            append(claim.value)
        }
        return bytes
    }

    private static func read(_ bytes: [UInt8], _ named: Principal) -> (Principal, String)? {
        guard bytes.first == version, bytes.count <= most else { return nil }
        var rest = bytes.dropFirst()
        func number() -> Int? {
            guard rest.count >= 2 else { return nil }
            defer { rest = rest.dropFirst(2) }
            return Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
        }
        func text() -> [UInt8]? {
            guard let count = number(), rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        func list() -> [[UInt8]]? {
            guard let count = number() else { return nil }
            var found: [[UInt8]] = []
            for _ in 0..<count {
                guard let text = text() else { return nil }
                found.append(text)
            }
            return found
        }
        guard let listener = text(), rest.count >= 8 else { return nil }
        let issuedMS = rest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        rest = rest.dropFirst(8)
        guard let tokenID = text(), let fieldLines = text(), let roles = list(), let scopes = list(), let claims = number() else { return nil }
        var pairs: [(name: [UInt8], value: [UInt8])] = []
        for _ in 0..<claims {
            guard let name = text(), let value = text() else { return nil }
            pairs.append((name, value))
        }
        guard rest.isEmpty else { return nil }
        let principal = Principal(
            kind: named.kind, issuer: named.issuer, subject: named.subject, roles: roles, scopes: scopes, claims: pairs, tokenID: tokenID,
            issuedMS: issuedMS, fieldLines: fieldLines)
        return (principal, String(decoding: listener, as: UTF8.self))
    }
}
