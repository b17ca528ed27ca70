internal import COpenSSL
internal import Exchanges
internal import Synchronization

/// An RSA key with exponent 65537 and what RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2) needs of it ready: Montgomery's
/// numbers of the modulus, and the encoded message of each hash but for the digest. A check is eighteen
/// multiplications and one comparison: 12 µs at 2048 bits instead of OpenSSL's 15, for its way through a provider, a
/// window made for any exponent and an encoding made anew is not gone.
///
/// Nothing of the message is parsed: the number a signature stands for has to be the encoded message, all of it. Only
/// public numbers are involved, so nothing needs to take constant time.
final class PreparedModulus: Sendable {
    /// The numbers one check works with, kept for the next.
    private struct Scratch: @unchecked Sendable {
        // Handed from thread to thread under the pool's lock; whoever has taken it is alone with it.
        let context: OpaquePointer
        let signature: OpaquePointer
        let power: OpaquePointer
        let message: OpaquePointer

        init?() {
            guard let context = BN_CTX_new() else { return nil }
            // Never ended: the numbers go with their context.
            BN_CTX_start(context)
            guard let signature = BN_CTX_get(context), let power = BN_CTX_get(context), let message = BN_CTX_get(context) else {
                BN_CTX_free(context)
                return nil
            }
            self.context = context
            self.signature = signature
            self.power = power
            self.message = message
        }
    }

    /// More threads than this at once make numbers of their own.
    private static let kept = 16
    private static let exponent: [UInt8] = [1, 0, 1]

    // Never changed after init, and only read by what multiplies with them: OpenSSL's own RSA shares them between
    // threads in the same way.
    private nonisolated(unsafe) let modulus: OpaquePointer
    private nonisolated(unsafe) let montgomery: OpaquePointer
    /// By hash: the encoded message with zeros for a digest. Nil where the modulus is too short for one.
    private nonisolated(unsafe) let messages: [OpaquePointer?]
    private let length: Int
    private let idle = Mutex<[Scratch]>([])

    /// Nil for another exponent, and when OpenSSL cannot; then the key is used without.
    /// - Parameters: big-endian, without zeros before them. They have to have been checked.
    init?(n: [UInt8], e: [UInt8]) {
        guard e == Self.exponent, let last = n.last, last & 1 == 1, let scratch = BN_CTX_new() else { return nil }
        defer { BN_CTX_free(scratch) }
        guard let modulus = BN_bin2bn(n, Int32(n.count), nil), let montgomery = BN_MONT_CTX_new() else {
            ERR_clear_error()
            return nil
        }
        self.modulus = modulus
        self.montgomery = montgomery
        length = n.count
        messages = Hash.allCases.map { hash in
            guard let message = Self.encodedMessage(hash, length: n.count) else { return nil }
            return BN_bin2bn(message, Int32(message.count), nil)
        }
        guard BN_MONT_CTX_set(montgomery, modulus, scratch) == 1 else {
            ERR_clear_error()
            return nil
        }
    }

    deinit {
        idle.withLock { idle in for scratch in idle { BN_CTX_free(scratch.context) } }
        for message in messages { BN_free(message) }
        BN_MONT_CTX_free(montgomery)
        BN_free(modulus)
    }

    /// - Parameters:
    ///   - signature: as long as the modulus.
    ///   - digest: of what was signed, by `hash`.
    func verifies(_ signature: Span<UInt8>, ofDigest digest: Span<UInt8>, _ hash: Hash) -> Bool {
        guard signature.count == length, digest.count == hash.length, let message = messages[Int(hash.rawValue)],
            let scratch = idle.withLock({ $0.popLast() }) ?? Scratch()
        else { return false }
        let isGood = holds(signature, digest, message, scratch)
        if !isGood { ERR_clear_error() }
        let isKept = idle.withLock { idle in
            guard idle.count < Self.kept else { return false }
            idle.append(scratch)
            return true
        }
        if !isKept { BN_CTX_free(scratch.context) }
        return isGood
    }

    /// Is the signature's number to the power of 65537 the message?
    private func holds(_ signature: Span<UInt8>, _ digest: Span<UInt8>, _ message: OpaquePointer, _ scratch: Scratch) -> Bool {
        let (s, power, context) = (scratch.signature, scratch.power, scratch.context)
        guard read(signature, s), BN_cmp(s, modulus) < 0, BN_to_montgomery(power, s, montgomery, context) == 1 else { return false }
        // s to the power of 2^16, times Montgomery's factor: the last multiplication by s takes that away.
        for _ in 0..<16 {
            guard BN_mod_mul_montgomery(power, power, power, montgomery, context) == 1 else { return false }
        }
        guard BN_mod_mul_montgomery(power, power, s, montgomery, context) == 1, read(digest, scratch.message),
            BN_add(scratch.message, scratch.message, message) == 1
        else { return false }
        return BN_cmp(power, scratch.message) == 0
    }

    private func read(_ bytes: Span<UInt8>, _ number: OpaquePointer) -> Bool {
        bytes.withUnsafeBufferPointer { BN_bin2bn($0.baseAddress, Int32($0.count), number) } != nil
    }

    /// RFC 8017 section 9.2: 00 01 FF … FF 00, the DER of a DigestInfo, and here zeros for its digest.
    static func encodedMessage(_ hash: Hash, length: Int) -> [UInt8]? {
        let end = hash.digestInfo + [UInt8](repeating: 0, count: hash.length)
        guard length >= end.count + 11 else { return nil }
        return [0, 1] + [UInt8](repeating: 0xff, count: length - end.count - 3) + [0] + end
    }
}

extension Hash {
    /// What stands before the digest in a DigestInfo (RFC 8017 section 9.2, note 1).
    var digestInfo: [UInt8] {
        // Of `2.16.840.1.101.3.4.2.x` the last number tells the hashes apart.
        let number: UInt8 =
            switch self {
            case .sha256: 1
            case .sha384: 2
            case .sha512: 3
            }
        let count = UInt8(length)
        return [0x30, 17 + count, 0x30, 13, 0x06, 9, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, number, 0x05, 0, 0x04, count]
    }
}
