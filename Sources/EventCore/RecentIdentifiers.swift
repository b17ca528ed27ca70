/// Identifiers that were met, the latest so many of them: by these a repetition is known. Part of an
/// aggregate's state, so what is forgotten depends on its events alone.
struct RecentIdentifiers: Sendable, Equatable {
    private var order: [Identifier] = []
    private var known: Set<Identifier> = []
    private let most: Int

    init(most: Int) { self.most = most }

    var count: Int { order.count }

    func contains(_ id: Identifier) -> Bool { known.contains(id) }

    mutating func insert(_ id: Identifier) {
        guard known.insert(id).inserted else { return }
        order.append(id)
        if order.count > most { known.remove(order.removeFirst()) }
    }
}
