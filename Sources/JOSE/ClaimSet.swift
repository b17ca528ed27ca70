internal import Contracts
internal import Exchanges

/// The claims of a token (RFC 7519 section 4), read strictly. Times are milliseconds since 1970.
public struct ClaimSet: Sendable {
    /// Entries of `aud`, of scopes, and of a list of roles.
    public static let mostEntries = 256
    /// The end of the year 9999: no date is further away from 1970, in either direction.
    public static let furthestMS: Int64 = 253_402_300_800_000
    static let limits = JSONLimits(bytes: CompactToken.longest, depth: 16, values: 1024)

    public let issuer: [UInt8]?
    public let subject: [UInt8]?
    /// `aud`, whether it is one text or several; empty = absent.
    public let audiences: [[UInt8]]
    public let expiresMS: Int64?
    public let notBeforeMS: Int64?
    public let issuedMS: Int64?
    /// `jti`.
    public let tokenID: [UInt8]?
    /// `scope` (RFC 8693: separated by spaces), or `scp`, each as a text or as an array.
    public let scopes: [[UInt8]]

    private let payload: [UInt8]
    private let tape: JSONTape

    /// - Parameter payload: `CompactToken.payload`.
    public init(_ payload: [UInt8]) throws(TokenFault) {
        let text = payload.span
        let tape: JSONTape
        do {
            tape = try JSONTape(text, limits: ClaimSet.limits)
        } catch {
            throw error.reason == .duplicateName ? .duplicateMember : .badPayload
        }
        guard tape[0].kind == .object else { throw .badPayload }
        var strings: (issuer: [UInt8]?, subject: [UInt8]?, tokenID: [UInt8]?)
        var dates: (expires: Int64?, notBefore: Int64?, issued: Int64?)
        var audiences: [[UInt8]] = []
        var scope: [[UInt8]]?
        var scp: [[UInt8]]?
        var name = 1
        while name < tape.next(0) {
            let value = name + 1
            let raw = text.extracting(tape[name].text.range)
            switch tape[name].escaped ? Registered(tape.string(name, in: text).span) : Registered(raw) {
            case .issuer: strings.issuer = try ClaimSet.string(tape, value, text)
            case .subject: strings.subject = try ClaimSet.string(tape, value, text)
            case .audience: audiences = try ClaimSet.list(tape, value, text)
            case .expires: dates.expires = try ClaimSet.date(tape, value, text)
            case .notBefore: dates.notBefore = try ClaimSet.date(tape, value, text)
            case .issued: dates.issued = try ClaimSet.date(tape, value, text)
            case .tokenID: strings.tokenID = try ClaimSet.string(tape, value, text)
            case .scp: scp = try ClaimSet.words(tape, value, text)
            case .scope: scope = try ClaimSet.words(tape, value, text)
            case .other: break
            }
            name = tape.next(value)
        }
        issuer = strings.issuer
        subject = strings.subject
        tokenID = strings.tokenID
        expiresMS = dates.expires
        notBeforeMS = dates.notBefore
        issuedMS = dates.issued
        self.audiences = audiences
        scopes = scope ?? scp ?? []
        self.payload = payload
        self.tape = tape
    }

    /// The claim under a path of names, as a text: a string's characters, the JSON of a number, of true and false.
    /// Nil when it is absent, null, an array or an object.
    public func text(at path: [[UInt8]]) -> [UInt8]? {
        let text = payload.span
        guard let at = find(path) else { return nil }
        switch tape[at].kind {
        case .string: return tape.string(at, in: text)
        case .number, .true, .false: return text.extracting(tape[at].text.range).bytes
        case .null, .array, .object: return nil
        }
    }

    /// The texts under a path of names (`roles`, or `realm_access` and then `roles`): an array's, or the one.
    /// - Returns: empty when it is absent; throws when it is something else, or longer than `mostEntries`.
    public func texts(at path: [[UInt8]]) throws(TokenFault) -> [[UInt8]] {
        guard let at = find(path) else { return [] }
        return try ClaimSet.list(tape, at, payload.span)
    }

    private func find(_ path: [[UInt8]]) -> Int? {
        guard !path.isEmpty else { return nil }
        let text = payload.span
        var at = 0
        for name in path {
            guard tape[at].kind == .object else { return nil }
            var member = at + 1
            let end = tape.next(at)
            while member < end, !tape.string(member, equals: name, in: text) { member = tape.next(member + 1) }
            guard member < end else { return nil }
            at = member + 1
        }
        return at
    }

    private static func string(_ tape: JSONTape, _ at: Int, _ text: Span<UInt8>) throws(TokenFault) -> [UInt8] {
        guard tape[at].kind == .string else { throw .badClaim }
        return tape.string(at, in: text)
    }

    /// One text, or an array of texts.
    private static func list(_ tape: JSONTape, _ at: Int, _ text: Span<UInt8>) throws(TokenFault) -> [[UInt8]] {
        guard tape[at].kind == .array else { return [try string(tape, at, text)] }
        var found: [[UInt8]] = []
        var entry = at + 1
        while entry < tape.next(at) {
            guard found.count < mostEntries else { throw .badClaim }
            found.append(try string(tape, entry, text))
            entry = tape.next(entry)
        }
        return found
    }

    /// The same, and one text may hold several words.
    private static func words(_ tape: JSONTape, _ at: Int, _ text: Span<UInt8>) throws(TokenFault) -> [[UInt8]] {
        let list = try list(tape, at, text)
        guard tape[at].kind == .string, let line = list.first else { return list }
        let words = line.split(separator: UInt8(ascii: " "), maxSplits: mostEntries).map { Array($0) }
        guard words.count <= mostEntries else { throw .badClaim }
        return words
    }

    /// NumericDate: seconds, perhaps with a fraction. A text is none, whatever it holds.
    private static func date(_ tape: JSONTape, _ at: Int, _ text: Span<UInt8>) throws(TokenFault) -> Int64 {
        guard tape[at].kind == .number else { throw .badClaim }
        let number = text.extracting(tape[at].text.range)
        guard let seconds = JSONNumber.double(number), abs(seconds) <= Double(furthestMS / 1000) else { throw .badClaim }
        return Int64((seconds * 1000).rounded(.down))
    }
}

/// A claim with a meaning of its own (RFC 7519 section 4.1, RFC 8693 section 4.2), by its name.
private enum Registered {
    case issuer, subject, audience, expires, notBefore, issued, tokenID, scope, scp, other

    init(_ name: Span<UInt8>) {
        // All of them have three letters, but one.
        guard name.count == 3 else {
            self = name.equals("scope") ? .scope : .other
            return
        }
        self =
            switch (name[0], name[1], name[2]) {
            case (UInt8(ascii: "i"), UInt8(ascii: "s"), UInt8(ascii: "s")): .issuer
            case (UInt8(ascii: "s"), UInt8(ascii: "u"), UInt8(ascii: "b")): .subject
            case (UInt8(ascii: "a"), UInt8(ascii: "u"), UInt8(ascii: "d")): .audience
            case (UInt8(ascii: "e"), UInt8(ascii: "x"), UInt8(ascii: "p")): .expires
            case (UInt8(ascii: "n"), UInt8(ascii: "b"), UInt8(ascii: "f")): .notBefore
            case (UInt8(ascii: "i"), UInt8(ascii: "a"), UInt8(ascii: "t")): .issued
            case (UInt8(ascii: "j"), UInt8(ascii: "t"), UInt8(ascii: "i")): .tokenID
            case (UInt8(ascii: "s"), UInt8(ascii: "c"), UInt8(ascii: "p")): .scp
            default: .other
            }
    }
}
