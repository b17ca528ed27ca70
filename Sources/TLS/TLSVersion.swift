/// The versions of TLS the gateway speaks (RFC 9325 section 3.1.1).
public enum TLSVersion: UInt8, Sendable, CaseIterable {
    case tls12, tls13
}
