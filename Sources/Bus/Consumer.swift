public import EventCore

/// What came of applying an event.
public enum Applied: Sendable, Equatable {
    case done
    /// May go well another time: it is tried again, then put aside (SPEC B-6).
    case transient(Failure)
    /// Will never go well: put aside at once.
    case permanent(Failure)
}

/// Where a consumer begins that has never run.
public enum ConsumerStart: Sendable, Equatable {
    case beginning
    /// With the next event: what was before is none of its business.
    case end
}

/// Follows the log: gets each event of the types it names, in the order of its aggregate, at least once. What it
/// does must be idempotent by (aggregate, version).
public protocol Consumer: Sendable {
    /// Its checkpoint's name, 1 to 64 of `a-z`, `0-9` and `-`: never changed once it has run.
    var name: String { get }
    var types: Set<String> { get }
    var start: ConsumerStart { get }
    /// The path of all its events; nil = each takes that of its type.
    var path: DeliveryPath? { get }
    /// Several at a time, of different aggregates. It must end by itself: every call it makes has a timeout.
    func apply(_ event: StoredEvent) async -> Applied
}

extension Consumer {
    public var start: ConsumerStart { .beginning }
    public var path: DeliveryPath? { nil }
}
