public import Exchanges
import JOSE
import Settings

/// Tells what a token comes to, by its signature and claims. All it rests on is its issuer: its `iss`, before it is
/// believed, says only whose keys and rules count.
public enum TokenVerifier {
    public enum Result {
        /// - `keys`: the number of the key set it was checked with.
        case believed(Principal, Issuer, keys: UInt64)
        case refused(CredentialFault, Issuer?, keys: UInt64)
        /// Newer keys might help. `keyID`: its `kid`, empty where it has none.
        case unknownKey(keyID: [UInt8], Issuer, keys: UInt64)
        /// Its issuer has no keys at all now.
        case noKeys(Issuer, keys: UInt64)
    }

    /// - Parameters:
    ///   - text: all of the token.
    ///   - nowMS: wall clock milliseconds.
    public static func verify(_ text: Span<UInt8>, issuers: [Issuer], nowMS: UInt64) -> Result {
        let token: CompactToken
        let claims: ClaimSet
        do {
            token = try CompactToken(text)
            claims = try ClaimSet(token.payload)
        } catch {
            return .refused(CredentialFault(error), nil, keys: 0)
        }
        guard let name = claims.issuer, let issuer = issuers.first(where: { $0.rules.issuer == name }) else {
            return .refused(.wrongIssuer, nil, keys: 0)
        }
        let (set, version) = issuer.keys()
        guard issuer.algorithms.contains(token.algorithm) else { return .refused(.wrongAlgorithm, issuer, keys: version) }
        guard let set else { return .noKeys(issuer, keys: version) }
        do throws(TokenFault) {
            try set.verify(token, in: text)
            if issuer.settings.type == .jwt, let type = token.type, !type.span.equalsIgnoringCase("jwt") { throw TokenFault.wrongType }
            try claims.check(issuer.rules, nowMS: Int64(clamping: nowMS), type: token.type)
            return .believed(try principal(of: claims, issuer), issuer, keys: version)
        } catch {
            if error == .unknownKey { return .unknownKey(keyID: token.keyID ?? [], issuer, keys: version) }
            return .refused(CredentialFault(error), issuer, keys: version)
        }
    }

    /// Bytes of `sub` and of `jti`.
    static let mostSubject = 256

    private static func principal(of claims: ClaimSet, _ issuer: Issuer) throws(TokenFault) -> Principal {
        guard let subject = claims.subject, isName(subject), let expiresMS = claims.expiresMS else { throw .badClaim }
        if let id = claims.tokenID, id.count > mostSubject { throw .badClaim }
        let names = issuer.claims
        var lines: [UInt8] = []
        for header in names.headers {
            // An array of texts, or one value. What a token does not say is not said upstream.
            let list = try? claims.texts(at: header.path)
            guard let value = claims.text(at: header.path).map({ FieldValue.text($0) }) ?? list.map(FieldValue.list), !value.isEmpty
            else { continue }
            lines += header.name + [0x3a, 0x20] + value + [0x0d, 0x0a]
        }
        var isService = false
        if let service = names.service { isService = try texts(claims, service.path).contains { service.values.contains($0) } }
        var kept: [(name: [UInt8], value: [UInt8])] = []
        for claim in names.kept {
            let value = try texts(claims, claim.path)
            if !value.isEmpty { kept.append((claim.name, Array(value.joined(separator: [0x2c])))) }
        }
        let scopes =
            names.scopesAreRegistered
            ? claims.scopes : try claims.texts(at: names.scopes).flatMap { $0.split(separator: 0x20).map { Array($0) } }
        return Principal(
            kind: isService ? .service : .user, issuer: issuer.name, subject: subject,
            roles: try claims.texts(at: names.roles), scopes: scopes, claims: kept,
            tokenID: claims.tokenID ?? [], expiresMS: UInt64(max(0, expiresMS + issuer.rules.leewayMS)),
            issuedMS: UInt64(max(0, claims.issuedMS ?? 0)), fieldLines: lines, forwardsToken: issuer.settings.forward)
    }

    /// The one text, number or truth, or the texts of an array.
    private static func texts(_ claims: ClaimSet, _ path: [[UInt8]]) throws(TokenFault) -> [[UInt8]] {
        if let text = claims.text(at: path) { return [text] }
        return try claims.texts(at: path)
    }

    /// Somebody: not empty, bounded, and nothing that a log or a field could be broken with.
    private static func isName(_ subject: [UInt8]) -> Bool {
        !subject.isEmpty && subject.count <= mostSubject && subject.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
    }
}

/// Claims as values of fields. Whatever a field cannot carry, and what would be taken for something else on the way, is
/// percent-encoded: no claim can end its field, seem to be two entries of a list, or lose the blank it begins with.
enum FieldValue {
    static func text(_ claim: [UInt8]) -> [UInt8] { encoded(claim, alsoCommas: false) }

    static func list(_ entries: [[UInt8]]) -> [UInt8] {
        Array(entries.map { encoded($0, alsoCommas: true) }.joined(separator: [0x2c]))
    }

    private static func encoded(_ text: [UInt8], alsoCommas: Bool) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        for (i, byte) in text.enumerated() {
            let isAtEnd = i == 0 || i == text.count - 1
            let isPlain = byte > 0x20 && byte < 0x7f && byte != 0x25 && !(alsoCommas && byte == 0x2c)
            if isPlain || byte == 0x20 && !isAtEnd {
                out.append(byte)
            } else {
                let digits = Array("0123456789ABCDEF".utf8)
                out += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return out
    }
}
