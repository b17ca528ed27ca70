public import Exchanges
public import WireMQTT

/// A session as the broker numbers it while it is in memory; a number is not used again for another one.
public struct SessionHandle: Sendable, Hashable, BitwiseCopyable {
    public var number: UInt64
    public init(_ number: UInt64) { self.number = number }
}

/// A client that has been let in and wants its session (section 3.1).
public struct Attach: Sendable {
    /// The connection: its CONNECT's exchange.
    public var ticket: Ticket
    /// Never empty: where the client gave none, the one it was assigned.
    public var clientID: [UInt8]
    /// Of whoever connects: kind, issuer and subject. A session is its owner's; another one is refused it.
    public var owner: [UInt8]
    public var version: MQTTVersion
    public var cleanStart: Bool
    /// Seconds; `UInt32.max` = for ever. The broker bounds it.
    public var sessionExpiry: UInt32
    /// Unacknowledged messages that the client takes at a time.
    public var receiveMaximum: UInt16
    public var will: Will?
    /// Whoever asks looks at the filters that the session has: nothing is delivered until he has said `judged`.
    public var judges: Bool

    public init(
        ticket: Ticket, clientID: [UInt8], owner: [UInt8], version: MQTTVersion, cleanStart: Bool, sessionExpiry: UInt32,
        receiveMaximum: UInt16, will: Will? = nil, judges: Bool = false
    ) {
        self.ticket = ticket
        self.clientID = clientID
        self.owner = owner
        self.version = version
        self.cleanStart = cleanStart
        self.sessionExpiry = sessionExpiry
        self.receiveMaximum = receiveMaximum
        self.will = will
        self.judges = judges
    }
}

/// How a connection ended, as its session has to know it.
public enum Departure: Sendable {
    /// DISCONNECT with a normal reason: the will is void.
    /// - Parameter sessionExpiry: seconds, where DISCONNECT said them.
    case clean(sessionExpiry: UInt32?)
    /// Anything else: the will is due.
    case lost(sessionExpiry: UInt32?)
}

/// One filter that a client has been allowed.
public struct Subscription: Sendable, Hashable {
    public var filter: TopicFilter
    public var options: SubscriptionOptions
    /// 0 = none.
    public var identifier: UInt32

    public init(filter: TopicFilter, options: SubscriptionOptions, identifier: UInt32 = 0) {
        self.filter = filter
        self.options = options
        self.identifier = identifier
    }
}

/// What a subscriber says of a message that was sent to it with a packet identifier.
public enum Settlement: Sendable, BitwiseCopyable {
    case puback(ReasonCode)
    case pubrec(ReasonCode)
    case pubcomp
}

/// What workers ask of the broker. Requests of one worker are carried out in the order handed in.
public enum BrokerRequest: Sendable {
    /// Answered by `attached` or `refusedAttach`. An earlier connection of the session hears `ended(.sessionTakenOver)`.
    case attach(Attach)
    /// The connection with this ticket is gone. Nothing is answered; nothing happens when another one has taken the session over.
    case detach(SessionHandle, Ticket, Departure)
    /// Of the filters that came with `attached`, these are its client's no more; what waits for it under them alone is dropped. Not
    /// answered: what may be delivered is.
    case judged(SessionHandle, Ticket, refused: [TopicFilter])
    /// Answered by `subscribed` once it is on disk where it has to be. `nil` = the place of a filter that was refused, with its reason.
    case subscribe(SessionHandle, Ticket, packetID: UInt16, [Result<Subscription, RefusedFilter>])
    /// Answered by `unsubscribed`.
    case unsubscribe(SessionHandle, Ticket, packetID: UInt16, [TopicFilter?])
    /// A message for subscribers. Answered by `published` once it is on disk wherever a session has to survive. `ticket` is
    /// the exchange of its PUBLISH.
    /// - Parameter from: whose it is: nil = the gateway's own. `packetID`: of QoS 2, by which a repetition is known; else 0.
    case publish(Message, from: SessionHandle?, packetID: UInt16, Ticket)
    /// The client acknowledges what was delivered to it.
    case settle(SessionHandle, Ticket, packetID: UInt16, Settlement)
    /// PUBREL of a message with QoS 2 that the client sent. Answered by `released`.
    case release(SessionHandle, Ticket, packetID: UInt16)
    /// The connection takes no more for now (true), or does again (false).
    case hold(SessionHandle, Ticket, Bool)
    /// Answered by `kept` when it is on disk.
    case refuse(RefusedMessage, Ticket)
}

/// Why a filter of a SUBSCRIBE was not allowed.
public struct RefusedFilter: Error, Sendable {
    public var reason: ReasonCode
    public init(_ reason: ReasonCode) { self.reason = reason }
}
