public import WireMQTT

/// Where sessions survive: one transaction at a time, on the broker's thread.
public protocol SessionStore: Sendable {
    /// All there is but refused messages, as changes that would make it again, in an order in which they can be applied: queues
    /// come after subscriptions and messages.
    func load(_ take: (SessionChange) -> Void) throws(SessionStoreFault)
    /// All of them, or none; on disk when it returns.
    func commit(_ changes: [SessionChange]) throws(SessionStoreFault)
    /// Refused messages, the newest first: at most `limit` with numbers below `before`.
    func refused(before: UInt64, limit: Int) throws(SessionStoreFault) -> [(number: UInt64, message: RefusedMessage)]
    /// How many there are.
    func refusedCount() throws(SessionStoreFault) -> Int
}

public struct SessionStoreFault: Error, Sendable, Equatable {
    public var text: String
    public init(_ text: String) { self.text = text }
}

/// A session as it survives.
public struct StoredSession: Sendable {
    public var number: UInt64
    public var clientID: [UInt8]
    public var owner: [UInt8]
    public var incarnation: UInt64
    /// Seconds; `UInt32.max` = for ever.
    public var sessionExpiry: UInt32
    /// Wall clock milliseconds of its last connection's end; 0 = it has one.
    public var leftMS: UInt64
    /// Due `delay` seconds after `leftMS`.
    public var will: Will?

    public init(
        number: UInt64, clientID: [UInt8], owner: [UInt8], incarnation: UInt64, sessionExpiry: UInt32, leftMS: UInt64 = 0,
        will: Will? = nil
    ) {
        self.number = number
        self.clientID = clientID
        self.owner = owner
        self.incarnation = incarnation
        self.sessionExpiry = sessionExpiry
        self.leftMS = leftMS
        self.will = will
    }
}

/// One row that changes.
public enum SessionChange: Sendable {
    /// Makes it, or says it anew.
    case session(StoredSession)
    /// With its subscriptions, its queue and its packet identifiers.
    case endSession(UInt64)
    /// Makes it, or says it anew.
    case subscribe(session: UInt64, Subscription)
    case unsubscribe(session: UInt64, TopicFilter)
    /// The body of a message, once for all queues that it stands in and for the topic that retains it.
    case message(number: UInt64, Message)
    /// Nobody needs it any more.
    case forgetMessage(number: UInt64)
    /// The message stands in the session's queue.
    /// - Parameter share: with QoS 1, the whole filter of the shared subscription through which it came; empty = it is the
    ///   session's for good. With QoS 2 nobody knows after a crash whether it was sent, and it must not go to another then
    ///   (MQTT-4.8.2-5).
    case queue(
        session: UInt64, sequence: UInt64, message: UInt64, qos: QoS, retain: Bool, identifiers: [UInt32], share: [UInt8] = [])
    /// It has been sent with this packet identifier.
    case sent(session: UInt64, sequence: UInt64, packetID: UInt16)
    /// PUBREC has come: only PUBREL is left of it.
    case received(session: UInt64, sequence: UInt64)
    /// It has left the queue.
    case done(session: UInt64, sequence: UInt64)
    /// The topic retains this message, in place of another.
    case retain(topic: [UInt8], message: UInt64)
    case unretain(topic: [UInt8])
    /// A message with QoS 2 from the client, until its PUBREL.
    case incoming(session: UInt64, packetID: UInt16)
    case released(session: UInt64, packetID: UInt16)
    case refuse(number: UInt64, RefusedMessage)
    /// Those up to this number are dropped.
    case dropRefused(through: UInt64)
    case forgetRefused(number: UInt64)
}
