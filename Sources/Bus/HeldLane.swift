import Contracts
import EventCore

/// Why an aggregate is held up.
enum HeldState: String, Sendable, Equatable {
    /// Not by a failure: its consumer is slow, or there are many of them.
    case ready = "READY"
    /// It failed; it will be tried again soon.
    case retrying = "RETRYING"
    /// In the dead-letter queue.
    case aside = "ASIDE"
}

/// An aggregate whose events one consumer does not get at the moment: the event it has stopped at, and how many wait
/// behind it. The events themselves stay where they are, in the store; so an aggregate takes one row however many
/// wait. The checkpoint goes past them.
struct HeldLane: Sendable, Equatable {
    static let prefix = "bus/held/"

    var aggregate: AggregateKey
    /// Of the event that comes next, or (until that is read) the smallest it can have.
    var position: UInt64
    var version: UInt64
    var type: String
    /// Position of the last event that belongs to it, and how many wait behind the next.
    var through: UInt64
    var waiting: UInt64
    var state = HeldState.ready
    /// Failures of the next event so far.
    var failures = 0
    /// May go well by itself.
    var isTransient = true
    var failure: Failure?
    /// Of the event's first failure.
    var since: Timestamp?
    /// Of the next attempt; nil = when an operator says so.
    var due: Timestamp?

    var key: String { HeldLane.key(aggregate) }

    static func key(_ aggregate: AggregateKey) -> String { "\(prefix)\(aggregate.type)/\(aggregate.id)" }

    /// The event that comes next is another one.
    mutating func advance(position: UInt64, version: UInt64, type: String) {
        self = HeldLane(
            aggregate: aggregate, position: position, version: version, type: type, through: through,
            waiting: waiting - min(1, waiting))
    }
}

extension HeldLane {
    var row: ConsumerRow {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("aggregateType")
        json.string(aggregate.type)
        json.name("aggregateId")
        json.string(utf8: aggregate.id.bytes)
        for (name, value) in [
            ("position", position), ("version", version), ("through", through), ("waiting", waiting),
            ("failures", UInt64(failures)),
        ] {
            json.name(name)
            json.integer(value)
        }
        json.name("type")
        json.string(type)
        json.name("state")
        json.string(state.rawValue)
        json.name("transient")
        json.bool(isTransient)
        if let failure {
            json.name("reason")
            json.string(failure.reason)
            if let code = failure.grpcCode {
                json.name("grpcCode")
                json.integer(code)
            }
        }
        for (name, time) in [("since", since), ("due", due)] {
            guard let time else { continue }
            json.name(name)
            json.integer(time.microseconds)
        }
        json.endObject()
        return ConsumerRow(key: key, value: json.sink)
    }

    /// Nil when it is not one of ours.
    init?(_ row: ConsumerRow) {
        guard let json = try? JSONValue(row.value.span) else { return nil }
        func text(_ name: String) -> String? {
            guard case .string(let text)? = json[name] else { return nil }
            return text
        }
        func number(_ name: String) -> Int64? {
            guard case .number(let text)? = json[name] else { return nil }
            return Int64(text)
        }
        func count(_ name: String) -> UInt64? { number(name).flatMap { UInt64(exactly: $0) } }
        guard let aggregateType = text("aggregateType"), let id = text("aggregateId").flatMap({ Identifier($0) }),
            let position = count("position"), let version = count("version"), let through = count("through"),
            let waiting = count("waiting"), let failures = count("failures"), failures < 1 << 32,
            let type = text("type"), let state = text("state").flatMap({ HeldState(rawValue: $0) }),
            case .bool(let isTransient)? = json["transient"]
        else { return nil }
        aggregate = AggregateKey(type: aggregateType, id: id)
        (self.position, self.version, self.through, self.waiting) = (position, version, through, waiting)
        (self.type, self.state, self.failures, self.isTransient) = (type, state, Int(failures), isTransient)
        failure = text("reason").map { Failure(reason: $0, grpcCode: count("grpcCode").flatMap { UInt32(exactly: $0) }) }
        since = number("since").map { Timestamp(microseconds: $0) }
        due = number("due").map { Timestamp(microseconds: $0) }
    }
}
