/// Identifiers that were met, the latest so many of them: by these a repetition is known. Part of an
/// aggregate's state, so what is forgotten depends on its events alone.
struct RecentIdentifiers: Sendable, Equatable {
    private(set) var oldestFirst: [Identifier] = []
    private var known: Set<Identifier> = []
    private let most: Int

    init(most: Int) { self.most = most }

    var count: Int { oldestFirst.count }

    func contains(_ id: Identifier) -> Bool { known.contains(id) }

    /// - Returns: the one that is forgotten for it.
    @discardableResult
    mutating func insert(_ id: Identifier) -> Identifier? {
        guard known.insert(id).inserted else { return nil }
        oldestFirst.append(id)
        return oldestFirst.count > most ? known.remove(oldestFirst.removeFirst()) : nil
    }
}
