import JOSE

/// Tokens and keys for tests, right and wrong.
enum Minting {
    /// One key an algorithm, made once; all of RSA have the same numbers, which take long to find.
    static let keys: [Algorithm: SigningKey] = {
        var keys: [Algorithm: SigningKey] = [:]
        for algorithm in Algorithm.allCases {
            if AlgorithmSet.rsa.contains(algorithm), let first = keys[.rs256] {
                let jwk = String(decoding: first.privateJWK, as: UTF8.self).replacing("RS256", with: "\(algorithm.name)")
                keys[algorithm] = try? SigningKey(jwk: Array(jwk.utf8).span)
            } else {
                keys[algorithm] = try? SigningKey(new: algorithm, keyID: Array("\(algorithm.name)-1".utf8))
            }
        }
        return keys
    }()

    static func key(_ algorithm: Algorithm) throws -> SigningKey {
        guard let key = keys[algorithm] else { throw KeyFault.unavailable }
        return key
    }

    static func verification(_ algorithm: Algorithm) throws -> VerificationKey {
        try taken(jwk: try key(algorithm).publicJWK)
    }

    static let claims = #"{"iss":"https://issuer.test","sub":"user-1","aud":"shop","exp":2000000000,"roles":["ADMIN"]}"#

    /// A token that is signed well over whatever header and payload.
    static func token(_ header: String, _ payload: String = claims, _ algorithm: Algorithm = .es256) throws -> [UInt8] {
        try key(algorithm).token(header: Array(header.utf8).span, payload: Array(payload.utf8).span)
    }

    /// Parts as they are, dots between them.
    static func join(_ parts: [UInt8]...) -> [UInt8] { Array(parts.joined(separator: [UInt8(ascii: ".")])) }
    static func parts(_ token: [UInt8]) -> [[UInt8]] {
        token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map { Array($0) }
    }

    static func encode(_ text: String) -> [UInt8] { Base64URL.encode(Array(text.utf8).span) }
    static func encode(_ bytes: [UInt8]) -> [UInt8] { Base64URL.encode(bytes.span) }

    // Spans end here: they do not live through the macros of tests.
    static func parsed(_ text: [UInt8]) throws(TokenFault) -> CompactToken { try CompactToken(text.span) }

    static func token(_ key: SigningKey, _ payload: String = claims) throws -> [UInt8] { try key.token(payload: Array(payload.utf8).span) }

    static func taken(jwk text: [UInt8], takesPrivate: Bool = false, prepares: Bool = false) throws(KeyFault) -> VerificationKey {
        try VerificationKey(jwk: text.span, takesSecret: true, takesPrivate: takesPrivate, prepares: prepares)
    }

    static func decode(_ text: [UInt8]) -> [UInt8]? { Base64URL.decode(text.span) }

    /// What is wrong with a text as a token; nil = nothing that needs no key.
    static func fault(_ text: [UInt8]) -> TokenFault? {
        do {
            _ = try CompactToken(text.span)
            return nil
        } catch {
            return error
        }
    }

    /// The same with its signature.
    static func fault(_ text: [UInt8], with key: VerificationKey) -> TokenFault? {
        do {
            try key.verify(try CompactToken(text.span), in: text.span)
            return nil
        } catch {
            return error
        }
    }

    static func fault(_ text: [UInt8], with keys: KeySet) -> TokenFault? {
        do {
            try keys.verify(try CompactToken(text.span), in: text.span)
            return nil
        } catch {
            return error
        }
    }

    static func fault(jwk text: String, takesSecret: Bool = false) -> KeyFault? {
        do {
            _ = try VerificationKey(jwk: Array(text.utf8).span, takesSecret: takesSecret)
            return nil
        } catch {
            return error
        }
    }
}
