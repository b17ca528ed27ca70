import EventCore
import Synchronization

/// An event store whose disk fails on demand, to see what the log does then.
final class MemoryStore: EventStore {
    struct State {
        var events: [StoredEvent] = []
        var appends = 0
        var attempts = 0
        /// Errors of the next attempts, in order.
        var next: [StoreError] = []
        var reads = 0
        var failure: StoreError?
        var records: [RepetitionRecord] = []
        var losesAnswer = false
    }

    let state = Mutex(State())

    /// Every append fails with it until it is nil again.
    func fail(with error: StoreError?) { state.withLock { $0.failure = error } }

    /// The next attempts fail with these, one each.
    func failOnce(_ errors: [StoreError]) { state.withLock { $0.next = errors } }

    /// The next append is carried out, and fails.
    func loseNextAnswer() { state.withLock { $0.losesAnswer = true } }

    var records: [RepetitionRecord] { state.withLock { $0.records } }
    var attempts: Int { state.withLock { $0.attempts } }
    var appends: Int { state.withLock { $0.appends } }
    var reads: Int { state.withLock { $0.reads } }
    var events: [StoredEvent] { state.withLock { $0.events } }

    func append(_ batches: [Batch], _ repetitions: RepetitionChanges) throws(StoreError) -> Appended {
        try state.withLock { state throws(StoreError) in
            state.attempts += 1
            if !state.next.isEmpty { throw state.next.removeFirst() }
            if let failure = state.failure { throw failure }
            state.appends += 1
            var grown = state.events
            var versions: [UInt64] = []
            for (i, batch) in batches.enumerated() {
                var version = UInt64(grown.count { $0.aggregate == batch.aggregate })
                guard batch.expected.admits(version) else { throw .conflict(batch: i, actual: version) }
                for event in batch.events {
                    version += 1
                    grown.append(
                        StoredEvent(
                            position: UInt64(grown.count + 1), aggregate: batch.aggregate, version: version,
                            event: event))
                }
                versions.append(version)
            }
            state.events = grown
            state.records += repetitions.records
            state.records.removeAll { $0.position <= repetitions.forgetsThrough }
            if state.losesAnswer {
                state.losesAnswer = false
                throw .io("nobody knows", undecided: true)
            }
            return Appended(head: UInt64(grown.count), versions: versions)
        }
    }

    private func select(_ limit: Int, _ wanted: (StoredEvent) -> Bool) -> [StoredEvent] {
        state.withLock { state in
            state.reads += 1
            return Array(state.events.filter(wanted).prefix(limit))
        }
    }

    func read(_ aggregate: AggregateKey, from: UInt64, through: UInt64, limit: Int) -> [StoredEvent] {
        select(limit) { $0.aggregate == aggregate && $0.version >= from && $0.version <= through }
    }

    func read(type: String, from: Timestamp, until: Timestamp, limit: Int) -> [StoredEvent] {
        select(limit) { $0.event.type == type && $0.event.timestamp >= from && $0.event.timestamp < until }
    }

    func read(after position: UInt64, limit: Int) -> [StoredEvent] { select(limit) { $0.position > position } }

    func repetitions(after position: UInt64, limit: Int) -> [RepetitionRecord] {
        state.withLock { Array($0.records.filter { $0.position > position }.prefix(limit)) }
    }

    func head() -> UInt64 { UInt64(events.count) }
}
