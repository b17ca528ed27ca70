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
            fields.finish()
        } else {
            rule.isRequired = value.choice("replay", ["required", "optional"], diagnostics) == "required"
        }
        checkRepetition(route, at: value.position)
        route.repetition = rule
        // What is asked has to be known before it can be said that it is the same.
        route.collect = true
    }

    private func checkRepetition(_ route: RouteDefinition, at place: SourcePosition) {
        for target in route.targets {
            switch target {
            case .command, .anyCommand: break
            case .cluster: diagnostics.error(at: place, "'replay' is for commands of the event core: \(target) is none")
            case .query, .operation, .fixed:
                diagnostics.error(at: place, "'replay' has no effect: \(target) may be asked as often as one likes")
            }
        }
        if !route.methods.isEmpty, route.methods.allSatisfy({ ["GET", "HEAD", "OPTIONS", "TRACE"].contains($0) }) {
            diagnostics.warning(at: place, "'replay' on a route of safe methods: what changes nothing may be repeated anyway")
        }
    }
}
