public import Exchanges

/// Why a request goes where it goes: the decision of the compiled table, and for every route what of
/// the request does not fit it.
public struct Explanation: Sendable {
    /// What a route wants and the request is not.
    public enum Reason: Sendable, Hashable, CustomStringConvertible {
        case listener, host, path, dialect, otherProtocol
        case header(HeaderCondition)
        case query(HeaderCondition)
        case method

        public var description: String {
            switch self {
            case .listener: "other listener"
            case .host: "other host"
            case .path: "other path"
            case .dialect: "not a gRPC request"
            case .otherProtocol: "other protocol"
            case .header(let condition): "header not as wanted (\(condition))"
            case .query(let condition): "query not as wanted (\(condition))"
            case .method: "other method"
            }
        }
    }

    public struct Candidate: Sendable {
        /// Index into `RouteTable.routes`.
        public var route: UInt16
        /// Empty for the chosen route, and for routes that fit too but are less specific.
        public var reasons: [Reason]
    }

    /// What `RouteTable.match` said.
    public var match: Match
    /// Every route, nearest first.
    public var candidates: [Candidate]
    /// Parameters of the chosen route's template and what stood for them.
    public var captures: [(name: String, value: String)] = []
    /// The path that would go upstream; equal to the request's without a rewrite.
    public var upstreamPath = ""

    /// Set when the gateway answers for a route, by its CORS rules; `match` says what else would have been.
    public var preflight: Preflight?
    /// What is asked is MQTT's.
    public var isMQTT = false
    /// The method that a preflight asks for.
    var askedMethod = ""

    /// Index of the chosen route, or nil.
    public var chosen: UInt16? {
        if let preflight { return preflight.route }
        if case .route(let number) = match { return number }
        return nil
    }
}

extension RouteTable {
    /// Explains what `match` decides for the same arguments. Cold.
    public func explain(_ head: borrowing Head, in text: borrowing Span<UInt8>, listener: UInt16) -> Explanation {
        var captures = Captures()
        let decision = match(head, in: text, listener: listener, captures: &captures)
        var candidates: [Explanation.Candidate] = []
        for (i, route) in routes.enumerated() {
            candidates.append(
                Explanation.Candidate(
                    route: UInt16(i), reasons: route.match.reasons(against: head, in: text, listener: listener)))
        }
        // The chosen one, then those that fit, then those that at least agree on the path.
        func distance(_ candidate: Explanation.Candidate) -> (Int, Int, UInt16) {
            if decision == .route(candidate.route) { return (-1, 0, 0) }
            return (candidate.reasons.contains(.path) ? 1 : 0, candidate.reasons.count, candidate.route)
        }
        candidates.sort { distance($0) < distance($1) }
        var result = Explanation(match: decision, candidates: candidates)
        result.isMQTT = head.dialect == .mqtt
        if let preflight = preflight(head, in: text, listener: listener) {
            result.preflight = preflight
            result.askedMethod = text.extracting(preflight.method.range).text
            return result
        }
        guard let chosen = result.chosen else { return result }
        for (i, name) in routes[Int(chosen)].match.path.captureNames.enumerated() {
            result.captures.append((name, text.extracting(captures[i].range).text))
        }
        if let call = routes[Int(chosen)].call {
            result.upstreamPath = call.path
            return result
        }
        let buffer = Buffer(capacity: 256)
        pathRewrite(rules[Int(chosen)].pathRewrite, path: head.path, captures: captures, in: text, into: buffer)
        result.upstreamPath = buffer.withReadable { $0.text }
        return result
    }
}

extension RouteMatch {
    /// Everything of the request that this match does not accept, in the order in which the table
    /// decides. Written from the definition, not from the tree: tests hold the two against each other.
    func reasons(
        against head: borrowing Head, in text: borrowing Span<UInt8>, listener: UInt16
    ) -> [Explanation.Reason] {
        var reasons: [Explanation.Reason] = []
        if listener >= 64 || listenerMask >> UInt64(listener) & 1 == 0 { reasons.append(.listener) }
        let host = RouteMatch.host(text.extracting(head.authority.range).text)
        if !hosts.isEmpty, !hosts.contains(where: { $0.matches(host) }) { reasons.append(.host) }
        let path: [UInt8] = text.extracting(head.path.range).bytes
        let fits = mqtt.map { accepts(levels: path, of: $0) } ?? accepts(path: path)
        if !fits { reasons.append(.path) }
        if (mqtt != nil) != (head.dialect == .mqtt) { reasons.append(.otherProtocol) }
        if grpc, !head.dialect.callsGRPC { reasons.append(.dialect) }
        for condition in headers {
            let name = Array(condition.name.utf8)
            var lines: [[UInt8]] = []
            for field in head.fields where text.extracting(field.nameText.range).equalsIgnoringCase(name) {
                lines.append(text.extracting(field.value.range).bytes)
            }
            if !condition.test.holds(for: lines) { reasons.append(.header(condition)) }
        }
        let parameters = text.extracting(head.query.range).bytes.split(separator: 0x26).map { pair in
            let parts = pair.split(separator: 0x3d, maxSplits: 1, omittingEmptySubsequences: false)
            return (name: Array(parts[0]), value: parts.count > 1 ? Array(parts[1]) : [])
        }
        for condition in query {
            let values = parameters.filter { $0.name == Array(condition.name.utf8) }.map(\.value)
            if !condition.test.holds(for: values) { reasons.append(.query(condition)) }
        }
        if let mqtt {
            if head.verb != mqtt.verb { reasons.append(.method) }
            return reasons
        }
        let method = head.verb.token ?? text.extracting(head.method.range).text
        if !methods.isEmpty, !methods.contains(method), !(method == "HEAD" && methods.contains("GET")) {
            reasons.append(.method)
        }
        return reasons
    }

    /// The same of topics, filters and client identifiers.
    private func accepts(levels path: [UInt8], of action: MQTTAction) -> Bool {
        let levels = path.dropFirst().split(separator: 0x2f, omittingEmptySubsequences: false)
        let isReserved = action != .connect && levels.first?.first == 0x24
        for (i, segment) in self.path.segments.enumerated() {
            if case .rest = segment { return !(isReserved && i == 0) }
            guard i < levels.count else { return false }
            switch segment {
            case .literal(let bytes): if !levels[i].elementsEqual(bytes) { return false }
            case .parameter: if levels[i].elementsEqual([0x23]) || (isReserved && i == 0) { return false }
            case .rest: break
            }
        }
        return levels.count == self.path.segments.count
    }

    /// An authority without its port, its trailing dot and its case.
    static func host(_ authority: String) -> String {
        var host = authority[...]
        if host.hasPrefix("[") {
            host = host.prefix { $0 != "]" } + "]"
        } else {
            host = host.prefix { $0 != ":" }
            if host.hasSuffix(".") { host = host.dropLast() }
        }
        return host.lowercased()
    }

    private func accepts(path: [UInt8]) -> Bool {
        if path == [0x2a] || self.path.isAsterisk { return path == [0x2a] && self.path.isAsterisk }
        guard path.first == 0x2f else { return false }
        let parts = path.dropFirst().split(separator: 0x2f, omittingEmptySubsequences: false)
        for (i, segment) in self.path.segments.enumerated() {
            guard i < parts.count else { return false }
            switch segment {
            case .literal(let bytes): if !parts[i].elementsEqual(bytes) { return false }
            case .parameter: if parts[i].isEmpty { return false }
            case .rest: return true
            }
        }
        return parts.count == self.path.segments.count
    }
}

extension HeaderCondition.Test {
    /// - Parameter values: of all fields, or parameters, of the condition's name.
    fileprivate func holds(for values: [[UInt8]]) -> Bool {
        switch self {
        case .equals(let value): values.contains(value)
        case .present: !values.isEmpty
        case .absent: values.isEmpty
        }
    }
}
