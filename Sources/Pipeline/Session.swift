/// What outlives an exchange on one connection: who the peer is.
public final class Session: Sendable {
    /// The listener's number.
    public let listener: UInt16
    /// The peer's address as an IPv6 address (IPv4 mapped); zero for a Unix socket.
    public let peer: (high: UInt64, low: UInt64)
    /// The same as text, for forwarding and logs.
    public let peerText: [UInt8]
    /// Are this peer's Forwarded and X-Forwarded-* fields believed?
    public let trusted: Bool

    public init(listener: UInt16, peer: (high: UInt64, low: UInt64), peerText: [UInt8], trusted: Bool) {
        self.listener = listener
        self.peer = peer
        self.peerText = peerText
        self.trusted = trusted
    }
}
