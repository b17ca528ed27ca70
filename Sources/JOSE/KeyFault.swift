/// Why a key is not taken.
public enum KeyFault: UInt8, Error, Sendable, BitwiseCopyable, CaseIterable {
    /// No JSON object, or a member used twice.
    case malformed
    /// `kty`, `crv` or `alg` is none of ours, or they do not fit together.
    case unsupported
    /// `use` or `key_ops` say that it is for something else.
    case notForSignatures
    /// A member is missing, has the wrong type, or is not base64url.
    case badMember
    /// An RSA modulus below 2048 bits, an exponent of 1, an HMAC secret shorter than its hash.
    case weak
    /// An RSA modulus beyond 8192 bits, or an exponent beyond 32.
    case tooLarge
    /// The point is not on the curve, the modulus is even: no key at all.
    case invalid
    /// The private half of a key, where only public ones belong.
    case isPrivate
    /// A shared secret, where only public keys belong.
    case isSecret
    /// OpenSSL did not do it: no memory, no random bytes.
    case unavailable

    /// A constant, safe to show.
    public var text: StaticString {
        switch self {
        case .malformed: "the key is not a JSON object"
        case .unsupported: "the key's type, curve or algorithm is not supported"
        case .notForSignatures: "the key is not for signatures"
        case .badMember: "a member of the key is missing or malformed"
        case .weak: "the key is too weak"
        case .tooLarge: "the key is too large"
        case .invalid: "the key's numbers are no key"
        case .isPrivate: "the key is private"
        case .isSecret: "the key is a shared secret"
        case .unavailable: "the key could not be made"
        }
    }
}
