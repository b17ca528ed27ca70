internal import COpenSSL
internal import Exchanges

/// The private half of an asymmetric key of OpenSSL's.
final class PrivateKey: Sendable {
    // Freed in deinit; counted atomically by OpenSSL, and never changed after init.
    private nonisolated(unsafe) let key: OpaquePointer

    /// Takes over the caller's reference.
    init(owning key: OpaquePointer) { self.key = key }

    deinit { EVP_PKEY_free(key) }

    /// As a token carries it; nil when OpenSSL fails.
    func signature(of input: Span<UInt8>, _ algorithm: Algorithm) -> [UInt8]? {
        guard let hash = algorithm.hash else { return edDSA(input) }
        guard let digest = hash.digest(of: input), let context = EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return nil }
        defer { EVP_PKEY_CTX_free(context) }
        var length = 0
        guard EVP_PKEY_sign_init(context) == 1, SignatureRules.apply(algorithm, to: context),
            EVP_PKEY_sign(context, nil, &length, digest, digest.count) == 1
        else { return failed() }
        var signature = [UInt8](repeating: 0, count: length)
        guard EVP_PKEY_sign(context, &signature, &length, digest, digest.count) == 1 else { return failed() }
        signature.removeLast(signature.count - length)
        guard let curve = Curve(algorithm) else { return signature }
        return ECDSASignature.raw(ofDER: signature.span, width: curve.width)
    }

    private func edDSA(_ input: Span<UInt8>) -> [UInt8]? {
        guard let context = EVP_MD_CTX_new() else { return nil }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestSignInit(context, nil, nil, nil, key) == 1 else { return failed() }
        var signature = [UInt8](repeating: 0, count: 64)
        var length = signature.count
        let done = input.withUnsafeBufferPointer { input in
            EVP_DigestSign(context, &signature, &length, input.baseAddress, input.count)
        }
        return done == 1 && length == 64 ? signature : failed()
    }

    /// Empties the thread's queue of errors, which others read.
    private func failed() -> [UInt8]? {
        ERR_clear_error()
        return nil
    }
}
