/// Pieces by identifier, the latest so many of them: `RecentIdentifiers` with a number each.
struct RecentPieces: Sendable, Equatable {
    private var recent: RecentIdentifiers
    private var pieces: [Identifier: Int64] = [:]

    init(most: Int) { recent = RecentIdentifiers(most: most) }

    var count: Int { recent.count }
    var oldestFirst: [(id: Identifier, pieces: Int64)] { recent.oldestFirst.map { ($0, pieces[$0] ?? 0) } }

    /// The first number counts: an identifier is met once.
    subscript(_ id: Identifier) -> Int64? {
        get { pieces[id] }
        set {
            guard let newValue, pieces[id] == nil else { return }
            pieces[id] = newValue
            if let forgotten = recent.insert(id) { pieces[forgotten] = nil }
        }
    }
}
