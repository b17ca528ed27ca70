import Exchanges
import Settings

/// Routes of MQTT: what a client does (`connect`, `publish`, `subscribe`) to which client identifier, topic or filter.
extension RouteReader {
    /// Bytes of a message that a client publishes, unless its route says otherwise.
    static let messageLimit: UInt64 = 64 << 10

    /// The one of the three keys that the match has; nil = it is of HTTP.
    func readAction(_ fields: Fields) -> MQTTAction? {
        let given = MQTTAction.allCases.filter { fields.has($0.rawValue) }
        for other in given.dropFirst() {
            diagnostics.error(
                at: fields.position(of: other.rawValue), "a route is about one of connect, publish and subscribe: write another route")
            // Asked for, so that it is not unknown beside the error above.
            _ = fields.value(other.rawValue)
        }
        return given.first
    }

    /// The same for what follows the match, whether or not that could be read.
    func statedAction(_ route: Fields) -> MQTTAction? {
        guard let match = route.value("match"), case .map(let entries) = match.shape else { return nil }
        return MQTTAction.allCases.first { action in entries.contains { $0.key == action.rawValue } }
    }

    /// `match: { publish: iot/inventory/{sku}/delta }`. Nil when the template is missing or wrong.
    func readTopicMatch(_ fields: Fields, _ action: MQTTAction) -> RouteMatch? {
        for key in ["path", "grpc", "method", "host", "query"] where fields.has(key) {
            diagnostics.error(at: fields.position(of: key), "'\(key)' is of HTTP, and '\(action)' of MQTT: a route is of one of them")
            _ = fields.value(key)
        }
        if action != .publish, fields.has("headers") {
            diagnostics.error(at: fields.position(of: "headers"), "only what is published has 'headers': its user properties")
        }
        let (listeners, mask) = readListeners(fields, mqtt: true)
        let path = readTopic(fields, action)
        var match = RouteMatch(listeners: listeners, listenerMask: mask, path: path ?? .root)
        match.mqtt = action
        match.headers = readConditions(fields)
        fields.finish()
        return path == nil ? nil : match
    }

    private func readTopic(_ fields: Fields, _ action: MQTTAction) -> PathTemplate? {
        guard let value = fields.value(action.rawValue) else {
            diagnostics.error(
                at: fields.position(of: action.rawValue),
                action == .connect ? "'connect' says which client identifiers: \"{client}\"" : "'\(action)' says which topics: a/{b}/c")
            return nil
        }
        guard let text = value.string(action.rawValue, diagnostics) else { return nil }
        do {
            let template = try PathTemplate(topic: text)
            if action == .publish, text.hasPrefix("$") {
                diagnostics.error(at: value.position, "topics that begin with $ are the broker's own: no client publishes there")
            }
            if action == .subscribe, text == "$share" || text.hasPrefix("$share/") {
                diagnostics.error(
                    at: value.position, "a shared subscription is matched by the filter behind its group: write that")
            }
            return template
        } catch {
            diagnostics.error(at: value.position, error.message)
            return nil
        }
    }

    /// `topics: session`, `subscribe` or `relay`: each goes with one action.
    func readTopics(_ value: Value, of action: MQTTAction?) -> TargetDefinition? {
        let words = MQTTAction.allCases.map(\.target)
        guard let word = value.choice("topics", words, diagnostics),
            let wanted = MQTTAction.allCases.first(where: { $0.target == word })
        else { return nil }
        if let action, action != wanted {
            diagnostics.error(at: value.position, "'topics: \(word)' is for '\(wanted)', and the route matches '\(action)': write 'topics: \(action.target)'")
        } else if action == nil {
            diagnostics.error(at: value.position, "'topics: \(word)' is for MQTT: match '\(wanted)'")
        }
        return .topics
    }

    /// What a route of MQTT cannot have.
    func checkTopics(_ fields: Fields, _ route: RouteDefinition, _ action: MQTTAction) {
        for (key, target) in [("target", route.target)] + (route.fallback.map { [("fallback", $0)] } ?? []) {
            switch target {
            case .topics: continue
            case .cluster, .command, .anyCommand: if action == .publish { continue }
            // The filter is granted to whom the question would be answered.
            case .query: if action == .subscribe { continue }
            case .operation, .fixed: break
            }
            diagnostics.error(
                at: fields.position(of: key),
                action == .publish
                    ? "\(target) answers with a body, which nobody who publishes gets: a command, a cluster or 'topics: relay'"
                    : "'\(action)' is answered by the broker alone: 'topics: \(action.target)'")
        }
        for key in ["upgrade", "cors", "transcode", "grpc_status"] where fields.has(key) {
            diagnostics.error(at: fields.position(of: key), "'\(key)' is not for routes of MQTT")
        }
        if !route.responseEdits.isEmpty {
            diagnostics.error(at: fields.position(of: "headers"), "an acknowledgement has no headers to change")
        }
        let stages = fields.fields("stages", "the stages of a route")
        if route.identity?.mode == .anonymousSession {
            diagnostics.error(
                at: stages?.position(of: "identify") ?? route.position,
                "'anonymous-session' is not for routes of MQTT: the client identifier is the session. Write 'optional'")
        }
        guard action != .publish else { return }
        for key in ["collect", "inspect", "replay"] where stages?.has(key) == true {
            diagnostics.error(at: stages?.position(of: key) ?? route.position, "'\(key)' has no effect: '\(action)' has no body")
        }
        for key in ["body_limit", "timeouts"] where fields.has(key) {
            diagnostics.error(at: fields.position(of: key), "'\(key)' has no effect: '\(action)' has no body and no upstream")
        }
    }
}
