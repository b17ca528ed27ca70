/// The versions of TLS the gateway speaks (RFC 9325 section 3.1.1).
public enum TLSVersion: UInt8, Sendable, CaseIterable {
    case tls12, tls13
}

/// Which versions a side offers.
public enum TLSProfile: String, Sendable, CaseIterable {
    /// TLS 1.2 and 1.3, with the suites of RFC 9325 section 4.2.
    case intermediate
    /// TLS 1.3 alone.
    case modern
}

/// What a handshake came to, for those who count and route by it.
public struct TLSAgreement: Sendable {
    public let version: TLSVersion
    /// The session continues an earlier one; nobody showed a certificate this time.
    public let resumed: Bool
    /// The protocol chosen by ALPN; nil when the peer did not ask.
    public let protocolName: TLSProtocolName?
}

/// The protocols ALPN may agree on (RFC 7301; IANA's registry).
public enum TLSProtocolName: String, Sendable, CaseIterable {
    case http11 = "http/1.1"
    case http2 = "h2"
    case mqtt
}

/// Why a handshake did not come to its end.
public enum TLSFailure: Error, Equatable, Sendable {
    /// The peer's certificate is missing, not trusted, expired, or for another name.
    case certificate
    /// No protocol both sides speak (ALPN).
    case noProtocol
    /// The peer gave up with an alert.
    case alert
    /// The connection ended in the middle.
    case closed
    /// What came was not TLS, or not a handshake both sides can finish.
    case protocolError
}
