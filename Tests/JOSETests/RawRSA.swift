import COpenSSL
import JOSE

/// An RSA key that signs whatever it is told to, as no signer would: the number itself, without any encoding.
final class RawRSA: Sendable {
    // Never changed after init; each signature has a context of its own.
    private nonisolated(unsafe) let key: OpaquePointer
    let modulus: [UInt8]
    let exponent: [UInt8]

    init?(bits: Int, exponent: UInt = 65537) {
        guard let context = EVP_PKEY_CTX_new_from_name(nil, "RSA", nil), let number = BN_new() else { return nil }
        defer {
            EVP_PKEY_CTX_free(context)
            BN_free(number)
        }
        var key: OpaquePointer?
        guard BN_set_word(number, exponent) == 1, EVP_PKEY_keygen_init(context) == 1,
            EVP_PKEY_CTX_set_rsa_keygen_bits(context, Int32(bits)) == 1, EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, number) == 1,
            EVP_PKEY_generate(context, &key) == 1, let key, let n = Self.number(key, nx_rsa_n()), let e = Self.number(key, nx_rsa_e())
        else { return nil }
        self.key = key
        modulus = n
        self.exponent = e
    }

    deinit { EVP_PKEY_free(key) }

    private static func number(_ key: OpaquePointer, _ name: UnsafePointer<CChar>?) -> [UInt8]? {
        var number: OpaquePointer?
        guard EVP_PKEY_get_bn_param(key, name, &number) == 1 else { return nil }
        defer { BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: (Int(BN_num_bits(number)) + 7) / 8)
        return BN_bn2bin(number, &bytes) == bytes.count ? bytes : nil
    }

    /// Of no algorithm, so for all of RSA.
    var jwk: [UInt8] {
        func text(_ bytes: [UInt8]) -> String { String(decoding: Base64URL.encode(bytes.span), as: UTF8.self) }
        return Array(#"{"kty":"RSA","n":"\#(text(modulus))","e":"\#(text(exponent))"}"#.utf8)
    }

    /// `message` to the power of the private exponent; nil when it is not below the modulus.
    func sign(_ message: [UInt8]) -> [UInt8]? {
        guard let context = EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else { return nil }
        defer {
            EVP_PKEY_CTX_free(context)
            ERR_clear_error()
        }
        var signature = [UInt8](repeating: 0, count: modulus.count)
        var length = signature.count
        guard EVP_PKEY_sign_init(context) == 1, EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1,
            EVP_PKEY_sign(context, &signature, &length, message, message.count) == 1
        else { return nil }
        return signature
    }

    /// SHA-2, by its bits.
    static func digest(_ input: [UInt8], bits: Int) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: bits / 8)
        EVP_Digest(input, input.count, &digest, nil, bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : EVP_sha512(), nil)
        return digest
    }
}

/// Arithmetic of schoolbooks on big-endian numbers, for signatures next to the modulus.
extension [UInt8] {
    /// One more or less, modulo the width.
    func stepped(by step: Int) -> [UInt8] {
        var result = self
        for i in indices.reversed() {
            result[i] = UInt8(truncatingIfNeeded: Int(result[i]) + step)
            if step > 0 ? result[i] != 0 : result[i] != 255 { break }
        }
        return result
    }

    /// The difference of two of one width, modulo it.
    func minus(_ other: [UInt8]) -> [UInt8] {
        var result = self
        var borrow = 0
        for i in indices.reversed() {
            let difference = Int(self[i]) - Int(other[i]) - borrow
            borrow = difference < 0 ? 1 : 0
            result[i] = UInt8(truncatingIfNeeded: difference)
        }
        return result
    }
}
