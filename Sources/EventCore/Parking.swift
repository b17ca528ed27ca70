import Exchanges

/// Submissions whose aggregates are being loaded, and what has been loaded for them. Confined to the log's thread.
///
/// Two rules keep an aggregate from being taken in as it no longer is: while it is being loaded it is not in memory, and
/// whoever asks for it is parked behind the others. So nothing happens to it between its being read and its being used.
struct Parking {
    private var waiting: [AggregateName: [Submission]] = [:]
    /// For the submissions of the present round.
    private var arrived: [AggregateName: Result<AggregateLoader.Loaded, Refusal>] = [:]

    func isLoading(_ name: AggregateName) -> Bool { !waiting.isEmpty && waiting[name] != nil }

    /// Parks a submission until the aggregate is there.
    /// - Returns: true when somebody has to load it.
    mutating func park(_ submission: Submission, for name: AggregateName) -> Bool {
        var submission = submission
        submission.hasWaited = true
        guard waiting[name] == nil else {
            waiting[name]?.append(submission)
            return false
        }
        waiting[name] = [submission]
        return true
    }

    /// Takes the arrivals in, and puts those who waited for them before `others`: they came earlier.
    mutating func unpark(_ arrivals: inout [AheadLoader.Arrival], before others: inout [Submission]) {
        guard !arrivals.isEmpty else { return }
        var first: [Submission] = []
        for arrival in arrivals {
            arrived[arrival.name] = arrival.result
            first += waiting.removeValue(forKey: arrival.name) ?? []
        }
        arrivals.removeAll(keepingCapacity: arrivals.count <= 4096)
        others.insert(contentsOf: first, at: 0)
    }

    /// Nobody waits for it yet, and who comes will.
    /// - Returns: true when somebody has to load it.
    mutating func expect(_ name: AggregateName) -> Bool {
        guard waiting[name] == nil else { return false }
        waiting[name] = []
        return true
    }

    func hasArrived(_ name: AggregateName) -> Bool { !arrived.isEmpty && arrived[name] != nil }

    /// What was loaded, which leaves; nil when it was not.
    /// - Throws: what kept it from being loaded, to everyone of the round.
    mutating func take(_ name: AggregateName) throws(Refusal) -> AggregateLoader.Loaded? {
        guard !arrived.isEmpty, let result = arrived[name] else { return nil }
        let loaded = try result.get()
        arrived[name] = nil
        return loaded
    }

    /// - Returns: what was loaded and not taken: those who waited for it wait for another one as well.
    mutating func endRound() -> [(AggregateName, AggregateLoader.Loaded)] {
        guard !arrived.isEmpty else { return [] }
        defer { arrived.removeAll(keepingCapacity: arrived.count <= 4096) }
        return arrived.compactMap { name, result in (try? result.get()).map { (name, $0) } }
    }
}
