/// An aggregate's state at a version, kept so that a load need not begin with its first event (SPEC E-6).
/// Derived: whoever loses them loses time and nothing else.
public struct Snapshot: Sendable, Equatable {
    public var aggregate: AggregateKey
    /// Of the last event in it.
    public var version: UInt64
    /// That event. When the store has another one at that version, the snapshot is of another log (the events
    /// came back from a backup, say) and is not believed.
    public var lastEvent: EventId
    /// Of the form of `state`: `Aggregate.snapshotVersion`.
    public var form: UInt32
    public var taken: Timestamp
    /// A JSON object.
    public var state: [UInt8]

    public init(
        aggregate: AggregateKey, version: UInt64, lastEvent: EventId, form: UInt32, taken: Timestamp, state: [UInt8]
    ) {
        self.aggregate = aggregate
        self.version = version
        self.lastEvent = lastEvent
        self.form = form
        self.taken = taken
        self.state = state
    }
}

public enum FoundSnapshot: Sendable, Equatable {
    case none
    case readable(Snapshot)
    /// There is one, and it is not what was written.
    case unreadable(version: UInt64)
}

/// Where snapshots are kept. Safe from any thread.
public protocol SnapshotStore: Sendable {
    /// The newest one of an aggregate with a smaller version.
    func newest(of aggregate: AggregateKey, before version: UInt64) throws(StoreError) -> FoundSnapshot

    /// Keeps them all, or none; of each aggregate the last two. Those of a later version than the new one cannot
    /// be of this log and are forgotten. They may be lost in a power failure.
    func keep(_ snapshots: [Snapshot]) throws(StoreError)
}

/// When a snapshot is due (SPEC E-6); 0 = not for this reason.
public struct SnapshotRule: Sendable, Equatable {
    /// Events since the last one.
    public var events: Int
    /// Bytes of their payloads.
    public var bytes: Int
    /// Microseconds since the last one, of an aggregate that is in use.
    public var age: Int64

    /// In use: an aggregate with so many events since its last snapshot. Folding fewer costs less than reading a
    /// snapshot, so for fewer none is looked for either.
    var fewEvents = 100

    public init(events: Int = 1000, bytes: Int = 1 << 20, age: Int64 = 24 * 3600 * 1_000_000) {
        self.events = events
        self.bytes = bytes
        self.age = age
    }

    /// Right after an append.
    func wants(_ progress: Progress) -> Bool {
        (events > 0 && progress.events >= events) || (bytes > 0 && progress.bytes >= bytes)
    }

    /// Once in a while.
    func wants(_ progress: Progress, at now: Timestamp) -> Bool {
        age > 0 && progress.events >= fewEvents
            && now.microseconds - progress.snapshotTaken.microseconds >= age
    }
}

/// How far an aggregate in memory has come since its last snapshot.
struct Progress: Sendable, Equatable {
    /// Nil before the first.
    var lastEvent: EventId?
    var events = 0
    /// Of payload.
    var bytes = 0
    var snapshotTaken = Timestamp(microseconds: 0)

    mutating func add(_ event: Event) {
        lastEvent = event.id
        events += 1
        bytes += event.payload.count
    }

    mutating func snapshotWasTaken(at now: Timestamp) {
        (events, bytes, snapshotTaken) = (0, 0, now)
    }
}

extension AnyAggregate {
    /// Of a type whose snapshots can be read: what `snapshot` gave. Nil when they are not of the present form or
    /// cannot be read.
    init?(_ kind: AggregateKind, _ snapshot: Snapshot) {
        func read<State: Aggregate>(_ type: State.Type) -> AnyAggregate? {
            guard snapshot.form == State.snapshotVersion else { return nil }
            return State(snapshot: snapshot.state.span, version: snapshot.version)?.boxed
        }
        let found: AnyAggregate? =
            switch kind {
            case .cart: read(Cart.self)
            case .inventory: read(Inventory.self)
            case .order: read(Order.self)
            case .product: read(Product.self)
            case .flashSale: read(FlashSale.self)
            case .saga: read(Saga.self)
            case .flag: read(Flag.self)
            case .affinity: read(Affinity.self)
            }
        guard let found else { return nil }
        self = found
    }

    /// The state and its form; nil when this type is always replayed.
    func snapshot() -> (form: UInt32, state: [UInt8])? {
        func of<State: Aggregate>(_ state: State) -> (form: UInt32, state: [UInt8])? {
            state.snapshot().map { (State.snapshotVersion, $0) }
        }
        switch self {
        case .cart(let state): return of(state)
        case .inventory(let state): return of(state)
        case .order(let state): return of(state)
        case .product(let state): return of(state)
        case .flashSale(let state): return of(state)
        case .saga(let state): return of(state)
        case .flag(let state): return of(state)
        case .affinity(let state): return of(state)
        }
    }
}
