import Settings

extension RouteReader {
    /// `stages: { quota: [queries, { limit: exports, cost: 10 }] }`
    func readQuotas(_ stages: Fields, _ route: inout RouteDefinition) {
        guard let items = stages.list("quota") else { return }
        for item in items {
            if case .map = item.shape {
                let fields = Fields(item, "a limit of the stage 'quota'", diagnostics)
                let limit = fields.string("limit")
                let cost = fields.integer("cost", in: 1...1_000_000)
                fields.finish()
                guard let limit else {
                    diagnostics.error(at: item.position, "an entry of 'quota' needs the 'limit' it charges")
                    continue
                }
                route.quotas.append(QuotaDefinition(limit: limit, cost: UInt32(cost ?? 1), position: item.position))
            } else if let limit = item.string("quota", diagnostics) {
                route.quotas.append(QuotaDefinition(limit: limit, position: item.position))
            }
        }
    }
}
