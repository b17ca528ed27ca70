/// A message that came from an outside broker.
public struct BridgedMessage: Sendable, Equatable {
    public var topic: [UInt8]
    public var payload: [UInt8]
    /// With which it came.
    public var qos: UInt8
    /// Of MQTT 5; nil = it says none.
    public var contentType: String?
    /// User properties of MQTT 5 in their order, at most 32.
    public var properties: [Property]

    public struct Property: Sendable, Equatable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public init(topic: [UInt8], payload: [UInt8], qos: UInt8, contentType: String? = nil, properties: [Property] = []) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.contentType = contentType
        self.properties = properties
    }
}

/// What came of a message.
public enum IngestOutcome: Sendable, Equatable {
    /// Its effect is on disk, or was already.
    case taken
    /// It will never be taken: it has been kept for people where that is wanted.
    case refused
    /// Not now. The broker has to send it again.
    case later
    /// The same, and what it was given to has failed on it: if that goes on, it is the message's fault.
    case failed

    /// The broker has to send it again.
    var comesAgain: Bool { self == .later || self == .failed }
}

/// Where messages go that a bridge has read.
public protocol Ingest: Sendable {
    /// Messages of one topic come one after the other, in their order; those of different topics together. It must end by
    /// itself, within `BridgeOptions.patienceMS`.
    /// - Parameter isLast: it has failed as often as it may. What fails on it once more is `refused`, so that it holds up the others no
    ///   longer.
    func take(_ message: BridgedMessage, isLast: Bool) async -> IngestOutcome
}
