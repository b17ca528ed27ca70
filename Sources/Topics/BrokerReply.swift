public import Exchanges
public import WireMQTT

/// What the broker tells a worker: of the connection, or the exchange, that the ticket stands for.
public struct BrokerReply: Sendable {
    public enum What: Sendable {
        case attached(Attached)
        /// `notAuthorized`: the session is another's; `quotaExceeded`, `serverUnavailable`: there is no room, for anybody or for its
        /// owner, or no disk.
        case refusedAttach(ReasonCode)
        /// The connection is to end with this reason.
        case ended(ReasonCode)
        case deliver([Delivery])
        /// Send PUBREL for this packet identifier.
        case release(packetID: UInt16)
        case subscribed(packetID: UInt16, [ReasonCode])
        case unsubscribed(packetID: UInt16, [ReasonCode])
        /// Of `publish`: how many sessions it matched. It was known before: `isRepeated`.
        case published(subscribers: Int, isRepeated: Bool)
        /// Of `publish`: `implementationSpecificError` = it is not on disk, and may be tried again; `quotaExceeded` = there is no room
        /// for one more retained message. Of `refuse`: it is not on disk.
        case failed(ReasonCode)
        case released(packetID: UInt16, isKnown: Bool)
        case kept
        /// Somebody's will is due: it goes through the pipeline as his. The ticket names the worker, and nobody's exchange.
        case will(Will, DepartedClient)
        /// A session that outlived its connection has ended, and with it all that is remembered under its incarnation (one
        /// that ends with its connection ends where that is known). The ticket names a worker, and nobody's exchange.
        case gone(incarnation: UInt64)
    }

    public var ticket: Ticket
    public var what: What

    public init(_ ticket: Ticket, _ what: What) {
        self.ticket = ticket
        self.what = what
    }
}

/// The owner of a will: what `Attach` said of him.
public struct DepartedClient: Sendable {
    public var clientID: [UInt8]
    public var owner: [UInt8]

    public init(clientID: [UInt8], owner: [UInt8]) {
        self.clientID = clientID
        self.owner = owner
    }
}

/// A session is the connection's.
public struct Attached: Sendable {
    public var session: SessionHandle
    /// There was one already (section 3.2.2.1.1).
    public var isPresent: Bool
    /// Seconds, as granted.
    public var sessionExpiry: UInt32
    /// The same as long as the session lives, also over restarts, and never another's: part of the key by which repetitions are known.
    public var incarnation: UInt64
    /// Those of an earlier connection, where whoever asked judges them.
    public var filters: [TopicFilter]

    public init(session: SessionHandle, isPresent: Bool, sessionExpiry: UInt32, incarnation: UInt64, filters: [TopicFilter] = []) {
        self.session = session
        self.isPresent = isPresent
        self.sessionExpiry = sessionExpiry
        self.incarnation = incarnation
        self.filters = filters
    }
}

/// One message to one client.
public struct Delivery: Sendable {
    public var message: Message
    /// The lower of the message's and the subscription's.
    public var qos: QoS
    /// 0 with QoS 0.
    public var packetID: UInt16
    public var dup: Bool
    /// As section 3.3.1.3 wants it for this subscription.
    public var retain: Bool
    /// Of all matching subscriptions that have one.
    public var identifiers: [UInt32]

    public init(message: Message, qos: QoS, packetID: UInt16 = 0, dup: Bool = false, retain: Bool = false, identifiers: [UInt32] = []) {
        self.message = message
        self.qos = qos
        self.packetID = packetID
        self.dup = dup
        self.retain = retain
        self.identifiers = identifiers
    }
}
