import ArgumentParser
import Contracts
import Glibc
import JOSE

/// `nexus-gateway token`: the development issuer. Never for production: whoever can read its key can be anybody.
struct TokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Print a token of the development issuer.",
        discussion: """
            The first call makes the issuer's key and, beside it, the set of public keys that the configuration names under \
            identity.issuers[].keys.file. Both stay until they are deleted.
            """)

    @Option(help: "Who the token is for: sub.")
    var sub: String

    @Option(help: "One of its roles; again for more.")
    var role: [String] = []

    @Option(help: "The claim that the roles go into, a name or a path such as realm_access.roles.")
    var rolesClaim = "roles"

    @Option(help: "iss.")
    var issuer = "https://issuer.nexus.local/dev"

    @Option(help: "aud; again for more.")
    var audience: [String] = ["nexus-gateway"]

    @Option(help: "One scope; again for more.")
    var scope: [String] = []

    @Option(parsing: .unconditional, help: "How long it is good: 30s, 15m, 1h, 7d; at most 365d. Negative: it has expired already.")
    var ttl = "1h"

    @Option(help: "A further claim, name=value: the value as JSON, or else as a text; again for more.")
    var claim: [String] = []

    @Option(help: "The private key, a JSON Web Key or PEM; it is made when it is not there.")
    var key = "certs/dev-issuer.jwk"

    @Option(help: "The algorithm of a key that is made now.")
    var algorithm = "ES256"

    @Option(help: "kid of a key that is made now, or has none (default: its thumbprint).")
    var kid: String?

    @Option(help: "Where the public keys are written (default: the key's file with the ending .jwks).")
    var jwks: String?

    @Option(help: "typ: JWT, or at+jwt for access tokens of RFC 9068.")
    var type = "JWT"

    func validate() throws {
        guard !sub.isEmpty else { throw ValidationError("--sub must not be empty") }
        guard Algorithm(name: algorithm) != nil else {
            throw ValidationError("--algorithm is one of \(Algorithm.allCases.map { "\($0.name)" }.joined(separator: ", "))")
        }
        guard seconds != nil else { throw ValidationError("--ttl is a number and s, m, h or d, at most 365d") }
        for claim in claim where claim.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).count != 2 || claim.first == "=" {
            throw ValidationError("--claim wants name=value, not '\(claim)'")
        }
        guard !rolesClaim.split(separator: ".", omittingEmptySubsequences: false).contains("") else {
            throw ValidationError("--roles-claim is a name, or names with dots between")
        }
    }

    func run() throws {
        let issuer = try DevelopmentIssuer(
            keyFile: key, publicFile: jwks, algorithm: Algorithm(name: algorithm) ?? .es256, keyID: kid.map { Array($0.utf8) })
        guard let token = try? issuer.key.token(payload: claims().span, type: type), token.count <= CompactToken.longest else {
            TokenFiles.complain("the token would be longer than \(CompactToken.longest) bytes")
            throw ExitCode(1)
        }
        print(String(decoding: token, as: UTF8.self))
    }

    /// `--ttl` in seconds.
    private var seconds: Int? {
        guard let unit = ttl.last.flatMap({ ["s": 1, "m": 60, "h": 3600, "d": 86_400][$0] }), let count = Int(ttl.dropLast()),
            count.magnitude <= 365 * 86_400, (count * unit).magnitude <= 365 * 86_400
        else { return nil }
        return count * unit
    }

    private func claims() -> [UInt8] {
        let now = time(nil)
        func list(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
        var members: [JSONValue.Member] = [
            .init("iss", .string(issuer)), .init("sub", .string(sub)), .init("aud", audience.count == 1 ? .string(audience[0]) : list(audience)),
            .init("iat", .number("\(now)")), .init("exp", .number("\(now + (seconds ?? 0))")), .init("jti", .string(TokenCommand.identifier())),
        ]
        if !scope.isEmpty { members.append(.init("scope", .string(scope.joined(separator: " ")))) }
        if !role.isEmpty { TokenCommand.set(rolesClaim.split(separator: ".").map(String.init), list(role), in: &members) }
        for claim in claim {
            let parts = claim.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let text = Array(parts[1].utf8)
            TokenCommand.set([String(parts[0])], (try? JSONValue(text.span)) ?? .string(String(parts[1])), in: &members)
        }
        var json = JSONWriter<[UInt8]>([])
        JSONValue.object(members).write(to: &json)
        return json.sink
    }

    /// Puts a value under a path of names, in the place of what was there.
    private static func set(_ path: [String], _ value: JSONValue, in members: inout [JSONValue.Member]) {
        let at = members.firstIndex { $0.name == path[0] }
        var inner = value
        if path.count > 1 {
            var below: [JSONValue.Member] = []
            if let at, case .object(let found) = members[at].value { below = found }
            set(Array(path.dropFirst()), value, in: &below)
            inner = .object(below)
        }
        if let at { members[at].value = inner } else { members.append(.init(path[0], inner)) }
    }

    /// 128 random bits.
    private static func identifier() -> String {
        var random = SystemRandomNumberGenerator()
        return [random.next(), random.next()].map { (word: UInt64) in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
