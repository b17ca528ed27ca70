/// What outlives an exchange on one connection: who the peer is.
public struct Session: Sendable {
    /// The listener's number.
    public var listener: UInt16
    /// The peer's address as an IPv6 address (IPv4 mapped); zero for a Unix socket.
    public var peer: (high: UInt64, low: UInt64)
    /// The same as text, for forwarding and logs.
    public var peerText: [UInt8]
    /// Are this peer's Forwarded and X-Forwarded-* fields believed?
    public var trusted: Bool

    public init(listener: UInt16, peer: (high: UInt64, low: UInt64), peerText: [UInt8], trusted: Bool) {
        self.listener = listener
        self.peer = peer
        self.peerText = peerText
        self.trusted = trusted
    }
}
