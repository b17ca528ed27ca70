import EventCore
import MemoryStores
import Synchronization

/// A store whose appends fail when a test says so.
final class Disk: EventStore {
    private let store: MemoryEventStore
    private let failing = Mutex<(error: StoreError, times: Int)?>(nil)

    init(_ store: MemoryEventStore) { self.store = store }

    /// The next so many appends fail.
    func fail(_ error: StoreError, times: Int) { failing.withLock { $0 = (error, times) } }

    func append(
        _ batches: [Batch], _ repetitions: RepetitionChanges, _ deliveries: [DeliveryChange]
    ) throws(StoreError) -> Appended {
        let error: StoreError? = failing.withLock { failing in
            guard let (error, times) = failing else { return nil }
            failing = times > 1 ? (error, times - 1) : nil
            return error
        }
        if let error { throw error }
        return try store.append(batches, repetitions, deliveries)
    }

    func read(_ aggregate: AggregateKey, from: UInt64, through: UInt64, limit: Int) throws(StoreError) -> [StoredEvent] {
        try store.read(aggregate, from: from, through: through, limit: limit)
    }

    func read(type: String, from: Timestamp, until: Timestamp, limit: Int) throws(StoreError) -> [StoredEvent] {
        try store.read(type: type, from: from, until: until, limit: limit)
    }

    func read(after position: UInt64, limit: Int) throws(StoreError) -> [StoredEvent] {
        try store.read(after: position, limit: limit)
    }

    func deliveries(after place: DeliveryRecord?, limit: Int) throws(StoreError) -> [DeliveryRecord] {
        try store.deliveries(after: place, limit: limit)
    }

    func deliveries(of session: UInt64) throws(StoreError) -> [DeliveryRecord] { try store.deliveries(of: session) }

    func repetitions(after position: UInt64, limit: Int) throws(StoreError) -> [RepetitionRecord] {
        try store.repetitions(after: position, limit: limit)
    }

    func head() throws(StoreError) -> UInt64 { try store.head() }
}
