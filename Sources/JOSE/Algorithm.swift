/// A signature algorithm of JOSE (RFC 7518 section 3, RFC 8037). `none` is not one.
public enum Algorithm: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case hs256, hs384, hs512
    case rs256, rs384, rs512
    case ps256, ps384, ps512
    case es256, es384, es512
    case edDSA

    /// As `alg` spells it; compared exactly.
    public var name: StaticString {
        switch self {
        case .hs256: "HS256"
        case .hs384: "HS384"
        case .hs512: "HS512"
        case .rs256: "RS256"
        case .rs384: "RS384"
        case .rs512: "RS512"
        case .ps256: "PS256"
        case .ps384: "PS384"
        case .ps512: "PS512"
        case .es256: "ES256"
        case .es384: "ES384"
        case .es512: "ES512"
        case .edDSA: "EdDSA"
        }
    }

    public init?(name: String) {
        guard let found = Algorithm.allCases.first(where: { "\($0.name)" == name }) else { return nil }
        self = found
    }
}
