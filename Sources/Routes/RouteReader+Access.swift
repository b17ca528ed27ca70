import Settings

extension RouteReader {
    /// `stages: { authorize: own-order }`
    func readAccess(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let value = stages.value("authorize"), let policy = value.string("authorize", diagnostics),
            checkName(policy, "a policy", at: value.position, diagnostics)
        else { return }
        route.access = AccessDemand(policy: policy, position: value.position)
        if route.identity == nil {
            diagnostics.error(at: value.position, "the stage 'authorize' needs 'identify': whose rights would it look at?")
        }
    }
}
