import Exchanges

/// A type of aggregate: state that is the fold of its events, and the rules by which events come about.
///
/// Neither part asks for the time. `decide` is told what it is now, which is the time of the events it
/// causes; `apply` is told when its event happened. So a replay gives what memory had.
protocol Aggregate: Sendable {
    associatedtype Action: Sendable
    associatedtype Change: AggregateEvent

    /// One that never was.
    init()
    /// Nil when it is of another type.
    init?(_ any: AnyAggregate)
    var boxed: AnyAggregate { get }
    /// Of its last event; 0 before the first.
    var version: UInt64 { get }
    /// Bytes of memory it takes, about.
    var cost: Int { get }

    /// The state after `change`. Total: any sequence of events gives a state, also one that `decide`
    /// would never have written.
    mutating func apply(_ change: Change, at instant: Timestamp)
    /// What happens when `action` is asked: the events, none when it already is as asked.
    func decide(_ action: Action, at now: Timestamp) throws(Refusal) -> [Change]
    /// The same, under rules that are not the usual ones. What they made of it is said by the events, so `apply` knows
    /// no rules and a replay does not depend on them.
    func decide(_ action: Action, at now: Timestamp, under rules: DecisionRules) throws(Refusal) -> [Change]
    /// What a query is answered: a JSON object.
    func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8]

    /// Of the snapshot's form; counts up when its meaning changes, and older ones are no longer read.
    static var snapshotVersion: UInt32 { get }
    /// All of the state as a JSON object; nil = this type is always replayed from its events.
    func snapshot() -> [UInt8]?
    /// From `snapshot()`, of this very version; nil when it cannot be read, which is never fatal: the events can.
    init?(snapshot: Span<UInt8>, version: UInt64)
}

extension Aggregate {
    func decide(_ action: Action, at now: Timestamp, under rules: DecisionRules) throws(Refusal) -> [Change] {
        try decide(action, at: now)
    }

    static var snapshotVersion: UInt32 { 0 }
    func snapshot() -> [UInt8]? { nil }
    init?(snapshot: Span<UInt8>, version: UInt64) { return nil }
}

/// What can have happened to a type of aggregate.
protocol AggregateEvent: Sendable {
    static var schemaVersion: UInt32 { get }
    var type: String { get }
    /// A JSON object.
    var payload: [UInt8] { get }
    /// From what the store holds; nil when it is not one of these or of a version we cannot read.
    init?(_ event: Event)
}

extension Aggregate {
    /// Decides, and applies what was decided.
    /// - Returns: the events, as the store takes them.
    mutating func execute(_ action: Action, _ stamp: inout EventStamp) throws(Refusal) -> [Event] {
        let changes = try decide(action, at: stamp.time, under: stamp.rules)
        guard !changes.isEmpty else { return [] }
        var events: [Event] = []
        events.reserveCapacity(changes.count)
        // All of them before any is applied: a refusal leaves the state as it was.
        for change in changes { events.append(try stamp.event(change)) }
        for change in changes { apply(change, at: stamp.time) }
        return events
    }

    /// Applies what the store holds; false when it cannot be read.
    mutating func replay(_ event: Event) -> Bool {
        guard let change = Change(event) else { return false }
        apply(change, at: event.timestamp)
        return true
    }
}

/// What every event of a command gets: an id of its own, the time, and where it came from.
struct EventStamp {
    private var ids = EventIdSource()
    /// Never before the last event's: order by time is order by position.
    var time: Timestamp
    var metadata = Metadata()
    let rules: DecisionRules
    private let schemas: EventSchemas
    /// Those that did not fit their schemas, of the present group.
    var invalid: [InvalidEvent] = []

    init(time: Timestamp, schemas: EventSchemas = EventSchemas(), rules: DecisionRules = DecisionRules()) {
        self.time = time
        self.rules = rules
        self.schemas = schemas
    }

    /// - Throws: `.internalError` when the event does not fit its schema.
    mutating func event<Change: AggregateEvent>(_ change: Change) throws(Refusal) -> Event {
        let event = Event(
            id: ids.next(at: time.microseconds), type: change.type, timestamp: time,
            schemaVersion: Change.schemaVersion, payload: change.payload, metadata: metadata)
        let violations = schemas.violations(ofType: event.type, version: event.schemaVersion, payload: event.payload.span)
        guard violations.isEmpty else {
            invalid.append(InvalidEvent(type: event.type, violations: violations))
            throw Refusal(.internalError, "what would have happened does not fit its contract")
        }
        return event
    }
}
