public import Exchanges
import JOSE

/// Why a credential is not believed. The client hears a constant text and one of the words of RFC 6750 section
/// 3.1; metrics count the label.
public enum CredentialFault: UInt8, Error, Sendable, BitwiseCopyable, CaseIterable {
    /// There is none.
    case missing
    /// The `Authorization` field is none of RFC 6750, or there are several.
    case badField
    case malformed, wrongAlgorithm, unknownKey, badSignature, expired, notYetValid, wrongIssuer, wrongAudience, wrongType
    case revoked
    /// There are no keys of its issuer to check it with.
    case noKeys
    /// It is somebody's, but no service's.
    case notService
    /// The session's id is none.
    case badSession

    /// Safe to show.
    public var text: StaticString {
        switch self {
        case .missing: "a credential is required"
        case .badField: "the Authorization field must be Bearer and one token, once"
        case .malformed: "the token is malformed"
        case .wrongAlgorithm: "the token's algorithm is not one of its issuer"
        case .unknownKey: "the token's key is not known"
        case .badSignature: "the token's signature does not hold"
        case .expired: "the token has expired"
        case .notYetValid: "the token is not valid yet"
        case .wrongIssuer: "the token's issuer is not believed"
        case .wrongAudience: "the token is meant for somebody else"
        case .wrongType: "the token is of another type"
        case .revoked: "the token has been revoked"
        case .noKeys: "the keys of the token's issuer are not there yet"
        case .notService: "this route is for services"
        case .badSession: "the session id must be 16 to 128 letters, digits, -, _ and ."
        }
    }

    /// For metrics.
    public var label: StaticString {
        switch self {
        case .missing: "missing"
        case .badField: "bad_field"
        case .malformed: "malformed"
        case .wrongAlgorithm: "wrong_algorithm"
        case .unknownKey: "unknown_key"
        case .badSignature: "bad_signature"
        case .expired: "expired"
        case .notYetValid: "not_yet_valid"
        case .wrongIssuer: "wrong_issuer"
        case .wrongAudience: "wrong_audience"
        case .wrongType: "wrong_type"
        case .revoked: "revoked"
        case .noKeys: "no_keys"
        case .notService: "not_service"
        case .badSession: "bad_session"
        }
    }

    /// How the exchange ends.
    public var outcome: Outcome {
        switch self {
        case .missing: Outcome(.unauthenticated, text, challenge: .bare)
        case .badField: Outcome(.validationError, text, challenge: .invalidRequest)
        case .noKeys: Outcome(.upstreamUnavailable, text, retryAfterMS: 1_000)
        case .notService: Outcome(.forbidden, text, challenge: .insufficientScope)
        case .badSession: Outcome(.validationError, text)
        case .malformed, .wrongAlgorithm, .unknownKey, .badSignature, .expired, .notYetValid, .wrongIssuer, .wrongAudience,
            .wrongType, .revoked:
            Outcome(.unauthenticated, text, challenge: .invalidToken)
        }
    }
}

extension CredentialFault {
    init(_ fault: TokenFault) {
        switch fault {
        case .unsupportedAlgorithm, .wrongAlgorithm: self = .wrongAlgorithm
        case .unknownKey: self = .unknownKey
        case .badSignature: self = .badSignature
        case .expired: self = .expired
        case .notYetValid: self = .notYetValid
        case .wrongIssuer: self = .wrongIssuer
        case .wrongAudience: self = .wrongAudience
        case .wrongType: self = .wrongType
        default: self = .malformed
        }
    }
}
