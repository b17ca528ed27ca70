/// What one listener grants MQTT clients.
public struct ListenerMQTT: Sendable, Equatable {
    /// Bytes of a whole packet.
    public var maxPacket = 256 << 10
    /// Unanswered messages with QoS 1 or 2 that a client may have; what comes beyond them ends its connection (MQTT 5), or
    /// waits (3.1.1).
    public var receiveMaximum: UInt16 = 64
    /// Topic aliases that a client may set.
    public var topicAliases: UInt16 = 16
    /// Topic aliases that the gateway sets towards a client that takes some.
    public var aliasesToClients: UInt16 = 32
    /// Where clients are sent when the gateway drains, as MQTT 5 says it (section 3.14.2.2.5): one or more `host:port` with
    /// spaces between. Nil = they hear that it ends.
    public var serverReference: String?
    /// For good: clients need not come back.
    public var serverMoved = false
    /// Seconds; a client that asks for more, or for none, gets this (MQTT 5), or is held to it (3.1.1); 0 = as the client asks.
    public var keepAlive: UInt16 = 0
    /// Levels of a topic.
    public var levels = 32
    /// Filters of one SUBSCRIBE.
    public var filters = 64
    /// User properties of one packet.
    public var userProperties = 32
    /// Messages of one client that are taken up before others have their turn.
    public var publishesPerTurn = 32
    public init() {}
}

/// What MQTT clients have in common: the section `mqtt`.
public struct MQTTSettings: Sendable, Equatable {
    /// Where sessions survive. Nil = beside the event store, by its name with `.mqtt`.
    public var path: String?
    public var sessions = 100_000
    /// Those of one principal.
    public var sessionsPerPrincipal = 25_000
    /// Milliseconds that a session lives without a connection, at most.
    public var sessionExpiry: UInt64 = 7 * 24 * 3600 * 1000
    /// Filters of one session.
    public var subscriptions = 128
    public var queuedMessages = 1000
    public var queuedBytes = 1 << 20
    public var allQueuedBytes = 256 << 20
    /// Of filters and wills.
    public var allSessionBytes = 256 << 20
    public var inFlight: UInt16 = 64
    public var retained = 100_000
    public var retainedBytes = 64 << 20
    /// Refused messages that are kept.
    public var refused = 10_000
    /// Milliseconds between what the gateway says of itself under `$SYS`; 0 = nothing.
    public var systemTopics: UInt32 = 10_000
    /// What goes out as messages of the gateway's own.
    public var feed = FeedEntry.shop
    public init() {}
}
