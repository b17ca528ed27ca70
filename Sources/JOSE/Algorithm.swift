internal import Exchanges

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

    /// From the bytes of `alg`.
    public init?(name: Span<UInt8>) {
        // Two letters of family and a size; `EdDSA` is the one without.
        guard name.count == 5 else { return nil }
        if name.equals("EdDSA") {
            self = .edDSA
            return
        }
        let size: UInt8
        switch (name[2], name[3], name[4]) {
        case (UInt8(ascii: "2"), UInt8(ascii: "5"), UInt8(ascii: "6")): size = 0
        case (UInt8(ascii: "3"), UInt8(ascii: "8"), UInt8(ascii: "4")): size = 1
        case (UInt8(ascii: "5"), UInt8(ascii: "1"), UInt8(ascii: "2")): size = 2
        default: return nil
        }
        guard name[1] == UInt8(ascii: "S") else { return nil }
        let family: Algorithm
        switch name[0] {
        case UInt8(ascii: "H"): family = .hs256
        case UInt8(ascii: "R"): family = .rs256
        case UInt8(ascii: "P"): family = .ps256
        case UInt8(ascii: "E"): family = .es256
        default: return nil
        }
        self.init(rawValue: family.rawValue + size)
    }

    /// The hash that goes before the signature; nil for EdDSA, which has its own.
    var hash: Hash? {
        switch self {
        case .hs256, .rs256, .ps256, .es256: .sha256
        case .hs384, .rs384, .ps384, .es384: .sha384
        case .hs512, .rs512, .ps512, .es512: .sha512
        case .edDSA: nil
        }
    }

    /// RSASSA-PKCS1-v1_5?
    var isPKCS1: Bool { self == .rs256 || self == .rs384 || self == .rs512 }
}

/// Some algorithms: what a key may do, what an issuer is believed with.
public struct AlgorithmSet: OptionSet, Sendable, Hashable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public init(_ algorithm: Algorithm) { rawValue = 1 << UInt16(algorithm.rawValue) }

    public init(_ algorithms: [Algorithm]) {
        rawValue = algorithms.reduce(0) { $0 | 1 << UInt16($1.rawValue) }
    }

    public func contains(_ algorithm: Algorithm) -> Bool { rawValue & 1 << UInt16(algorithm.rawValue) != 0 }

    /// HMAC: who can check one can also make one.
    public static let symmetric = AlgorithmSet([.hs256, .hs384, .hs512])
    public static let rsa = AlgorithmSet([.rs256, .rs384, .rs512, .ps256, .ps384, .ps512])
    public static let all = AlgorithmSet(Algorithm.allCases)
}
