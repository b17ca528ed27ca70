internal import COpenSSL
internal import Contracts
internal import Exchanges

/// A key that makes tokens: the development issuer's, and those of tests.
///
/// Any thread may use it at any time.
public final class SigningKey: Sendable {
    private enum Material {
        case asymmetric(PrivateKey)
        case secret(Secret)
    }

    public let algorithm: Algorithm
    public let keyID: [UInt8]
    private let material: Material
    private let numbers: JSONWebKey.Material

    /// Makes a new key: RSA has 2048 bits, a secret the length of its hash.
    /// - Parameter keyID: nil = the key's thumbprint (RFC 7638).
    public convenience init(new algorithm: Algorithm, keyID: [UInt8]? = nil) throws(KeyFault) {
        let numbers = try NewKeys.numbers(algorithm)
        try self.init(numbers, algorithm, keyID)
    }

    /// From a private JSON Web Key. Its `alg` decides; without it RSA means RS256, and a secret HS256.
    public convenience init(jwk text: Span<UInt8>) throws(KeyFault) {
        let key = try JSONWebKey(text)
        guard key.signs else { throw .notForSignatures }
        let choice: [Algorithm] = [.es256, .es384, .es512, .edDSA, .rs256, .ps256, .hs256, .hs384, .hs512] + Algorithm.allCases
        guard let algorithm = choice.first(where: { key.algorithms.contains($0) }) else { throw .unsupported }
        try self.init(key.material, algorithm, key.keyID)
    }

    /// From a private key as PEM (PKCS #8, or as OpenSSL writes it), without a password.
    /// - Parameter algorithm: nil = what its type and curve say; RSA means RS256.
    public convenience init(pem text: Span<UInt8>, algorithm: Algorithm? = nil, keyID: [UInt8]? = nil) throws(KeyFault) {
        let (numbers, usual) = try NewKeys.numbers(pem: text)
        let isOther = algorithm.map { $0 != usual } ?? false
        guard let algorithm, isOther else {
            try self.init(numbers, usual, keyID)
            return
        }
        // Only RSA leaves a choice.
        guard AlgorithmSet.rsa.contains(algorithm), AlgorithmSet.rsa.contains(usual) else { throw .unsupported }
        try self.init(numbers, algorithm, keyID)
    }

    private init(_ numbers: JSONWebKey.Material, _ algorithm: Algorithm, _ keyID: [UInt8]?) throws(KeyFault) {
        switch numbers {
        case .rsa(_, _, nil), .ec(_, _, _, nil), .ed25519(_, nil): throw .badMember
        case .secret(let bytes): material = .secret(Secret(bytes))
        default: material = .asymmetric(PrivateKey(owning: try EVPKeys.make(numbers, withPrivate: true)))
        }
        self.numbers = numbers
        self.algorithm = algorithm
        guard let id = keyID ?? numbers.thumbprint else { throw .unavailable }
        self.keyID = id
    }

    /// The signature of `input`, as it goes into a token, before base64url.
    public func signature(of input: Span<UInt8>) throws(KeyFault) -> [UInt8] {
        let signature: [UInt8]? =
            switch material {
            case .asymmetric(let key): key.signature(of: input, algorithm)
            case .secret(let secret): algorithm.hash.flatMap { secret.code(of: input, $0) }
            }
        guard let signature else { throw .unavailable }
        return signature
    }

    /// A compact token over `payload`.
    /// - Parameter type: `typ`.
    public func token(payload: Span<UInt8>, type: String = "JWT") throws(KeyFault) -> [UInt8] {
        var header = JSONWriter<[UInt8]>([])
        header.beginObject()
        header.name("alg")
        header.string("\(algorithm.name)")
        header.name("kid")
        header.string(utf8: keyID)
        header.name("typ")
        header.string(type)
        header.endObject()
        return try token(header: header.sink.span, payload: payload)
    }

    /// The same with a header of the caller's own, which is not looked at: what is tested is mostly wrong.
    public func token(header: Span<UInt8>, payload: Span<UInt8>) throws(KeyFault) -> [UInt8] {
        var token = Base64URL.encode(header)
        token.append(UInt8(ascii: "."))
        token += Base64URL.encode(payload)
        let signature = try signature(of: token.span)
        token.append(UInt8(ascii: "."))
        return token + Base64URL.encode(signature.span)
    }

    /// The key as a JSON Web Key, for a file of its owner's.
    public var privateJWK: [UInt8] { numbers.jwk(algorithm, keyID, withPrivate: true) }

    /// What checks its signatures. Of a shared secret that is the secret.
    public var publicJWK: [UInt8] { numbers.jwk(algorithm, keyID, withPrivate: false) }
}
