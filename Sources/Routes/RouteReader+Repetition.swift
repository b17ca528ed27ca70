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
        route.repetition = rule
        // What is asked has to be known before it can be said that it is the same.
        route.collect = true
    }
}
