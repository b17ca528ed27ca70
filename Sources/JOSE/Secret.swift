internal import COpenSSL
internal import Exchanges
internal import Synchronization

/// A shared secret and its HMAC.
final class Secret: Sendable {
    /// An HMAC with the key in it.
    private struct Context: @unchecked Sendable {
        // Handed from thread to thread under the pool's lock; whoever has taken it is alone with it.
        let pointer: OpaquePointer
        let hash: Hash
    }

    private static let kept = 16
    // Fetched once; OpenSSL counts references to it atomically and never changes it.
    private nonisolated(unsafe) static let hmac = EVP_MAC_fetch(nil, "HMAC", nil)

    // A copy of its own, wiped and freed in deinit and never changed before.
    private nonisolated(unsafe) let bytes: UnsafeMutableBufferPointer<UInt8>
    private let idle = Mutex<[Context]>([])

    init(_ bytes: [UInt8]) {
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = copy.initialize(from: bytes)
        self.bytes = copy
    }

    deinit {
        idle.withLock { contexts in for context in contexts { EVP_MAC_CTX_free(context.pointer) } }
        OPENSSL_cleanse(bytes.baseAddress, bytes.count)
        bytes.deallocate()
    }

    /// The code of `input`; nil when OpenSSL fails.
    func code(of input: Span<UInt8>, _ hash: Hash) -> [UInt8]? {
        guard let context = take(hash) else { return nil }
        var code = [UInt8](repeating: 0, count: hash.length)
        var length = 0
        // Without a key: begins anew with the one it has.
        let isDone =
            EVP_MAC_init(context.pointer, nil, 0, nil) == 1
            && input.withUnsafeBufferPointer { EVP_MAC_update(context.pointer, $0.baseAddress, $0.count) } == 1
            && EVP_MAC_final(context.pointer, &code, &length, code.count) == 1 && length == code.count
        guard isDone else {
            EVP_MAC_CTX_free(context.pointer)
            ERR_clear_error()
            return nil
        }
        putBack(context)
        return code
    }

    /// Compared in constant time.
    func verifies(_ signature: Span<UInt8>, of input: Span<UInt8>, _ hash: Hash) -> Bool {
        guard signature.count == hash.length, let code = code(of: input, hash) else { return false }
        return signature.withUnsafeBytes { CRYPTO_memcmp($0.baseAddress, code, code.count) } == 0
    }

    private func take(_ hash: Hash) -> Context? {
        let found = idle.withLock { contexts -> Context? in
            guard let at = contexts.lastIndex(where: { $0.hash == hash }) else { return nil }
            return contexts.remove(at: at)
        }
        return found ?? make(hash)
    }

    private func putBack(_ context: Context) {
        let isKept = idle.withLock { contexts in
            guard contexts.count < Secret.kept else { return false }
            contexts.append(context)
            return true
        }
        if !isKept { EVP_MAC_CTX_free(context.pointer) }
    }

    private func make(_ hash: Hash) -> Context? {
        guard let pointer = EVP_MAC_CTX_new(Secret.hmac) else { return nil }
        var name = Array("\(hash.name)".utf8CString)
        let isSet = name.withUnsafeMutableBufferPointer { name in
            var parameters = [
                OSSL_PARAM_construct_utf8_string(nx_mac_digest(), name.baseAddress, 0), OSSL_PARAM_construct_end(),
            ]
            return EVP_MAC_init(pointer, bytes.baseAddress, bytes.count, &parameters) == 1
        }
        guard isSet else {
            EVP_MAC_CTX_free(pointer)
            ERR_clear_error()
            return nil
        }
        return Context(pointer: pointer, hash: hash)
    }
}
