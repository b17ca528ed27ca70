import Exchanges
import Settings
import Seeded
import Testing

@testable import Routes

/// Random tables and requests: the compiled tree against a matcher that tries every route and takes
/// the best, and against the reasons `explain` gives.
struct PropertyTests {
    @Test(arguments: 1...40)
    func theTreeDecidesAsTheRulesSay(_ seed: UInt64) throws {
        var random = Seeded(state: seed)
        let table = try randomTable(&random)
        for _ in 0..<200 {
            let request = randomRequest(&random)
            let listener = UInt16.random(in: 0..<3, using: &random)
            var captures = Captures()
            let decided = table.match(request.head, in: request.text.span, listener: listener, captures: &captures)
            let expected = Reference(table: table, request: request, listener: listener).decide()
            #expect(decided == expected, "seed \(seed): \(describe(request))")
            if case .route(let number) = decided {
                #expect(captures.count == table.routes[Int(number)].match.path.captureNames.count)
            }

            let explanation = table.explain(request.head, in: request.text.span, listener: listener)
            #expect(explanation.match == decided)
            #expect(explanation.candidates.count == table.routes.count)
            let fitting = explanation.candidates.filter(\.reasons.isEmpty).map(\.route)
            let missingMethod = explanation.candidates.filter { $0.reasons == [.method] }
            switch decided {
            case .route(let number): #expect(fitting.first == number, "seed \(seed): \(describe(request))")
            case .methodNotAllowed:
                #expect(fitting.isEmpty && !missingMethod.isEmpty, "seed \(seed): \(describe(request))")
            case .none: #expect(fitting.isEmpty && missingMethod.isEmpty, "seed \(seed): \(describe(request))")
            }
        }
    }

    func describe(_ request: Request) -> String {
        "\(request.string(request.head.method)) \(request.string(request.head.authority)) \(request.string(request.head.path))"
    }

    // MARK: - Generators: few words, so that routes meet

    func randomTable(_ random: inout Seeded) throws -> RouteTable {
        var kept: [Value] = []
        var table: RouteTable?
        for i in 0..<Int.random(in: 1...40, using: &random) {
            let diagnostics = Diagnostics()
            let text = "routes: [{ name: r\(i), match: \(randomMatch(&random)), target: { cluster: shared } }]"
            let document = try #require(Document.parse(text, file: "r\(i).yaml", diagnostics))
            let larger = RouteCompiler.compile(kept + [document], twoListeners, vocabulary: vocabulary, diagnostics)
            // Two routes for the same requests are an error, and the only one: leave the second out.
            try #require(diagnostics.all.allSatisfy { $0.message.contains("matches the same requests") })
            if let larger {
                kept.append(document)
                table = larger
            }
        }
        return try #require(table)
    }

    static let words = ["a", "b", "aa", "a%2Fb"]
    static let hosts = ["x.test", "a.x.test", "b.a.x.test", "y.test"]

    func randomMatch(_ random: inout Seeded) -> String {
        var parts: [String] = []
        if random.chance(6) {
            parts.append("grpc: \"p.S/\(random.chance(3) ? "*" : "M")\"")
        } else {
            var path = ""
            let depth = Int.random(in: 0...4, using: &random)
            for i in 0..<depth {
                switch Int.random(in: 0..<8, using: &random) {
                case 0...3: path += "/" + random.pick(Self.words)
                case 4...6: path += "/{p\(i)}"
                default: path += "/" + (i == depth - 1 ? "{rest...}" : "b")
                }
            }
            if path.isEmpty || random.chance(6) && !path.hasSuffix("...}") { path += "/" }
            if random.chance(8) { path = "/p.S/M" }
            parts.append("path: \"\(path)\"")
            let methods = ["GET", "POST", "HEAD", "BREW", "DELETE"].filter { _ in random.chance(3) }
            if !methods.isEmpty { parts.append("method: [\(methods.joined(separator: ", "))]") }
        }
        if random.chance(3) {
            let host = random.pick(Self.hosts)
            parts.append("host: \"\(random.chance(2) ? "*." : "")\(host)\"")
        }
        if random.chance(4) { parts.append("listener: \(random.pick(["public", "partner", "[admin, public]"]))") }
        let conditions = ["x-a", "accept"].filter { _ in random.chance(5) }.map { name in
            "\(name): " + random.pick(["one", "two", "{ present: true }", "{ absent: true }"])
        }
        if !conditions.isEmpty { parts.append("headers: { \(conditions.joined(separator: ", ")) }") }
        return "{ \(parts.joined(separator: ", ")) }"
    }

    func randomRequest(_ random: inout Seeded) -> Request {
        var path = ""
        for _ in 0..<Int.random(in: 0...5, using: &random) { path += "/" + random.pick(Self.words + ["c"]) }
        if path.isEmpty || random.chance(5) { path += "/" }
        if random.chance(8) { path = "/p.S/" + random.pick(["M", "N"]) }
        let host = random.pick(Self.hosts + ["c.b.a.x.test", "z.test", "X.Test:80", "A.X.test.", ""])
        let headers = ["x-a", "Accept", "X-A"].filter { _ in random.chance(3) }.map { ($0, random.pick(["one", "two", "three"])) }
        return Request(
            random.pick(["GET", "POST", "HEAD", "BREW", "PUT", "DELETE", "MELT"]), path, host: host, headers,
            grpc: random.chance(4))
    }
}

/// The rules of precedence in the plainest words: every route that fits, compared two by two.
struct Reference {
    let table: RouteTable
    let request: Request
    let listener: UInt16

    func decide() -> Match {
        let near = table.rules.indices.filter { fits(table.routes[$0].match) }
        let best = near.filter { hasMethod(table.routes[$0].match) }.min { before($0, $1) }
        if let best { return .route(UInt16(best)) }
        if near.isEmpty { return .none }
        // The set is the table's own business; its text is what clients see.
        var allowed = MethodSet()
        for i in near { allowed.formUnion(methods(table.routes[i].match)) }
        return .methodNotAllowed(allowed)
    }

    var path: [String] {
        request.string(request.head.path).dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    }

    var host: String {
        let authority = request.string(request.head.authority).lowercased()
        let name = authority.split(separator: ":", omittingEmptySubsequences: false)[0]
        return String(name.hasSuffix(".") ? name.dropLast() : name)
    }

    func fits(_ match: RouteMatch) -> Bool {
        match.listenerMask >> UInt64(listener) & 1 == 1 && (!match.grpc || request.head.dialect.callsGRPC)
            && hostRank(match) != nil && fits(match.path) && match.headers.allSatisfy(fits)
    }

    /// 0 = exact, else the shorter the suffix the higher, last any; nil = none of its hosts.
    func hostRank(_ match: RouteMatch) -> Int? {
        if match.hosts.isEmpty { return 1_000 }
        return match.hosts.compactMap { pattern in
            if !pattern.isWildcard { return pattern.text == host ? 0 : nil }
            return host.hasSuffix(pattern.text) && host != pattern.text ? 500 - pattern.text.count : nil
        }.min()
    }

    func fits(_ template: PathTemplate) -> Bool {
        for (i, segment) in template.segments.enumerated() {
            guard i < path.count else { return false }
            switch segment {
            case .literal(let bytes): if Array(path[i].utf8) != bytes { return false }
            case .parameter: if path[i].isEmpty { return false }
            case .rest: return true
            }
        }
        return path.count == template.segments.count
    }

    func fits(_ condition: HeaderCondition) -> Bool {
        let values = request.head.fields.filter { request.string($0.nameText).lowercased() == condition.name }
            .map { Array(request.string($0.value).utf8) }
        return switch condition.test {
        case .equals(let wanted): values.contains(wanted)
        case .present: !values.isEmpty
        case .absent: values.isEmpty
        }
    }

    func hasMethod(_ match: RouteMatch) -> Bool {
        let method = request.string(request.head.method)
        return match.methods.isEmpty || match.methods.contains(method) || (method == "HEAD" && match.methods.contains("GET"))
    }

    func methods(_ match: RouteMatch) -> MethodSet {
        var set = MethodSet()
        for token in match.methods {
            if let verb = Verb.allCases.first(where: { $0.token == token }) {
                set.insert(MethodSet(verb))
                if verb == .get { set.insert(MethodSet(.head)) }
            } else {
                // The only token of its own these tables have.
                set.insert(MethodSet(custom: 0))
            }
        }
        return set
    }

    func before(_ a: Int, _ b: Int) -> Bool {
        let x = table.routes[a].match
        let y = table.routes[b].match
        if hostRank(x) != hostRank(y) { return hostRank(x) ?? 0 < hostRank(y) ?? 0 }
        for (s, t) in zip(x.path.segments, y.path.segments) where kind(s) != kind(t) { return kind(s) < kind(t) }
        if x.conditionCount != y.conditionCount { return x.conditionCount > y.conditionCount }
        let exact = [x, y].map { $0.headers.filter { $0.test != .present && $0.test != .absent }.count }
        if exact[0] != exact[1] { return exact[0] > exact[1] }
        let named = (x.methods.contains("HEAD"), y.methods.contains("HEAD"))
        if named.0 != named.1 { return named.0 }
        if x.methods.isEmpty != y.methods.isEmpty { return y.methods.isEmpty }
        return a < b
    }

    func kind(_ segment: PathTemplate.Segment) -> Int {
        switch segment {
        case .literal: 0
        case .parameter: 1
        case .rest: 2
        }
    }
}
