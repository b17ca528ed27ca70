/// A message for an outside broker. It goes with QoS 1.
public struct OutwardMessage: Sendable {
    public var topic: String
    public var payload: [UInt8]
    public var isRetained: Bool
    /// Of MQTT 5: seconds after which it is of no use; nil = never.
    public var expirySeconds: UInt32?
    /// Of MQTT 5.
    public var contentType: String?

    public init(topic: String, payload: [UInt8], isRetained: Bool = false, expirySeconds: UInt32? = nil, contentType: String? = nil) {
        self.topic = topic
        self.payload = payload
        self.isRetained = isRetained
        self.expirySeconds = expirySeconds
        self.contentType = contentType
    }
}

/// What came of publishing it.
public enum Publication: Sendable, Equatable {
    /// The broker has said PUBACK.
    case acknowledged
    /// The broker, or the library, will not have it (MQTT 5 reason code, or 0 where it has none).
    case refused(reason: UInt8)
    /// Not now: it may arrive all the same.
    case unavailable
}
