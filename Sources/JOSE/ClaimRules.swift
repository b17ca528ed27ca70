internal import Exchanges

/// What the claims of a token have to be, for one issuer.
public struct ClaimRules: Sendable {
    /// The clock of another machine may be off by so much.
    public static let longestLeewayMS: Int64 = 60_000

    /// `iss`, byte for byte.
    public let issuer: [UInt8]
    /// One of these has to be in `aud`; empty = `aud` does not matter.
    public let audiences: [[UInt8]]
    /// Milliseconds.
    public let leewayMS: Int64
    /// Only tokens whose `typ` says access token (RFC 9068 section 4).
    public let onlyAccessTokens: Bool

    /// - Parameter leewayMS: 0 to `longestLeewayMS`; outside of it, the nearest of the two.
    public init(issuer: [UInt8], audiences: [[UInt8]], leewayMS: Int64 = 0, onlyAccessTokens: Bool = false) {
        self.issuer = issuer
        self.audiences = audiences
        self.leewayMS = min(max(leewayMS, 0), ClaimRules.longestLeewayMS)
        self.onlyAccessTokens = onlyAccessTokens
    }
}

extension ClaimSet {
    /// Is the token good now, and for us? `exp` has to be there; it ends at that moment, not after it.
    /// - Parameters:
    ///   - nowMS: wall clock, milliseconds since 1970.
    ///   - type: `CompactToken.type`.
    public func check(_ rules: ClaimRules, nowMS: Int64, type: [UInt8]?) throws(TokenFault) {
        if rules.onlyAccessTokens {
            guard let type, type.span.equalsIgnoringCase("at+jwt") || type.span.equalsIgnoringCase("application/at+jwt") else {
                throw .wrongType
            }
        }
        guard issuer == rules.issuer else { throw .wrongIssuer }
        guard rules.audiences.isEmpty || audiences.contains(where: { rules.audiences.contains($0) }) else { throw .wrongAudience }
        guard let expiresMS else { throw .endless }
        // The dates are bounded, so nothing overflows.
        guard nowMS < expiresMS + rules.leewayMS else { throw .expired }
        if let notBeforeMS, nowMS < notBeforeMS - rules.leewayMS { throw .notYetValid }
    }
}
