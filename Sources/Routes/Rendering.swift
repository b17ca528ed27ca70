import Exchanges
import Settings

extension RouteTable {
    /// The table for people: a line a route in aligned columns, and below it what is not the default.
    public func render() -> String {
        var rows = [["ROUTE", "LISTENER", "HOST", "METHOD", "PATH", "TARGET", "STAGES", "FROM"]]
        for route in routes {
            rows.append([
                route.name,
                route.match.listeners.isEmpty ? "-" : route.match.listeners.joined(separator: ","),
                route.match.mqtt != nil ? "-" : route.match.hosts.isEmpty ? "any" : route.match.hosts.map { "\($0)" }.joined(separator: ","),
                route.match.mqtt.map { "MQTT \($0)" } ?? (route.match.grpc ? "gRPC" : route.methods.isEmpty ? "any" : route.methods.joined(separator: ",")),
                route.template,
                "\(route.target)",
                route.stageNames.isEmpty ? "-" : route.stageNames.joined(separator: ","),
                "\(route.position)",
            ])
        }
        let lines = Columns.align(rows)
        var text = lines[0] + "\n"
        for (route, line) in zip(routes, lines.dropFirst()) {
            text += line + "\n"
            for (what, value) in route.settings where value != RouteDefinition.plain(what) {
                text += "    \(what.padded(to: 10)) \(value)\n"
            }
        }
        return text
    }
}

extension RouteDefinition {
    /// The stages the route switches on, in pipeline order.
    var stageNames: [String] {
        let present: [(Bool, String)] = [
            (shield != nil, "shield"), (identity != nil, "identify"), (access != nil, "authorize"),
            (!quotas.isEmpty, "quota"), (collect, "collect"), (!inspection.isEmpty || bodySchema != nil || messageRule != nil, "inspect"),
            (repetition != nil, "replay"), (steering != nil, "steer"),
        ]
        return present.filter(\.0).map(\.1)
    }

    /// Every setting with its value in words, in the order in which a request meets them.
    var settings: [(what: String, value: String)] {
        var result: [(String, String)] = []
        for condition in match.headers { result.append(("when", "\(condition)")) }
        for condition in match.query { result.append(("when", "query \(condition)")) }
        if let flag { result.append(("flag", "\(flag) (\(steering?.setting ?? "off: the fallback answers"))")) }
        if let call { result.append(("calls", call.setting)) }
        for parameter in parameters { result.append(("parameter", parameter.setting)) }
        for rule in inspection { result.append(("inspect", "\(rule)")) }
        if let fallback { result.append(("fallback", "\(fallback)")) }
        if let shield {
            let per = Quantity.text(milliseconds: shield.per)
            result.append(("shield", "\(shield.requests) requests per \(per), \(shield.burst) at once, for each peer"))
        }
        if let identity { result.append(("identify", "\(identity)")) }
        if let access { result.append(("authorize", "policy \(access)")) }
        for quota in quotas { result.append(("quota", "\(quota)")) }
        if let bodySchema { result.append(("inspect", "\(bodySchema)")) }
        if let messageRule { result.append(("inspect", "\(messageRule)")) }
        if let repetition { result.append(("replay", "\(repetition)")) }
        let limit =
            bodyLimit == .max ? "unlimited" : bodyLimit == 0 ? "none" : "up to \(Quantity.text(bytes: bodyLimit))"
        result.append(("body", collect ? "\(limit), collected" : limit))
        let durations: [(String, UInt32)] = [
            ("connect", timeouts.connect), ("tls", timeouts.tls), ("body", timeouts.body),
            ("first_byte", timeouts.firstByte), ("stream_idle", timeouts.streamIdle),
            ("stream_max", timeouts.streamMax), ("keep_alive", timeouts.keepAlive), ("queue", timeouts.queue),
        ]
        result.append(
            ("timeouts", durations.map { "\($0.0) \(Quantity.text(milliseconds: $0.1))" }.joined(separator: ", ")))
        if timeouts.bodyRate > 0 && bodyLimit > 0 {
            result.append(("body rate", "at least \(Quantity.text(bytes: UInt64(timeouts.bodyRate))) a second"))
        }
        if targets.contains(where: \.isCluster) {
            result.append(retry.setting)
            result.append(("upgrade", upgrade ? "allowed" : "refused"))
            result.append(("host", "\(host)"))
        }
        if let rewrite { result.append(("rewrite", "\(rewrite)")) }
        for edit in requestEdits { result.append(("request", "\(edit)")) }
        for edit in responseEdits { result.append(("response", "\(edit)")) }
        if let cors { result.append(("cors", cors.setting)) }
        return result
    }

    /// What `settings` says of a route that sets nothing; empty for what is then not there.
    fileprivate static func plain(_ what: String) -> String {
        defaults.first { $0.what == what }?.value ?? ""
    }

    private static let defaults = RouteDefinition(
        name: "", position: SourcePosition(file: ""),
        match: RouteMatch(listeners: [], listenerMask: 0, path: .root), target: .cluster("", 0)
    ).settings
}

extension SteeringDefinition {
    /// As `routes` and `explain` show it.
    fileprivate var setting: String {
        var parts = ["on for \(Percentage.text(basisPoints: weight)) %"]
        if !keys.isEmpty { parts.append("by " + keys.map { "\($0)" }.joined(separator: " or ")) }
        switch affinity {
        case .none: break
        case .start: parts.append("what it begins stays on its side")
        case .follow: parts.append("on the side where it was begun")
        case .finish: parts.append("ends on the side where it was begun")
        }
        if let place { parts.append("as \(place) says") }
        return parts.joined(separator: ", ")
    }
}

extension CallDefinition {
    fileprivate var setting: String {
        var parts = [method]
        switch body {
        case .none: break
        case .message: parts.append("the body is the message")
        case .field(let name): parts.append("the body is \(name)")
        }
        if let responseBody { parts.append("the answer is \(responseBody)") }
        for binding in bindings { parts.append("\(binding.capture) is \(binding.field)") }
        if ignoresUnknown { parts.append("unknown members ignored") }
        if writesDefaults { parts.append("defaults written") }
        return parts.joined(separator: "; ")
    }
}

extension RouteMatch {
    /// What `path` is called among those who ask.
    fileprivate var addressName: String {
        switch mqtt {
        case nil: "path"
        case .connect: "client"
        case .publish: "topic"
        case .subscribe: "filter"
        }
    }
}

/// Text in columns.
enum Columns {
    /// Each column as wide as its widest cell, two spaces between; no spaces at the end.
    static func align(_ rows: [[String]]) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { i in rows.map { i < $0.count ? $0[i].count : 0 }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { i, cell in i == row.count - 1 ? cell : cell.padded(to: widths[i]) }
                .joined(separator: "  ")
        }
    }
}

extension String {
    func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}

extension Explanation {
    /// Candidates listed by name; the rest is counted.
    static let shown = 20

    /// The explanation for people. `table` must be the one that made it.
    public func render(_ table: RouteTable) -> String {
        var text = ""
        if let preflight { return render(preflight, table) }
        switch match {
        case .route(let number):
            let route = table.routes[Int(number)]
            var lines = [("route", "\(route.name)  (\(route.position))"), (route.match.addressName, route.template)]
            for (name, value) in captures { lines.append(("", "\(name) = \(value.isEmpty ? "(empty)" : value)")) }
            lines.append(("target", "\(route.target)"))
            if route.targets.contains(where: \.isCluster) { lines.append(("upstream", "path \(upstreamPath)")) }
            let stages = route.stageNames.isEmpty ? "none" : route.stageNames.joined(separator: " → ")
            lines.append(("stages", stages))
            lines += route.settings.map { ($0.what, $0.value) }
            text += lines.map { "\($0.0.padded(to: 10)) \($0.1)\n" }.joined()
        case .methodNotAllowed(let methods) where isMQTT:
            let others = MQTTAction.allCases.filter { methods.contains(MethodSet($0.verb)) }.map(\.rawValue)
            text += "no route   METHOD_NOT_ALLOWED, only for \(others.joined(separator: " and "))\n"
        case .methodNotAllowed(let methods):
            let buffer = Buffer(capacity: 64)
            table.appendAllow(methods, into: buffer)
            text += "no route   405 METHOD_NOT_ALLOWED, Allow: \(buffer.withReadable { $0.text })\n"
        case .none:
            text += isMQTT ? "no route   NO_ROUTE\n" : "no route   404 NO_ROUTE\n"
        }
        return text + renderOthers(table)
    }

    /// A preflight has one line of its own, and of its route what matters to it.
    private func render(_ preflight: Preflight, _ table: RouteTable) -> String {
        let route = table.routes[Int(preflight.route)]
        let verdict =
            switch preflight.verdict {
            case .allowed: "allowed"
            case .origin: "refused, the origin is not allowed"
            case .method: "refused, the method is not allowed"
            case .header: "refused, not all of the headers are allowed"
            }
        let lines = [
            ("route", "\(route.name)  (\(route.position))"), ("path", route.template),
            ("preflight", "for \(askedMethod): \(verdict)"), ("cors", route.cors?.setting ?? ""),
        ]
        return lines.map { "\($0.0.padded(to: 10)) \($0.1)\n" }.joined()
    }

    private func renderOthers(_ table: RouteTable) -> String {
        var text = ""
        let others = candidates.filter { $0.route != chosen }
        if !others.isEmpty { text += "\nwhy not the others:\n" }
        let rows = others.prefix(Explanation.shown).map { candidate in
            let route = table.routes[Int(candidate.route)]
            let why = candidate.reasons.isEmpty ? "fits too, but is less specific" : candidate.reasons.map { "\($0)" }.joined(separator: ", ")
            return ["  \(route.name)", route.template, why]
        }
        text += Columns.align(rows).map { $0 + "\n" }.joined()
        if others.count > Explanation.shown { text += "  and \(others.count - Explanation.shown) more\n" }
        return text
    }
}
