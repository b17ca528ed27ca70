import Exchanges
import Settings

extension RouteReader {
    /// `stages: { replay: required }`, or `{ key: required, on_duplicate: reject }`
    func readRepetition(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let value = stages.value("replay") else { return }
        var rule = RepetitionRule()
        if case .map = value.shape {
            let fields = Fields(value, "the stage 'replay'", diagnostics)
            rule.isRequired = fields.value("key")?.choice("key", ["required", "optional"], diagnostics) == "required"
            rule.rejects = fields.value("on_duplicate")?.choice("on_duplicate", ["replay", "reject"], diagnostics) == "reject"
            rule.takesOver = fields.value("on_unknown")?.choice("on_unknown", ["refuse", "retry"], diagnostics) == "retry"
            fields.finish()
            if rule.takesOver, !route.targets.contains(where: \.isCluster) {
                diagnostics.error(at: fields.position(of: "on_unknown"), "'on_unknown' has no effect: the route never reaches a cluster")
            }
        } else {
            rule.isRequired = value.choice("replay", ["required", "optional"], diagnostics) == "required"
        }
        checkRepetition(route, at: value.position)
        route.repetition = rule
        // What is asked has to be known before it can be said that it is the same.
        route.collect = true
    }

    /// What a cluster answers is kept as one whole.
    private func checkProxied(_ route: RouteDefinition, at place: SourcePosition) {
        guard route.match.grpc || route.call != nil else { return }
        guard route.call != nil || route.match.path.captureNames.isEmpty else {
            return diagnostics.error(at: place, "'replay' is for one method, not all of a service")
        }
        let method = String((route.call?.path ?? route.match.path.text).dropFirst())
        if let shape = shape(of: method, at: place), shape.clientStreams || shape.serverStreams {
            diagnostics.error(at: place, "'replay' is for single calls, and \(method) streams")
        }
    }

    private func checkRepetition(_ route: RouteDefinition, at place: SourcePosition) {
        for target in route.targets {
            switch target {
            case .command, .anyCommand: break
            case .cluster: checkProxied(route, at: place)
            case .query, .operation, .fixed, .topics:
                diagnostics.error(at: place, "'replay' has no effect: \(target) may be asked as often as one likes")
            }
        }
        if !route.methods.isEmpty, route.methods.allSatisfy({ ["GET", "HEAD", "OPTIONS", "TRACE"].contains($0) }) {
            diagnostics.warning(at: place, "'replay' on a route of safe methods: what changes nothing may be repeated anyway")
        }
    }
}
