// What clients send, taken apart in place: ranges are places in the bytes of the packet that was read. Every reader
// throws on whatever the version forbids; what it returns has been checked whole (lengths, UTF-8, properties, flags).

/// A CONNECT packet (MQTT 5.0 section 3.1, MQTT 3.1.1 section 3.1).
public struct ConnectPacket: Sendable {
    public struct Will: Sendable {
        public var topic: Range<Int>
        public var payload: Range<Int>
        public var qos: QoS
        public var retain: Bool
        /// Seconds.
        public var delay: UInt32
        /// Seconds; nil = none.
        public var messageExpiry: UInt32?
        /// The properties block, without its length.
        public var properties: Range<Int>
    }

    public var version: MQTTVersion
    /// Clean session in MQTT 3.1.1.
    public var cleanStart: Bool
    /// Seconds; 0 = off.
    public var keepAlive: UInt16
    public var clientID: Range<Int>
    public var username: Range<Int>?
    public var password: Range<Int>?
    public var will: Will?
    /// Seconds; `UInt32.max` = for ever. MQTT 3.1.1: 0 with a clean session, else `UInt32.max`.
    public var sessionExpiry: UInt32
    /// At least 1.
    public var receiveMaximum: UInt16
    /// Bytes; `UInt32.max` = no bound.
    public var maximumPacketSize: UInt32
    public var topicAliasMaximum: UInt16
    public var requestResponseInformation: Bool
    public var requestProblemInformation: Bool
    public var authenticationMethod: Range<Int>?
    public var properties: Range<Int>

    /// - Throws: `unsupportedProtocolVersion` for other versions; nothing is known of what would be read then.
    public init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame) throws(MQTTFault) {
        preconditionFailure("not written yet")
    }
}

/// A PUBLISH packet, in either direction (section 3.3).
public struct PublishPacket: Sendable {
    public var qos: QoS
    public var dup: Bool
    public var retain: Bool
    /// May be empty where an alias stands for it.
    public var topic: Range<Int>
    /// 0 with QoS 0.
    public var packetID: UInt16
    /// 0 = none.
    public var topicAlias: UInt16
    /// Seconds; nil = none.
    public var messageExpiry: UInt32?
    /// The properties block, without its length.
    public var properties: Range<Int>
    public var payload: Range<Int>

    public init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion) throws(MQTTFault) {
        preconditionFailure("not written yet")
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7).
public struct AcknowledgementPacket: Sendable, BitwiseCopyable {
    public var packetID: UInt16
    /// `success` in MQTT 3.1.1.
    public var reason: ReasonCode

    public init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion) throws(MQTTFault) {
        preconditionFailure("not written yet")
    }
}

/// One line of a SUBSCRIBE packet (section 3.8.3).
public struct SubscriptionRequest: Sendable {
    public var filter: Range<Int>
    public var options: SubscriptionOptions
}

/// How messages come by a subscription (section 3.8.3.1).
public struct SubscriptionOptions: Sendable, Hashable, BitwiseCopyable {
    public enum RetainHandling: UInt8, Sendable, BitwiseCopyable { case send = 0, sendIfNew, doNotSend }
    public var qos: QoS
    public var noLocal: Bool
    public var retainAsPublished: Bool
    public var retainHandling: RetainHandling

    public init(
        qos: QoS, noLocal: Bool = false, retainAsPublished: Bool = false, retainHandling: RetainHandling = .send
    ) {
        self.qos = qos
        self.noLocal = noLocal
        self.retainAsPublished = retainAsPublished
        self.retainHandling = retainHandling
    }
}

/// A SUBSCRIBE packet (section 3.8). Filters have been checked as UTF-8 only: one that is no topic filter is refused by
/// its own reason code in the SUBACK (`TopicFilter`).
public struct SubscribePacket: Sendable {
    public var packetID: UInt16
    /// 0 = none.
    public var identifier: UInt32
    public var requests: [SubscriptionRequest]
    public var properties: Range<Int>

    /// - Parameter most: lines it may have.
    public init(
        _ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion, most: Int
    ) throws(MQTTFault) {
        preconditionFailure("not written yet")
    }
}

/// An UNSUBSCRIBE packet (section 3.10).
public struct UnsubscribePacket: Sendable {
    public var packetID: UInt16
    public var filters: [Range<Int>]

    public init(
        _ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion, most: Int
    ) throws(MQTTFault) {
        preconditionFailure("not written yet")
    }
}

/// A DISCONNECT packet (section 3.14).
public struct DisconnectPacket: Sendable, BitwiseCopyable {
    public var reason: ReasonCode
    /// Seconds; nil = as at CONNECT.
    public var sessionExpiry: UInt32?

    public init(_ bytes: borrowing Span<UInt8>, _ frame: FrameReader.Frame, version: MQTTVersion) throws(MQTTFault) {
        preconditionFailure("not written yet")
    }
}
