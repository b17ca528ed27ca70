/// What a CONNACK says (MQTT 5.0 section 3.2). Properties whose value is the protocol's default are left out.
public struct ConnectAnswer: Sendable {
    public var sessionPresent = false
    public var reason = ReasonCode.success
    /// Nil = as asked.
    public var sessionExpiry: UInt32?
    public var receiveMaximum: UInt16 = 65_535
    public var maximumQoS = QoS.exactlyOnce
    public var retainAvailable = true
    /// Nil = no bound.
    public var maximumPacketSize: UInt32?
    /// Empty = the client's own.
    public var assignedClientID: [UInt8] = []
    public var topicAliasMaximum: UInt16 = 0
    /// Cut at `PacketWriter.longestReason`. Empty = none, or the client does not want any.
    public var reasonString: [UInt8] = []
    /// Nil = the client's own.
    public var serverKeepAlive: UInt16?
    /// Where to go on, with `useAnotherServer` and `serverMoved` (section 4.11); empty = nothing is said.
    public var serverReference: [UInt8] = []

    public init() {}
}

/// A PUBLISH on its way out.
public struct OutgoingPublish: Sendable {
    /// Empty where its alias stands for it.
    public var topic: [UInt8]
    /// Of MQTT 5: stands for this topic from now on, or for the one it was sent with (section 3.3.2.3.4); 0 = none.
    public var topicAlias: UInt16 = 0
    public var payload: [UInt8]
    public var qos: QoS
    public var dup: Bool
    public var retain: Bool
    public var packetID: UInt16
    /// As `PublishProperties.forwarded` has them.
    public var properties: [UInt8]
    /// Seconds that are left; nil = it does not expire.
    public var messageExpiry: UInt32?
    public var subscriptionIdentifiers: [UInt32]

    public init(
        topic: [UInt8], payload: [UInt8], qos: QoS = .atMostOnce, dup: Bool = false, retain: Bool = false, packetID: UInt16 = 0,
        properties: [UInt8] = [], messageExpiry: UInt32? = nil, subscriptionIdentifiers: [UInt32] = []
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.dup = dup
        self.retain = retain
        self.packetID = packetID
        self.properties = properties
        self.messageExpiry = messageExpiry
        self.subscriptionIdentifiers = subscriptionIdentifiers
    }
}
