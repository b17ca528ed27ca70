public import WireMQTT

/// An application message on its way to those who subscribed (MQTT 5.0 section 1.2). Immutable, and shared by all queues
/// that it stands in.
public final class Message: Sendable {
    public let topic: [UInt8]
    public let payload: [UInt8]
    public let qos: QoS
    /// The publisher asked that it be kept for later subscribers.
    public let isRetained: Bool
    /// Properties that go on with it, as MQTT 5 encodes them (`PublishProperties.forwarded`).
    public let properties: [UInt8]
    /// Wall clock milliseconds since 1970 after which it is of no use; `.max` = never.
    public let expiresMS: UInt64

    public init(
        topic: [UInt8], payload: [UInt8], qos: QoS, isRetained: Bool = false, properties: [UInt8] = [], expiresMS: UInt64 = .max
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.isRetained = isRetained
        self.properties = properties
        self.expiresMS = expiresMS
    }

    /// Bytes of memory, about.
    public var cost: Int { 160 + topic.count + payload.count + properties.count }
}

/// A message that its sender wants published when he is gone (section 3.1.2.5). It goes through the pipeline then, as
/// his.
public struct Will: Sendable {
    public var message: Message
    /// Seconds to wait for him to come back.
    public var delay: UInt32
    /// What its owner may, as whoever handed it in has written it down; given back with it.
    public var standing: [UInt8]

    public init(_ message: Message, delay: UInt32 = 0, standing: [UInt8] = []) {
        self.message = message
        self.delay = delay
        self.standing = standing
    }
}

/// A message that could not be taken and will not be sent again: kept for people (SPEC M-3).
public struct RefusedMessage: Sendable, Equatable {
    public var topic: [UInt8]
    /// Cut at `mostPayload`.
    public var payload: [UInt8]
    public var clientID: [UInt8]
    /// Who sent it: a subject, or empty.
    public var subject: [UInt8]
    public var qos: QoS
    /// The name in SPEC 26: `VALIDATION_ERROR` …
    public var code: String
    /// For people, on one line.
    public var reason: String
    /// Wall clock milliseconds.
    public var atMS: UInt64
    /// Who sent it, as his sessions have it (`Attach.owner`), and what he may (`Will.standing`); empty = that is not known.
    public var owner: [UInt8]
    public var standing: [UInt8]
    /// Of the message, as `Message` has them. Dropped beyond `mostProperties`.
    public var properties: [UInt8]
    public var isRetained: Bool
    public var expiresMS: UInt64
    /// Under which the event log knows whether it has been carried out after all; no other message's. 0 = none.
    public var mark: UInt64
    /// Some of it has not been kept: it is for people to read alone.
    public var isCut: Bool

    public static let mostPayload = 64 << 10
    public static let mostProperties = 16 << 10

    public init(
        topic: [UInt8], payload: [UInt8], clientID: [UInt8], subject: [UInt8], qos: QoS, code: String, reason: String, atMS: UInt64,
        owner: [UInt8] = [], standing: [UInt8] = [], properties: [UInt8] = [], isRetained: Bool = false, expiresMS: UInt64 = .max,
        mark: UInt64 = 0, isCut: Bool = false
    ) {
        self.topic = topic
        self.payload = payload
        self.clientID = clientID
        self.subject = subject
        self.qos = qos
        self.code = code
        self.reason = reason
        self.atMS = atMS
        self.owner = owner
        self.standing = standing
        self.properties = properties
        self.isRetained = isRetained
        self.expiresMS = expiresMS
        self.mark = mark
        self.isCut = isCut
    }

    /// As it was sent.
    public var whole: Message {
        Message(topic: topic, payload: payload, qos: qos, isRetained: isRetained, properties: properties, expiresMS: expiresMS)
    }

    /// Drops what is more than is kept.
    mutating func cut() {
        if payload.count > Self.mostPayload {
            payload.removeLast(payload.count - Self.mostPayload)
            isCut = true
        }
        if properties.count > Self.mostProperties {
            properties = []
            isCut = true
        }
    }
}
