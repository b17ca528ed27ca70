internal import Exchanges

/// A curve of JOSE (RFC 7518 section 6.2.1.1). Each is for one algorithm.
enum Curve: UInt8, Sendable, CaseIterable {
    case p256, p384, p521

    init?(name: [UInt8]) {
        guard let found = Curve.allCases.first(where: { name.span.equals($0.name) }) else { return nil }
        self = found
    }

    init?(_ algorithm: Algorithm) {
        guard let found = Curve.allCases.first(where: { $0.algorithm == algorithm }) else { return nil }
        self = found
    }

    var name: StaticString {
        switch self {
        case .p256: "P-256"
        case .p384: "P-384"
        case .p521: "P-521"
        }
    }

    var algorithm: Algorithm {
        switch self {
        case .p256: .es256
        case .p384: .es384
        case .p521: .es512
        }
    }

    /// Bytes of a coordinate, and of `r` and `s`.
    var width: Int {
        switch self {
        case .p256: 32
        case .p384: 48
        case .p521: 66
        }
    }

    /// As OpenSSL names it.
    var group: StaticString {
        switch self {
        case .p256: "prime256v1"
        case .p384: "secp384r1"
        case .p521: "secp521r1"
        }
    }
}
