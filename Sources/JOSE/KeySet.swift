internal import Contracts
internal import Exchanges

/// Why a document is no set of keys. Safe to log: no text of the document is in it.
public struct KeySetFault: Error, Sendable, Equatable {
    public let text: String
}

/// The keys of an issuer (RFC 7517 section 5).
public struct KeySet: Sendable {
    /// Bytes of the document.
    public static let longest = 256 * 1024
    /// Keys in it.
    public static let most = 256
    /// Keys on P-256 that get a table of their multiples (150 KiB); the others cost more each time.
    public static let prepared = 8
    /// Keys that one token is tried with: without `kid`, or when several keys share one.
    public static let tried = 4

    public let keys: [VerificationKey]
    /// Keys that are not used, and why: of another type, for encryption, private, too weak …
    public let skipped: [KeyFault]

    /// Reads a JWKS. Keys that cannot be used are skipped (RFC 7517 section 5); no key at all is no error.
    /// - Parameter takesSecrets: shared secrets (`oct`) are fine: the document is a file of ours.
    public init(_ text: Span<UInt8>, takesSecrets: Bool = false) throws(KeySetFault) {
        let tape: JSONTape
        do {
            tape = try JSONTape(text, limits: JSONLimits(bytes: KeySet.longest, depth: 16, values: 64 * KeySet.most))
        } catch {
            throw KeySetFault(text: "the key set is not JSON: \(error.reason.text) (byte \(error.offset))")
        }
        guard tape[0].kind == .object else { throw KeySetFault(text: "the key set is not a JSON object") }
        guard let array = tape.member("keys", of: 0, in: text), tape[array].kind == .array else {
            throw KeySetFault(text: "the key set has no array 'keys'")
        }
        var keys: [VerificationKey] = []
        var skipped: [KeyFault] = []
        var at = array + 1
        while at < tape.next(array) {
            guard keys.count + skipped.count < KeySet.most else { throw KeySetFault(text: "the key set has more than \(KeySet.most) keys") }
            do {
                let key = try JSONWebKey(JSONMembers(tape: tape, object: at), in: text)
                // What RSA needs is small and made at once.
                let isSmall = !key.algorithms.isDisjoint(with: .rsa)
                let isEarly = keys.count(where: { $0.algorithms.contains(.es256) }) < KeySet.prepared
                keys.append(try VerificationKey(key, takesSecret: takesSecrets, takesPrivate: false, prepares: isSmall || isEarly))
            } catch {
                skipped.append(error)
            }
            at = tape.next(at)
        }
        self.keys = keys
        self.skipped = skipped
    }

    public init(_ keys: [VerificationKey]) {
        self.keys = keys
        skipped = []
    }

    /// Is there a key of this id, for whatever algorithm?
    public func has(keyID: [UInt8]) -> Bool { keys.contains { $0.keyID == keyID } }

    /// Checks a token's signature with the key it names.
    /// - Parameter text: what the token was read from.
    /// - Returns: the key that it holds with. Throws `unknownKey` when newer keys might help.
    @discardableResult
    public func verify(_ token: CompactToken, in text: Span<UInt8>) throws(TokenFault) -> VerificationKey {
        let input = text.extracting(token.signingInput.range)
        // Those of this `kid` when the token has one, else all; in the document's order.
        var tried = 0
        for key in keys where key.algorithms.contains(token.algorithm) && (token.keyID == nil || key.keyID == token.keyID) {
            if key.verifies(token.signature.span, of: input, by: token.algorithm) { return key }
            tried += 1
            if tried == KeySet.tried { break }
        }
        guard tried == 0 else { throw .badSignature }
        if let id = token.keyID, has(keyID: id) { throw .wrongAlgorithm }
        throw .unknownKey
    }
}
