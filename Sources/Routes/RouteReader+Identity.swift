import Settings

extension RouteReader {
    /// `stages: { identify: required }`
    func readIdentity(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let value = stages.value("identify") else { return }
        let modes = IdentityDemand.Mode.allCases.map(\.rawValue)
        guard let word = value.choice("identify", modes, diagnostics), let mode = IdentityDemand.Mode(rawValue: word) else { return }
        route.identity = IdentityDemand(mode: mode)
    }
}
