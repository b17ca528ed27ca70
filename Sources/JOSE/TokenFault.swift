/// Why a signed token is not believed.
public enum TokenFault: UInt8, Error, Sendable, BitwiseCopyable, CaseIterable {
    /// More than `CompactToken.longest` bytes.
    case tooLong
    /// Not exactly `header.payload.signature` (five parts are an encrypted token).
    case wrongParts
    /// A character outside the base64url alphabet, padding, or bits behind the last byte (RFC 7515 section 2).
    case badEncoding
    /// The header is no JSON object, or too deep, or has too many members.
    case badHeader
    /// A member name used twice, in the header or among the claims.
    case duplicateMember
    /// `alg` is missing, no text, `none`, or none of ours.
    case unsupportedAlgorithm
    /// `crit`, `b64`, `zip`, or a key that the token brings or points to (`jwk`, `jku`, `x5u`, `x5c`).
    case forbiddenHeader
    /// `kid` is no text, or longer than `CompactToken.longestKeyID`.
    case badKeyID
    /// `typ` is no text.
    case badType
    /// There is no key of this id for this algorithm.
    case unknownKey
    /// The key exists, and is not for this algorithm.
    case wrongAlgorithm
    case badSignature
    /// The claims are no JSON object, or too deep, or too many.
    case badPayload
    /// A registered claim of the wrong type: a date that is no number, an issuer that is no text.
    case badClaim
    /// There is no `exp`.
    case endless
    case expired
    case notYetValid
    case wrongIssuer
    case wrongAudience
    /// `typ` is not `at+jwt` where only access tokens are taken (RFC 9068).
    case wrongType

    /// A constant, safe to show to whoever sent the token.
    public var text: StaticString {
        switch self {
        case .tooLong: "the token is too long"
        case .wrongParts: "not the three parts of a compact token"
        case .badEncoding: "a part is not base64url"
        case .badHeader: "the header is not a small JSON object"
        case .duplicateMember: "a member is used twice"
        case .unsupportedAlgorithm: "the algorithm is not supported"
        case .forbiddenHeader: "the header has a member that is not allowed"
        case .badKeyID: "the key id is not a short text"
        case .badType: "the type is not a short text"
        case .unknownKey: "there is no such key"
        case .wrongAlgorithm: "the key is not for this algorithm"
        case .badSignature: "the signature does not hold"
        case .badPayload: "the claims are not a JSON object"
        case .badClaim: "a claim has the wrong type"
        case .endless: "the token has no expiry"
        case .expired: "the token has expired"
        case .notYetValid: "the token is not valid yet"
        case .wrongIssuer: "the token is from another issuer"
        case .wrongAudience: "the token is for another audience"
        case .wrongType: "the token is not an access token"
        }
    }
}
