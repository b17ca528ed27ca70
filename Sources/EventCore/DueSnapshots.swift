/// Which aggregates in memory are to be kept as snapshots, and their handing over. Confined to the log's thread.
struct DueSnapshots {
    private let rule: SnapshotRule
    private let snapshotter: Snapshotter?
    /// By count or size; some perhaps twice.
    private var due: [AggregateName] = []
    /// By age. After the others: a sweep may find many.
    private var aged: [AggregateName] = []
    private var nextSweep: Timestamp?

    init(rule: SnapshotRule, to snapshotter: Snapshotter?) {
        self.rule = rule
        self.snapshotter = snapshotter
    }

    /// After events were decided or an aggregate was loaded.
    mutating func note(_ name: AggregateName, _ progress: Progress) {
        if snapshotter != nil && rule.wants(progress) { due.append(name) }
    }

    /// After a commit: only what is on disk may be in a snapshot. What the thread beside does not take now is noted
    /// again after its next event.
    mutating func handOver(from aggregates: inout AggregateCache, at now: Timestamp) {
        guard snapshotter != nil else { return }
        sweep(aggregates, now)
        for name in due {
            guard let place = aggregates.peek(name), rule.wants(aggregates.progress(place)) else { continue }
            if !handOver(name, place, &aggregates, now) { break }
        }
        due.removeAll(keepingCapacity: true)
        while let name = aged.last {
            if let place = aggregates.peek(name), rule.wants(aggregates.progress(place), at: now) {
                if !handOver(name, place, &aggregates, now) { break }
            }
            aged.removeLast()
        }
    }

    /// After a commit that failed: what was noted may not be on disk.
    mutating func forget() { due.removeAll(keepingCapacity: true) }

    private func handOver(
        _ name: AggregateName, _ place: Int, _ aggregates: inout AggregateCache, _ now: Timestamp
    ) -> Bool {
        guard let snapshotter, let lastEvent = aggregates.progress(place).lastEvent else { return true }
        let order = Snapshotter.Order(name: name, aggregate: aggregates[place], lastEvent: lastEvent, taken: now)
        guard snapshotter.offer(order) else { return false }
        aggregates.snapshotWasTaken(of: place, at: now)
        return true
    }

    /// The daily look for those whose last snapshot is a day old, in 24 parts: in a log in which nothing happens,
    /// nothing is in use.
    private mutating func sweep(_ aggregates: AggregateCache, _ now: Timestamp) {
        guard rule.age > 0, let next = nextSweep, aged.isEmpty else {
            if nextSweep == nil { nextSweep = Timestamp(microseconds: now.microseconds + rule.age / 24) }
            return
        }
        guard now >= next else { return }
        nextSweep = Timestamp(microseconds: now.microseconds + rule.age / 24)
        aged = aggregates.names { rule.wants($0, at: now) }
    }
}
