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
    /// The connection is protected by TLS.
    public let isSecure: Bool
    /// The name in the peer's verified certificate: its first URI, DNS name or e-mail address, else its
    /// subject. Empty when it has shown none.
    public let certificateName: [UInt8]

    public init(
        listener: UInt16, peer: (high: UInt64, low: UInt64), peerText: [UInt8], trusted: Bool, isSecure: Bool = false,
        certificateName: [UInt8] = []
    ) {
        self.listener = listener
        self.peer = peer
        self.peerText = peerText
        self.trusted = trusted
        self.isSecure = isSecure
        self.certificateName = certificateName
    }

    /// Nobody's: of exchanges that the gateway begins itself.
    public static let inside = Session(listener: .max, peer: (0, 0), peerText: [0x2d], trusted: false)
    public var isInside: Bool { listener == .max }
}
