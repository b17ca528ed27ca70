public import EventCore

/// What came of applying an event.
public enum Applied: Sendable, Equatable {
    case done
    /// May go well another time: it is tried again, then put aside (SPEC B-6).
    case transient(Failure)
    /// Will never go well: put aside at once.
    case permanent(Failure)
}

/// Follows the log: gets each event of the types it names, in the order of its aggregate, at least once. What it
/// does must be idempotent by (aggregate, version).
public protocol Consumer: Sendable {
    /// Its checkpoint's name: never changed once it has run.
    var name: String { get }
    var types: Set<String> { get }
    func apply(_ event: StoredEvent) async -> Applied
}
