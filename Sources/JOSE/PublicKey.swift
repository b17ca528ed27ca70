internal import COpenSSL
internal import Exchanges
internal import Synchronization

/// An asymmetric key of OpenSSL's, with what checking a signature needs kept ready.
///
/// Setting up a check costs OpenSSL several lookups and allocations. So a
/// context that was set up goes back to a small pool, and the next check of whatever thread takes it: a context is
/// used by one thread at a time, while the key itself is shared (OpenSSL allows that for what only reads it).
final class PublicKey: Sendable {
    /// A check that is set up.
    private struct Context: @unchecked Sendable {
        // Handed from thread to thread under the pool's lock; whoever has taken it is alone with it.
        let pointer: OpaquePointer
        let algorithm: Algorithm
    }

    /// More threads than this at once make contexts of their own.
    private static let kept = 16

    // Freed in deinit; counted atomically by OpenSSL, and never changed after init.
    private nonisolated(unsafe) let key: OpaquePointer
    private let idle = Mutex<[Context]>([])

    /// Takes over the caller's reference.
    init(owning key: OpaquePointer) { self.key = key }

    deinit {
        idle.withLock { contexts in for context in contexts { EVP_PKEY_CTX_free(context.pointer) } }
        EVP_PKEY_free(key)
    }

    /// RSA and ECDSA: `signature` as OpenSSL expects it (ECDSA: DER).
    func verifies(_ signature: Span<UInt8>, ofDigest digest: Span<UInt8>, by algorithm: Algorithm) -> Bool {
        guard let context = take(algorithm) else { return false }
        let result = signature.withUnsafeBufferPointer { signature in
            digest.withUnsafeBufferPointer { digest in
                EVP_PKEY_verify(context.pointer, signature.baseAddress, signature.count, digest.baseAddress, digest.count)
            }
        }
        // The queue of errors is the thread's, and TLS on the same thread reads it.
        if result != 1 { ERR_clear_error() }
        putBack(context)
        return result == 1
    }

    /// Ed25519: over the input itself.
    func verifiesEdDSA(_ signature: Span<UInt8>, of input: Span<UInt8>) -> Bool {
        guard let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        guard EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1 else {
            ERR_clear_error()
            return false
        }
        let result = signature.withUnsafeBufferPointer { signature in
            input.withUnsafeBufferPointer { input in
                EVP_DigestVerify(context, signature.baseAddress, signature.count, input.baseAddress, input.count)
            }
        }
        if result != 1 { ERR_clear_error() }
        return result == 1
    }

    private func take(_ algorithm: Algorithm) -> Context? {
        let found = idle.withLock { contexts -> Context? in
            guard let at = contexts.lastIndex(where: { $0.algorithm == algorithm }) else { return nil }
            return contexts.remove(at: at)
        }
        return found ?? make(algorithm)
    }

    private func putBack(_ context: Context) {
        let isKept = idle.withLock { contexts in
            guard contexts.count < PublicKey.kept else { return false }
            contexts.append(context)
            return true
        }
        if !isKept { EVP_PKEY_CTX_free(context.pointer) }
    }

    private func make(_ algorithm: Algorithm) -> Context? {
        guard let pointer = EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return nil }
        guard EVP_PKEY_verify_init(pointer) == 1, SignatureRules.apply(algorithm, to: pointer) else {
            EVP_PKEY_CTX_free(pointer)
            ERR_clear_error()
            return nil
        }
        return Context(pointer: pointer, algorithm: algorithm)
    }
}

/// What an algorithm demands of a signature (RFC 7518 sections 3.3 to 3.5).
enum SignatureRules {
    /// - Parameter context: initialised to sign or to verify a digest.
    static func apply(_ algorithm: Algorithm, to context: OpaquePointer) -> Bool {
        guard let hash = algorithm.hash?.implementation, EVP_PKEY_CTX_set_signature_md(context, hash) == 1 else { return false }
        switch algorithm {
        case .rs256, .rs384, .rs512: return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
        case .ps256, .ps384, .ps512:
            // The salt is exactly as long as the hash, and MGF1 uses the same hash.
            return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
                && EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash) == 1
                && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1
        default: return true
        }
    }
}
