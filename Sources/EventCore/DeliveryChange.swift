/// A message that was taken, as the store keeps it (SPEC M-4).
public struct DeliveryRecord: Sendable, Equatable, BitwiseCopyable {
    /// Slots from here on hold messages with QoS 2, by packet identifier; those before are the session's ring.
    public static let firstHeld: UInt32 = 65_536

    public var session: UInt64
    /// A session has one record a slot.
    public var slot: UInt32
    public var packetID: UInt16
    public var fingerprint: UInt64
    /// Counts the messages with QoS 1 of the session, from 1: the ring goes on after the highest. 0 with QoS 2.
    public var sequence: UInt64

    public init(session: UInt64, slot: UInt32, packetID: UInt16, fingerprint: UInt64, sequence: UInt64) {
        self.session = session
        self.slot = slot
        self.packetID = packetID
        self.fingerprint = fingerprint
        self.sequence = sequence
    }
}

/// What an append does to the records of messages, in the transaction of its events. Done twice, each comes to the same.
public enum DeliveryChange: Sendable, Equatable, BitwiseCopyable {
    /// In place of what was in its slot.
    case put(DeliveryRecord)
    /// The message with QoS 2.
    case release(session: UInt64, packetID: UInt16)
    /// All of the session.
    case forget(session: UInt64)

    var session: UInt64 {
        switch self {
        case .put(let record): record.session
        case .release(let session, _), .forget(let session): session
        }
    }
}

/// How much is remembered of messages.
public struct DeliveryLimits: Sendable, Equatable {
    /// Sessions; beyond them those that have been quiet for long are forgotten.
    public var sessions: Int
    /// Messages with QoS 2 of one session that have not been released; more are refused.
    public var held: Int

    public init(sessions: Int = 1_000_000, held: Int = 4096) {
        self.sessions = max(1, sessions)
        self.held = max(1, held)
    }
}
