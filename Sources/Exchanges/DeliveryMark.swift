/// One transmission of a message whose sender sends it again until he has an answer (MQTT, QoS 1 and 2): by this it is known
/// when it comes again (SPEC M-4).
public struct DeliveryMark: Sendable, Hashable, BitwiseCopyable {
    /// `Attached.incarnation` of the sender's session.
    public var session: UInt64
    public var packetID: UInt16
    /// QoS 2: it is remembered until it is released. Otherwise until `window` others of the session have come after it.
    public var isExactlyOnce: Bool
    /// The sender says that it may have come before (DUP). With QoS 1 only such a one can be a repetition: an identifier that
    /// comes without it is used anew.
    public var isResent: Bool
    /// A keyed digest of topic and payload.
    public var fingerprint: UInt64
    /// How many unanswered messages of QoS 1 the session may have.
    public var window: UInt16

    public init(session: UInt64, packetID: UInt16, isExactlyOnce: Bool, isResent: Bool, fingerprint: UInt64, window: UInt16) {
        self.session = session
        self.packetID = packetID
        self.isExactlyOnce = isExactlyOnce
        self.isResent = isResent
        self.fingerprint = fingerprint
        self.window = window
    }
}
