import Exchanges
import Settings

extension RouteReader {
    /// `match`: which requests are the route's. Nil when the path is missing or wrong.
    func readMatch(_ route: Fields, _ label: String) -> RouteMatch? {
        guard let fields = route.fields("match", "the match of a route") else {
            diagnostics.error(at: route.position, "\(label) needs a match")
            return nil
        }
        if let action = readAction(fields) { return readTopicMatch(fields, action) }
        let path = readAddress(fields, label)
        let (listeners, mask) = readListeners(fields)
        var match = RouteMatch(listeners: listeners, listenerMask: mask, path: path ?? .root)
        match.grpc = fields.has("grpc")
        match.methods = match.grpc ? ["POST"] : readMethods(fields)
        match.hosts = readHosts(fields)
        match.headers = readConditions(fields)
        match.query = readQueryConditions(fields)
        fields.finish()
        if match.path.isAsterisk, path != nil, match.methods != ["OPTIONS"] {
            diagnostics.error(at: fields.position(of: "path"), "only 'method: OPTIONS' has the target *")
        }
        return path == nil ? nil : match
    }

    /// The path, or the gRPC method written as a path.
    private func readAddress(_ fields: Fields, _ label: String) -> PathTemplate? {
        let path = fields.value("path")
        guard let grpc = fields.value("grpc") else {
            guard let path else {
                diagnostics.error(at: fields.position, "the match of \(label) needs a path (or grpc, or connect, publish, subscribe of MQTT)")
                return nil
            }
            return path.string("path", diagnostics).flatMap { template($0, at: path.position) }
        }
        for key in ["path", "method"] where fields.has(key) {
            diagnostics.error(at: fields.position(of: key), "'grpc' says path and method already")
        }
        // Asked for, so that it is not unknown beside the error above.
        _ = fields.value("method")
        guard let text = grpc.string("grpc", diagnostics) else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        func isIdentifier(_ word: Substring) -> Bool {
            guard let first = word.utf8.first, !(first >= 48 && first <= 57) else { return false }
            return word.utf8.allSatisfy { $0.isLetterOrDigit || $0 == 0x5f }
        }
        guard parts.count == 2, isIdentifier(parts[1]) || parts[1] == "*",
            parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy(isIdentifier)
        else {
            diagnostics.error(at: grpc.position, "'\(text)' is not package.Service/Method or package.Service/*")
            return nil
        }
        return template("/\(parts[0])/\(parts[1] == "*" ? "{method}" : parts[1])", at: grpc.position)
    }

    func template(_ text: String, at position: SourcePosition, repeats: Bool = false) -> PathTemplate? {
        do {
            return try PathTemplate(text, repeats: repeats)
        } catch {
            diagnostics.error(at: position, error.message)
            return nil
        }
    }

    /// - Parameter mqtt: those that speak MQTT, or those that do not.
    func readListeners(_ fields: Fields, mqtt: Bool = false) -> ([String], UInt64) {
        let all = configuration.allListeners.map(\.name)
        let speakers = configuration.allListeners.filter { ($0.mqtt != nil) == mqtt }.map(\.name)
        guard let given = fields.strings("listener") else {
            let names = speakers.filter { $0 != Listener.adminName }
            return (names, mask(of: names, in: all))
        }
        if given.isEmpty { diagnostics.error(at: fields.position(of: "listener"), "'listener' names no listener") }
        var names: [String] = []
        for (name, position) in given {
            if names.contains(name) {
                diagnostics.error(at: position, "the listener '\(name)' is named twice")
            } else if speakers.contains(name) {
                names.append(name)
            } else if all.contains(name) {
                diagnostics.error(
                    at: position,
                    mqtt
                        ? "the listener '\(name)' speaks HTTP, and this route is of MQTT: name one with 'mqtt'"
                        : "the listener '\(name)' speaks MQTT: match 'connect', 'publish' or 'subscribe', or name another")
            } else if name == Listener.adminName {
                diagnostics.warning(at: position, "the listener 'admin' is off, so it does not serve this route")
            } else {
                diagnostics.error(at: position, "unknown listener '\(name)'" + Spelling.hint(name, among: all))
            }
        }
        return (names, mask(of: names, in: all))
    }

    private func mask(of names: [String], in all: [String]) -> UInt64 {
        // More than 64 listeners are refused with the configuration.
        all.prefix(64).enumerated().reduce(0) { names.contains($1.element) ? $0 | 1 << UInt64($1.offset) : $0 }
    }

    private func readMethods(_ fields: Fields) -> [String] {
        guard let given = fields.strings("method") else { return [] }
        if given.isEmpty { diagnostics.error(at: fields.position(of: "method"), "'method' names no method") }
        var methods: [String] = []
        for (method, position) in given {
            if !HeaderRules.isName(method) || method.utf8.count > 32 {
                diagnostics.error(at: position, "'\(method)' is not a method")
            } else if method != method.uppercased(), Verb.allCases.contains(where: { $0.token == method.uppercased() }) {
                diagnostics.error(at: position, "methods have upper case: '\(method.uppercased())'")
            } else if method == "CONNECT" {
                diagnostics.error(at: position, "CONNECT has no path; the gateway refuses it before routing")
            } else if methods.contains(method) {
                diagnostics.error(at: position, "the method \(method) is named twice")
            } else {
                methods.append(method)
            }
        }
        return methods
    }

    private func readHosts(_ fields: Fields) -> [HostPattern] {
        guard let given = fields.strings("host") else { return [] }
        if given.isEmpty { diagnostics.error(at: fields.position(of: "host"), "'host' names no host") }
        var hosts: [HostPattern] = []
        for (text, position) in given {
            guard let pattern = HostPattern(text) else {
                diagnostics.error(
                    at: position, "'\(text)' is not a host: write shop.example or \"*.example.com\", without a port")
                continue
            }
            if hosts.contains(pattern) {
                diagnostics.error(at: position, "the host \(pattern) is named twice")
            } else {
                hosts.append(pattern)
            }
        }
        return hosts
    }

    func readConditions(_ fields: Fields) -> [HeaderCondition] {
        guard let headers = fields.fields("headers", "the headers of a match") else { return [] }
        var conditions: [HeaderCondition] = []
        for entry in headers.named() {
            let name = entry.key.lowercased()
            if !HeaderRules.isName(name) {
                diagnostics.error(at: entry.position, "'\(entry.key)' is not a header name")
            } else if name == "host" {
                diagnostics.error(at: entry.position, "use 'host' of the match: not every request has a Host field")
            } else if conditions.contains(where: { $0.name == name }) {
                diagnostics.error(at: entry.position, "the header '\(name)' is named twice")
            } else if let test = readTest(entry) {
                conditions.append(HeaderCondition(name: name, test: test))
            }
        }
        if conditions.count > 16 {
            diagnostics.error(at: headers.position, "a route has at most 16 header conditions")
        }
        return conditions.sorted { $0.name < $1.name }
    }

    /// `query: { name: text }`, with the same tests.
    private func readQueryConditions(_ fields: Fields) -> [HeaderCondition] {
        guard let query = fields.fields("query", "the query of a match") else { return [] }
        var conditions: [HeaderCondition] = []
        for entry in query.named() {
            let isPlain = entry.key.utf8.allSatisfy { $0.isUnreserved || $0 == 0x5b || $0 == 0x5d }
            if entry.key.isEmpty || entry.key.utf8.count > 128 || !isPlain {
                diagnostics.error(
                    at: entry.position, "'\(entry.key)' is not the name of a parameter: letters, digits, -._~ and []")
            } else if let test = readTest(entry) {
                conditions.append(HeaderCondition(name: entry.key, test: test))
            }
        }
        if conditions.count > 16 {
            diagnostics.error(at: query.position, "a route has at most 16 query conditions")
        }
        return conditions.sorted { $0.name < $1.name }
    }

    /// `x-a: text`, `{ present: true }` or `{ absent: true }`; `false` turns the sense round.
    private func readTest(_ entry: Value.Entry) -> HeaderCondition.Test? {
        guard case .map = entry.value.shape else {
            guard let text = entry.value.string(entry.key, diagnostics) else { return nil }
            guard HeaderRules.isValue(text) else {
                diagnostics.error(at: entry.value.position, "'\(entry.key)' cannot have this value: no field can")
                return nil
            }
            return .equals(Array(text.utf8))
        }
        let fields = Fields(entry.value, "the condition on '\(entry.key)'", diagnostics)
        let present = fields.bool("present")
        let absent = fields.bool("absent")
        fields.finish()
        switch (present, absent) {
        case (let wanted?, nil): return wanted ? .present : .absent
        case (nil, let wanted?): return wanted ? .absent : .present
        default:
            diagnostics.error(at: entry.value.position, "a condition is a text, { present: true } or { absent: true }")
            return nil
        }
    }
}

extension PathTemplate {
    /// Stands in for a template that could not be read, so that reading can go on.
    static let root = PathTemplate(segments: [.literal([])], text: "/")
}
