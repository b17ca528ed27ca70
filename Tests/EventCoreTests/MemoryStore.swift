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
        var marks: [UInt64: [UInt32: DeliveryRecord]] = [:]
        var losesAnswer = false
        var marksFailure: StoreError?
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

    func append(
        _ batches: [Batch], _ repetitions: RepetitionChanges, _ deliveries: [DeliveryChange]
    ) throws(StoreError) -> Appended {
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
            for change in deliveries {
                switch change {
                case .put(let record): state.marks[record.session, default: [:]][record.slot] = record
                case .release(let session, let packetID):
                    state.marks[session]?[DeliveryRecord.firstHeld + UInt32(packetID)] = nil
                case .forget(let session): state.marks[session] = nil
                }
            }
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

    /// One session's marks cannot be read.
    func failMarks(with error: StoreError?) { state.withLock { $0.marksFailure = error } }
    var marks: [DeliveryRecord] { state.withLock { $0.marks.values.flatMap(\.values) } }

    func deliveries(after place: DeliveryRecord?, limit: Int) -> [DeliveryRecord] {
        state.withLock { state in
            let all = state.marks.keys.sorted().flatMap { state.marks[$0, default: [:]].values.sorted { $0.slot < $1.slot } }
            return Array(all.drop { mark in place.map { (mark.session, mark.slot) <= ($0.session, $0.slot) } ?? false }.prefix(limit))
        }
    }

    func deliveries(of session: UInt64) throws(StoreError) -> [DeliveryRecord] {
        try state.withLock { state throws(StoreError) in
            if let failure = state.marksFailure { throw failure }
            return (state.marks[session] ?? [:]).values.sorted { $0.slot < $1.slot }
        }
    }

    func head() -> UInt64 { UInt64(events.count) }
}
