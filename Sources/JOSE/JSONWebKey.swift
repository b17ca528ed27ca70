internal import Contracts
internal import Exchanges

/// A key as JSON (RFC 7517, 7518 section 6, 8037 section 2), read and not yet made.
struct JSONWebKey {
    /// The numbers, as big-endian bytes.
    enum Material {
        case rsa(n: [UInt8], e: [UInt8], secrets: RSASecrets?)
        /// Coordinates and the private number have the curve's width.
        case ec(Curve, x: [UInt8], y: [UInt8], d: [UInt8]?)
        case ed25519(x: [UInt8], d: [UInt8]?)
        case secret([UInt8])
    }

    struct RSASecrets {
        let d: [UInt8]
        let p: [UInt8]
        let q: [UInt8]
        let dp: [UInt8]
        let dq: [UInt8]
        let qi: [UInt8]
    }

    /// What a document of keys may hold.
    static let limits = JSONLimits(bytes: 16 * 1024, depth: 8, values: 256)

    let keyID: [UInt8]?
    /// What its type, its curve, its length and its `alg` leave.
    let algorithms: AlgorithmSet
    /// Do `use` and `key_ops` allow it?
    let verifies: Bool
    let signs: Bool
    let material: Material

    var isPrivate: Bool {
        switch material {
        case .rsa(_, _, let secrets): secrets != nil
        case .ec(_, _, _, let d), .ed25519(_, let d): d != nil
        case .secret: false
        }
    }

    /// One key as a text of its own.
    init(_ text: Span<UInt8>) throws(KeyFault) {
        let tape: JSONTape
        do { tape = try JSONTape(text, limits: JSONWebKey.limits) } catch { throw .malformed }
        try self.init(JSONMembers(tape: tape, object: 0), in: text)
    }

    /// The key in an object of a larger document.
    init(_ members: JSONMembers, in text: Span<UInt8>) throws(KeyFault) {
        guard members.isObject else { throw .malformed }
        let id = try members.string("kid", in: text)
        guard id?.count ?? 0 <= CompactToken.longestKeyID else { throw .badMember }
        keyID = id
        let use = try members.string("use", in: text)
        let operations = try members.strings("key_ops", in: text)
        let isForSignatures = use.map { $0.span.equals("sig") } ?? true
        func may(_ operation: StaticString) -> Bool {
            isForSignatures && (operations?.contains { $0.span.equals(operation) } ?? true)
        }
        verifies = may("verify")
        signs = may("sign")

        guard let type = try members.string("kty", in: text) else { throw .badMember }
        let fits: AlgorithmSet
        if type.span.equals("RSA") {
            material = try JSONWebKey.rsa(members, in: text)
            fits = .rsa
        } else if type.span.equals("EC") {
            guard let curve = Curve(name: try members.string("crv", in: text) ?? []) else { throw .unsupported }
            material = try JSONWebKey.ec(curve, members, in: text)
            fits = AlgorithmSet(curve.algorithm)
        } else if type.span.equals("OKP") {
            let curve = try members.string("crv", in: text) ?? []
            guard curve.span.equals("Ed25519") else { throw .unsupported }
            material = try JSONWebKey.ed25519(members, in: text)
            fits = AlgorithmSet(.edDSA)
        } else if type.span.equals("oct") {
            let secret = try members.bytes("k", in: text)
            material = .secret(secret)
            fits = JSONWebKey.algorithms(forSecretOf: secret.count)
            guard !fits.isEmpty else { throw .weak }
        } else {
            throw .unsupported
        }
        guard let name = try members.string("alg", in: text) else {
            algorithms = fits
            return
        }
        guard let algorithm = JSONWebKey.algorithm(named: name) else { throw .unsupported }
        guard fits.contains(algorithm) else {
            // A secret that is long enough for another hash only.
            if case .secret = material, AlgorithmSet.symmetric.contains(algorithm) { throw .weak }
            throw .unsupported
        }
        algorithms = AlgorithmSet(algorithm)
    }

    private static func algorithm(named name: [UInt8]) -> Algorithm? {
        // A misspelling that public test vectors and keys in the field have; the curve leaves one meaning. In a
        // token's header it is not taken.
        if name.span.equals("ES521") { return .es512 }
        return Algorithm(name: name.span)
    }

    /// A secret is at least as long as its hash (RFC 7518 section 3.2).
    static func algorithms(forSecretOf count: Int) -> AlgorithmSet {
        var fits: AlgorithmSet = []
        for algorithm in [Algorithm.hs256, .hs384, .hs512] where algorithm.hash.map({ $0.length <= count }) ?? false {
            fits.insert(AlgorithmSet(algorithm))
        }
        return fits
    }

    private static func rsa(_ members: JSONMembers, in text: Span<UInt8>) throws(KeyFault) -> Material {
        let n = try members.number("n", in: text)
        let e = try members.number("e", in: text)
        let bits = n.count * 8 - (n.first.map { $0.leadingZeroBitCount } ?? 0)
        guard bits >= VerificationKey.shortestModulus else { throw .weak }
        guard bits <= VerificationKey.longestModulus, e.count <= 4 else { throw .tooLarge }
        guard e != [1], !e.isEmpty else { throw .weak }
        guard let last = n.last, let lastOfE = e.last, last & 1 == 1, lastOfE & 1 == 1 else { throw .invalid }
        guard members.has("d", in: text) else { return .rsa(n: n, e: e, secrets: nil) }
        // More than two primes are not taken.
        guard !members.has("oth", in: text) else { throw .unsupported }
        let secrets = RSASecrets(
            d: try members.number("d", in: text), p: try members.number("p", in: text), q: try members.number("q", in: text), dp: try members.number("dp", in: text),
            dq: try members.number("dq", in: text), qi: try members.number("qi", in: text))
        return .rsa(n: n, e: e, secrets: secrets)
    }

    private static func ec(_ curve: Curve, _ members: JSONMembers, in text: Span<UInt8>) throws(KeyFault) -> Material {
        let x = try members.bytes("x", in: text)
        let y = try members.bytes("y", in: text)
        let d = members.has("d", in: text) ? try members.bytes("d", in: text) : nil
        guard x.count == curve.width, y.count == curve.width, d?.count ?? curve.width == curve.width else { throw .badMember }
        return .ec(curve, x: x, y: y, d: d)
    }

    private static func ed25519(_ members: JSONMembers, in text: Span<UInt8>) throws(KeyFault) -> Material {
        let x = try members.bytes("x", in: text)
        let d = members.has("d", in: text) ? try members.bytes("d", in: text) : nil
        guard x.count == 32, d?.count ?? 32 == 32 else { throw .badMember }
        return .ed25519(x: x, d: d)
    }
}
