/// Why a credential is not believed. What the client hears is one of the words of RFC 6750 section 3.1; the log
/// has the reason.
public enum CredentialFault: UInt8, Error, Sendable, BitwiseCopyable, CaseIterable {
    case missing, malformed, unknownKey, badSignature, expired, notYetValid, wrongIssuer, wrongAudience, revoked

    /// Safe to show.
    public var text: StaticString {
        switch self {
        case .missing: "a credential is required"
        case .malformed: "the token is malformed"
        case .unknownKey: "the token's key is not known"
        case .badSignature: "the token's signature does not hold"
        case .expired: "the token has expired"
        case .notYetValid: "the token is not valid yet"
        case .wrongIssuer: "the token's issuer is not believed"
        case .wrongAudience: "the token is meant for somebody else"
        case .revoked: "the token has been revoked"
        }
    }
}
