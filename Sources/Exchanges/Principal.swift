/// Who asks: what an identity that was proven (or granted) comes to. Immutable and shared: a token that is seen
/// again has the principal of its first time.
public final class Principal: Sendable {
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// Nobody said who he is, and his route allows that.
        case anonymous
        /// An unnamed client that can be told from others: by its session's id.
        case session
        /// Another program: by its client certificate, or a token that says so.
        case service
        case user
    }

    public let kind: Kind
    /// The name of the issuer in the configuration; empty for those that no issuer knows.
    public let issuer: [UInt8]
    /// `sub`; the certificate's name; the session's id. Empty for `anonymous`.
    public let subject: [UInt8]
    public let roles: [[UInt8]]
    public let scopes: [[UInt8]]
    /// Further claims that the configuration names, as texts, by their names.
    public let claims: [(name: [UInt8], value: [UInt8])]
    /// `jti`; empty = it has none.
    public let tokenID: [UInt8]
    /// Wall clock milliseconds since 1970 from which the credential is no longer one; `.max` = it does not end.
    public let expiresMS: UInt64
    /// `iat`, in the same milliseconds; 0 = it does not say, so that it is older than anything.
    public let issuedMS: UInt64
    /// Whole field lines, CRLF each, by which upstreams know it.
    public let fieldLines: [UInt8]
    /// Does the token go upstream as well?
    public let forwardsToken: Bool

    public init(
        kind: Kind, issuer: [UInt8] = [], subject: [UInt8] = [], roles: [[UInt8]] = [], scopes: [[UInt8]] = [],
        claims: [(name: [UInt8], value: [UInt8])] = [], tokenID: [UInt8] = [], expiresMS: UInt64 = .max,
        issuedMS: UInt64 = 0, fieldLines: [UInt8] = [], forwardsToken: Bool = true
    ) {
        self.kind = kind
        self.issuer = issuer
        self.subject = subject
        self.roles = roles
        self.scopes = scopes
        self.claims = claims
        self.tokenID = tokenID
        self.expiresMS = expiresMS
        self.issuedMS = issuedMS
        self.fieldLines = fieldLines
        self.forwardsToken = forwardsToken
    }

    /// Has a token said who it is? Only that can be revoked.
    @inlinable public var isFromToken: Bool { !issuer.isEmpty }

    public static let anonymous = Principal(kind: .anonymous)
}
