internal import COpenSSL
internal import Glibc
import Synchronization

/// The keys that session tickets are sealed with (RFC 5077 section 4, RFC 8446 section 4.6.1): the present
/// one and the one before it. All workers and all generations of a listener share them, so that a ticket
/// is good wherever and after whatever reload it comes back.
///
/// A key lives for one period in use and one more in which its tickets are still opened. It is never
/// written down; a restart forgets it.
public final class TicketKeys: Sendable {
    struct Key: Sendable {
        /// 16 bytes that say in the clear which key it was.
        let name: [UInt8]
        let cipherKey: [UInt8]
        let macKey: [UInt8]

        static func random() -> Key? {
            var bytes = [UInt8](repeating: 0, count: 80)
            guard RAND_priv_bytes(&bytes, 80) == 1 else { return nil }
            return Key(name: Array(bytes[..<16]), cipherKey: Array(bytes[16..<48]), macKey: Array(bytes[48...]))
        }
    }

    private struct State {
        var present: Key?
        var previous: Key?
        var changesAt: UInt64 = 0
        /// Seconds.
        var period: UInt64 = 43_200
    }

    private let state = Mutex(State())
    private let clock: @Sendable () -> UInt64

    /// - Parameter clock: seconds that never step back.
    public init(clock: @escaping @Sendable () -> UInt64 = TicketKeys.uptime) { self.clock = clock }

    /// Seconds since the machine started.
    public static let uptime: @Sendable () -> UInt64 = {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec)
    }

    /// How often the key changes, in seconds; a reload may move it.
    func setPeriod(_ seconds: UInt64) {
        state.withLock { state in
            let now = clock()
            state.period = max(1, seconds)
            state.changesAt = min(state.changesAt, now + state.period)
        }
    }

    /// The key to seal with. Nil when the system has no random bytes: then there is no ticket.
    func present() -> Key? { state.withLock { turn(&$0).present } }

    /// The key of this name, and whether it is the one in use.
    func find(_ name: UnsafeBufferPointer<UInt8>) -> (key: Key, isPresent: Bool)? {
        state.withLock { state in
            let now = turn(&state)
            if let key = now.present, key.name.elementsEqual(name) { return (key, true) }
            if let key = now.previous, key.name.elementsEqual(name) { return (key, false) }
            return nil
        }
    }

    private func turn(_ state: inout State) -> State {
        let now = clock()
        if state.present == nil || now >= state.changesAt {
            // Nobody came for a whole period: the tickets of the key before are too old as well.
            let stale = state.present != nil && now >= state.changesAt + state.period
            state.previous = stale ? nil : state.present
            state.present = Key.random()
            state.changesAt = now + state.period
        }
        return state
    }
}

/// The ticket keys of every listener, kept over reloads.
public final class TicketVault: Sendable {
    private let keys = Mutex<[String: TicketKeys]>([:])

    public init() {}

    func keys(of name: String) -> TicketKeys {
        keys.withLock { all in
            let found = all[name] ?? TicketKeys()
            all[name] = found
            return found
        }
    }
}

/// What OpenSSL asks when it seals or opens a ticket: AES-256 in CBC mode and HMAC with SHA-256, the
/// construction recommended by RFC 5077 section 4.
enum TicketSealing {
    // Fetched once; OpenSSL counts references to it atomically and never changes it.
    private nonisolated(unsafe) static let cipher = EVP_CIPHER_fetch(nil, "AES-256-CBC", nil)

    /// - Returns: as OpenSSL wants it: 1 = fine, 2 = fine but make a new one, 0 = no such key, -1 = failed.
    static func run(
        _ keys: TicketKeys, name: UnsafeMutablePointer<UInt8>, iv: UnsafeMutablePointer<UInt8>, cipher context: OpaquePointer,
        mac: OpaquePointer, sealing: Bool
    ) -> Int32 {
        let key: TicketKeys.Key
        var result: Int32 = 1
        if sealing {
            guard let present = keys.present(), RAND_bytes(iv, 16) == 1 else { return -1 }
            key = present
            name.update(from: key.name, count: 16)
        } else {
            guard let found = keys.find(UnsafeBufferPointer(start: name, count: 16)) else { return 0 }
            key = found.key
            if !found.isPresent { result = 2 }
        }
        guard EVP_CipherInit_ex(context, cipher, nil, key.cipherKey, iv, sealing ? 1 : 0) == 1 else { return -1 }
        var macKey = key.macKey
        var digest = Array("SHA256".utf8CString)
        let done = macKey.withUnsafeMutableBytes { macBytes in
            digest.withUnsafeMutableBufferPointer { digestName in
                let parameters = [
                    OSSL_PARAM_construct_octet_string(nx_mac_key(), macBytes.baseAddress, macBytes.count),
                    OSSL_PARAM_construct_utf8_string(nx_mac_digest(), digestName.baseAddress, 0),
                    OSSL_PARAM_construct_end(),
                ]
                return EVP_MAC_CTX_set_params(mac, parameters)
            }
        }
        return done == 1 ? result : -1
    }
}
