/// Where an event came from (SPEC E-2). A text of more than 256 bytes is not kept: metadata explains
/// an event, it must not be able to prevent one.
public struct Metadata: Sendable, Equatable {
    public let correlationId: String?
    public let causationId: String?
    public let userId: String?
    /// The surface it came through (`http`, `grpc`, `mqtt`, `saga` …): from the code, never from the
    /// wire, because a store may keep a table of those it has met.
    public let source: String
    public let traceparent: String?

    public init(
        correlationId: String? = nil, causationId: String? = nil, userId: String? = nil, source: String = "internal",
        traceparent: String? = nil
    ) {
        func bounded(_ text: String?) -> String? {
            guard let text, text.utf8.count <= 256 else { return nil }
            return text
        }
        self.correlationId = bounded(correlationId)
        self.causationId = bounded(causationId)
        self.userId = bounded(userId)
        self.source = source
        self.traceparent = bounded(traceparent)
    }
}

/// A fact about one aggregate, before the store has given it its place.
public struct Event: Sendable, Equatable {
    public var id: EventId
    /// `ItemAdded` …: from the code, never from the wire.
    public var type: String
    public var timestamp: Timestamp
    /// Of the payload; counts up when its meaning changes.
    public var schemaVersion: UInt32
    /// A JSON object.
    public var payload: [UInt8]
    public var metadata: Metadata

    public init(
        id: EventId, type: String, timestamp: Timestamp, schemaVersion: UInt32 = 1, payload: [UInt8],
        metadata: Metadata
    ) {
        self.id = id
        self.type = type
        self.timestamp = timestamp
        self.schemaVersion = schemaVersion
        self.payload = payload
        self.metadata = metadata
    }
}

/// Which aggregate: its type and its id. Two types may share an id.
public struct AggregateKey: Sendable, Hashable {
    /// `Cart`, `Order` …: from the code, never from the wire.
    public var type: String
    public var id: Identifier
    public init(type: String, id: Identifier) {
        self.type = type
        self.id = id
    }
}

/// An event in its place.
public struct StoredEvent: Sendable, Equatable {
    /// Order over the whole store, from 1, without gaps.
    public var position: UInt64
    public var aggregate: AggregateKey
    /// Order within the aggregate, from 1, without gaps.
    public var version: UInt64
    public var event: Event

    public init(position: UInt64, aggregate: AggregateKey, version: UInt64, event: Event) {
        self.position = position
        self.aggregate = aggregate
        self.version = version
        self.event = event
    }
}

/// What the writer believes of an aggregate before it appends.
public enum ExpectedVersion: Sendable, Hashable {
    /// It has no events.
    case none
    /// Its last event has this version; 0 is the same as `none`.
    case exact(UInt64)
    case any

    public func admits(_ version: UInt64) -> Bool {
        switch self {
        case .none: version == 0
        case .exact(let expected): version == expected
        case .any: true
        }
    }
}

/// Events for one aggregate, in order.
public struct Batch: Sendable {
    public var aggregate: AggregateKey
    public var expected: ExpectedVersion
    public var events: [Event]
    public init(_ aggregate: AggregateKey, expected: ExpectedVersion, events: [Event]) {
        self.aggregate = aggregate
        self.expected = expected
        self.events = events
    }
}
