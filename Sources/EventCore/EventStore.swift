/// Why a store could not do it.
public enum StoreError: Error, Sendable, Equatable {
    /// The batch with this index expected another version than the aggregate has.
    case conflict(batch: Int, actual: UInt64)
    /// An event id is already in the store, or twice in the append.
    case duplicateEventId
    /// An event the store will not keep (too large, not JSON …).
    case invalid(String)
    /// The disk or the quota is full. Nothing was written; it works again when there is space.
    case full
    /// The disk failed. Nothing of the append is in the store, unless `undecided`: then the store
    /// cannot be read either, and only its next opening will tell.
    case io(String, undecided: Bool)
    /// Another process writes to this store.
    case locked(String)
    /// Not our store, of a later version, or damaged.
    case unusable(String)
    case closed
}

/// What an append came to.
public struct Appended: Sendable, Equatable {
    /// Global position of the last event in the store.
    public var head: UInt64
    /// Of its aggregate, after each batch.
    public var versions: [UInt64]
    public init(head: UInt64, versions: [UInt64]) {
        self.head = head
        self.versions = versions
    }
}

/// Where events are kept (SPEC 13). Append-only; safe to call from any thread, though appends come
/// from one, the log's.
public protocol EventStore: Sendable {
    /// Appends all batches or none; several may name the same aggregate and follow each other. When it
    /// returns, the events are on disk.
    /// - Parameters:
    ///   - repetitions: done in the same transaction, or not at all.
    ///   - deliveries: the same, one after the other.
    func append(
        _ batches: [Batch], _ repetitions: RepetitionChanges, _ deliveries: [DeliveryChange]
    ) throws(StoreError) -> Appended

    /// Events of one aggregate with `from` <= version <= `through`, in order, `limit` at most.
    func read(
        _ aggregate: AggregateKey, from: UInt64, through: UInt64, limit: Int
    ) throws(StoreError) -> [StoredEvent]

    /// Events of one type with `from` <= timestamp < `until`, in order of time, then position.
    func read(
        type: String, from: Timestamp, until: Timestamp, limit: Int
    ) throws(StoreError) -> [StoredEvent]

    /// Events after a global position, in order: how a subscriber follows.
    func read(after position: UInt64, limit: Int) throws(StoreError) -> [StoredEvent]

    /// The global position of the last event; 0 when there is none.
    func head() throws(StoreError) -> UInt64

    /// Records of requests after a position, in order.
    func repetitions(after position: UInt64, limit: Int) throws(StoreError) -> [RepetitionRecord]

    /// Records of messages, session by session, in the order of slots; from the one after `place` on, nil = from the first.
    func deliveries(after place: DeliveryRecord?, limit: Int) throws(StoreError) -> [DeliveryRecord]

    /// Those of one session, in the order of slots.
    func deliveries(of session: UInt64) throws(StoreError) -> [DeliveryRecord]
}

extension EventStore {
    /// Of events alone.
    @discardableResult
    public func append(_ batches: [Batch], _ repetitions: RepetitionChanges = RepetitionChanges()) throws(StoreError) -> Appended {
        try append(batches, repetitions, [])
    }
}
