internal import Contracts
internal import Exchanges

/// A key that signatures are checked with, and the algorithms it is for: the token does not choose.
///
/// Any thread may use it at any time.
public final class VerificationKey: Sendable {
    /// Bits of an RSA modulus.
    public static let shortestModulus = 2048
    public static let longestModulus = 8192

    private enum Material {
        /// Ready for RSASSA-PKCS1-v1_5, or not; PSS needs the key itself.
        case rsa(PublicKey, PreparedModulus?, modulus: Int)
        /// With a table of its multiples, or without.
        case ec(PublicKey, Curve, PreparedPoint?)
        case ed25519(PublicKey)
        case secret(Secret)
    }

    /// `kid`. Nil = absent.
    public let keyID: [UInt8]?
    /// The one its `alg` names, else all its type allows.
    public let algorithms: AlgorithmSet
    private let material: Material

    /// From a JSON Web Key as a text of its own.
    /// - Parameters:
    ///   - takesSecret: a shared secret (`oct`) is fine.
    ///   - takesPrivate: a private key is fine; its public half is used.
    ///   - prepares: it will be used often: time and room are spent so that each use costs less (P-256, and RSA with the usual
    ///     exponent).
    public convenience init(
        jwk text: Span<UInt8>, takesSecret: Bool = false, takesPrivate: Bool = false, prepares: Bool = false
    ) throws(KeyFault) {
        try self.init(try JSONWebKey(text), takesSecret: takesSecret, takesPrivate: takesPrivate, prepares: prepares)
    }

    init(_ key: JSONWebKey, takesSecret: Bool, takesPrivate: Bool, prepares: Bool) throws(KeyFault) {
        guard key.verifies else { throw .notForSignatures }
        guard takesPrivate || !key.isPrivate else { throw .isPrivate }
        keyID = key.keyID
        algorithms = key.algorithms
        switch key.material {
        case .rsa(let n, let e, _):
            let key = PublicKey(owning: try EVPKeys.make(key.material, withPrivate: false))
            material = .rsa(key, prepares ? PreparedModulus(n: n, e: e) : nil, modulus: n.count)
        case .ec(let curve, let x, let y, _):
            let key = PublicKey(owning: try EVPKeys.make(key.material, withPrivate: false))
            material = .ec(key, curve, prepares && curve == .p256 ? PreparedPoint(x: x, y: y) : nil)
        case .ed25519: material = .ed25519(PublicKey(owning: try EVPKeys.make(key.material, withPrivate: false)))
        case .secret(let bytes):
            guard takesSecret else { throw .isSecret }
            material = .secret(Secret(bytes))
        }
    }

    /// Does `signature` hold for `input`? False as well when the key is not for `algorithm`.
    public func verifies(_ signature: Span<UInt8>, of input: Span<UInt8>, by algorithm: Algorithm) -> Bool {
        guard algorithms.contains(algorithm) else { return false }
        switch material {
        case .rsa(let key, let prepared, let modulus):
            guard signature.count == modulus, let hash = algorithm.hash, let digest = hash.digest(of: input) else { return false }
            if let prepared, algorithm.isPKCS1 { return prepared.verifies(signature, ofDigest: digest.span, hash) }
            return key.verifies(signature, ofDigest: digest.span, by: algorithm)
        case .ec(let key, let curve, let prepared):
            guard signature.count == 2 * curve.width, let digest = algorithm.hash?.digest(of: input) else { return false }
            if let prepared { return prepared.verifies(signature, ofDigest: digest.span) }
            // OpenSSL refuses r and s outside of 1 to n - 1.
            return key.verifies(ECDSASignature.der(ofRaw: signature).span, ofDigest: digest.span, by: algorithm)
        case .ed25519(let key):
            return signature.count == 64 && key.verifiesEdDSA(signature, of: input)
        case .secret(let secret):
            guard let hash = algorithm.hash else { return false }
            return secret.verifies(signature, of: input, hash)
        }
    }

    /// Checks a token's signature.
    /// - Parameter text: what the token was read from.
    public func verify(_ token: CompactToken, in text: Span<UInt8>) throws(TokenFault) {
        guard algorithms.contains(token.algorithm) else { throw .wrongAlgorithm }
        let input = text.extracting(token.signingInput.range)
        guard verifies(token.signature.span, of: input, by: token.algorithm) else { throw .badSignature }
    }
}
