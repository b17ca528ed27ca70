import Settings

extension RouteReader {
    /// Budgets one route may charge: as many as an exchange has places for.
    static let mostQuotas = 4

    /// `stages: { quota: [queries, { limit: exports, cost: 10 }] }`, or `off`: not even the default.
    func readQuotas(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let value = stages.value("quota") else { return }
        if case .scalar("off", _) = value.shape { return }
        for item in stages.list("quota") ?? [] {
            guard let quota = readQuota(item) else { continue }
            guard let budget = configuration.limits.budget(quota.limit) else {
                let hint = Spelling.hint(quota.limit, among: configuration.limits.budgets.map(\.name))
                diagnostics.error(at: quota.position, "there is no budget '\(quota.limit)'\(hint)")
                continue
            }
            if quota.cost > budget.most {
                diagnostics.error(
                    at: quota.position, "budget '\(quota.limit)' has \(budget.most) units at once: nobody could ever pay \(quota.cost)")
            }
            if route.quotas.contains(where: { $0.limit == quota.limit }) {
                diagnostics.error(at: quota.position, "the budget '\(quota.limit)' is named twice; give it a 'cost'")
            }
            route.quotas.append(quota)
        }
        if route.quotas.count > Self.mostQuotas {
            diagnostics.error(at: value.position, "a route charges at most \(Self.mostQuotas) budgets")
        }
    }

    private func readQuota(_ item: Value) -> QuotaDefinition? {
        guard case .map = item.shape else {
            return item.string("quota", diagnostics).map { QuotaDefinition(limit: $0, position: item.position) }
        }
        let fields = Fields(item, "a limit of the stage 'quota'", diagnostics)
        let limit = fields.string("limit")
        let cost = fields.integer("cost", in: 1...1_000_000)
        fields.finish()
        guard let limit else {
            if !fields.has("limit") {
                diagnostics.error(at: item.position, "an entry of 'quota' needs the 'limit' it charges")
            }
            return nil
        }
        return QuotaDefinition(limit: limit, cost: UInt32(cost ?? 1), position: fields.position(of: "limit"))
    }

    /// What routes are charged that say nothing of it. Operators are not limited: a route that only the admin
    /// listener has is charged nothing.
    func applyDefaultQuota(_ fields: Fields, _ route: inout RouteDefinition) {
        guard let standard = configuration.limits.standard, route.match.listeners != [Listener.adminName] else { return }
        if let stages = fields.value("stages"), case .map(let entries) = stages.shape, entries.contains(where: { $0.key == "quota" }) {
            return
        }
        route.quotas = [QuotaDefinition(limit: standard, position: route.position)]
    }
}
