public import Contracts

/// What an accepted command did.
public struct Accepted: Sendable, Equatable {
    public var aggregateId: Identifier
    /// After the command.
    public var version: UInt64
    /// Of the events it caused; empty when everything already was as asked.
    public var eventIds: [EventId]

    public init(aggregateId: Identifier, version: UInt64, eventIds: [EventId]) {
        self.aggregateId = aggregateId
        self.version = version
        self.eventIds = eventIds
    }

    /// `{"aggregateId","version","eventIds":[…]}`
    public func write<Sink: JSONSink>(to json: inout JSONWriter<Sink>) {
        json.beginObject()
        json.name("aggregateId")
        json.string(utf8: aggregateId.bytes.span)
        json.name("version")
        json.integer(version)
        json.name("eventIds")
        json.beginArray()
        for id in eventIds { json.string(utf8: id.characters) }
        json.endArray()
        json.endObject()
    }
}
