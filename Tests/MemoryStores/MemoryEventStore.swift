public import EventCore
import Synchronization

/// An event store in memory; its reads fail on demand.
public final class MemoryEventStore: EventStore {
    private struct State {
        var events: [StoredEvent] = []
        var places: [AggregateKey: [Int]] = [:]
        var failure: StoreError?
        var reads = 0
        var records: [RepetitionRecord] = []
        var marks: [UInt64: [UInt32: DeliveryRecord]] = [:]
    }

    private let state = Mutex(State())

    public init() {}

    /// Every read fails with it until it is nil again.
    public func failReads(with error: StoreError?) { state.withLock { $0.failure = error } }

    public var events: [StoredEvent] { state.withLock { $0.events } }
    public var reads: Int { state.withLock { $0.reads } }

    public func append(
        _ batches: [Batch], _ repetitions: RepetitionChanges, _ deliveries: [DeliveryChange]
    ) throws(StoreError) -> Appended {
        try state.withLock { state throws(StoreError) in
            var counts: [AggregateKey: Int] = [:]
            for (i, batch) in batches.enumerated() {
                let version = counts[batch.aggregate] ?? state.places[batch.aggregate]?.count ?? 0
                guard batch.expected.admits(UInt64(version)) else { throw .conflict(batch: i, actual: UInt64(version)) }
                counts[batch.aggregate] = version + batch.events.count
            }
            var versions: [UInt64] = []
            for batch in batches {
                for event in batch.events {
                    let version = UInt64(state.places[batch.aggregate, default: []].count + 1)
                    state.places[batch.aggregate, default: []].append(state.events.count)
                    state.events.append(
                        StoredEvent(
                            position: UInt64(state.events.count + 1), aggregate: batch.aggregate, version: version,
                            event: event))
                }
                versions.append(UInt64(state.places[batch.aggregate]?.count ?? 0))
            }
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
            return Appended(head: UInt64(state.events.count), versions: versions)
        }
    }

    public func read(
        _ aggregate: AggregateKey, from: UInt64, through: UInt64, limit: Int
    ) throws(StoreError) -> [StoredEvent] {
        try reading { state in
            let places = state.places[aggregate] ?? []
            guard from >= 1, from <= through, from <= places.count else { return [] }
            return places[Int(from - 1)..<Int(min(through, UInt64(places.count)))].prefix(limit).map { state.events[$0] }
        }
    }

    public func read(type: String, from: Timestamp, until: Timestamp, limit: Int) throws(StoreError) -> [StoredEvent] {
        try reading { state in
            Array(
                state.events.lazy.filter {
                    $0.event.type == type && $0.event.timestamp >= from && $0.event.timestamp < until
                }.prefix(limit))
        }
    }

    public func read(after position: UInt64, limit: Int) throws(StoreError) -> [StoredEvent] {
        try reading { state in
            guard position < state.events.count else { return [] }
            return Array(state.events[Int(position)...].prefix(limit))
        }
    }

    public func repetitions(after position: UInt64, limit: Int) throws(StoreError) -> [RepetitionRecord] {
        try reading { Array($0.records.lazy.filter { $0.position > position }.prefix(limit)) }
    }

    public func deliveries(after place: DeliveryRecord?, limit: Int) throws(StoreError) -> [DeliveryRecord] {
        try reading { state in
            let all = state.marks.keys.sorted().flatMap { state.marks[$0, default: [:]].values.sorted { $0.slot < $1.slot } }
            return Array(all.drop { mark in place.map { (mark.session, mark.slot) <= ($0.session, $0.slot) } ?? false }.prefix(limit))
        }
    }

    public func deliveries(of session: UInt64) throws(StoreError) -> [DeliveryRecord] {
        try reading { state in (state.marks[session] ?? [:]).values.sorted { $0.slot < $1.slot } }
    }

    public func head() throws(StoreError) -> UInt64 { try reading { UInt64($0.events.count) } }

    private func reading<R: Sendable>(_ body: (State) -> R) throws(StoreError) -> R {
        try state.withLock { state throws(StoreError) in
            if let failure = state.failure { throw failure }
            state.reads += 1
            return body(state)
        }
    }
}
