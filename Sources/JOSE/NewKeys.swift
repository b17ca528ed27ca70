internal import COpenSSL
internal import Contracts
internal import Exchanges

/// Keys made by OpenSSL, or read by it, as the numbers of a JSON Web Key.
enum NewKeys {
    static func numbers(_ algorithm: Algorithm) throws(KeyFault) -> JSONWebKey.Material {
        let key: OpaquePointer?
        switch algorithm {
        case .hs256, .hs384, .hs512:
            var bytes = [UInt8](repeating: 0, count: algorithm.hash?.length ?? 64)
            guard RAND_priv_bytes(&bytes, Int32(bytes.count)) == 1 else { throw EVPKeys.failed(.unavailable) }
            return .secret(bytes)
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: key = nx_make_rsa(VerificationKey.shortestModulus)
        case .es256: key = nx_make_ec("prime256v1")
        case .es384: key = nx_make_ec("secp384r1")
        case .es512: key = nx_make_ec("secp521r1")
        case .edDSA: key = nx_make_ed25519()
        }
        guard let key else { throw EVPKeys.failed(.unavailable) }
        defer { EVP_PKEY_free(key) }
        guard let read = numbers(of: key) else { throw EVPKeys.failed(.unavailable) }
        return read.numbers
    }

    /// - Returns: the numbers, and the algorithm of the key's type and curve.
    static func numbers(pem text: Span<UInt8>) throws(KeyFault) -> (numbers: JSONWebKey.Material, algorithm: Algorithm) {
        guard text.count <= JSONWebKey.limits.bytes else { throw .tooLarge }
        let key = text.withUnsafeBytes { bytes -> OpaquePointer? in
            guard let memory = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
            defer { BIO_free(memory) }
            // Nobody is asked for a password.
            return PEM_read_bio_PrivateKey(memory, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let key else { throw EVPKeys.failed(.malformed) }
        defer { EVP_PKEY_free(key) }
        guard let found = numbers(of: key) else { throw EVPKeys.failed(.unsupported) }
        if case .rsa(let n, let e, _) = found.numbers {
            guard n.count * 8 >= VerificationKey.shortestModulus else { throw .weak }
            guard n.count * 8 <= VerificationKey.longestModulus, e.count <= 4 else { throw .tooLarge }
        }
        return found
    }

    private static func numbers(of key: OpaquePointer) -> (numbers: JSONWebKey.Material, algorithm: Algorithm)? {
        if EVP_PKEY_is_a(key, "RSA") == 1 {
            guard let n = number(key, nx_rsa_n()), let e = number(key, nx_rsa_e()), let d = number(key, nx_rsa_d()),
                let p = number(key, nx_rsa_p()), let q = number(key, nx_rsa_q()), let dp = number(key, nx_rsa_dp()),
                let dq = number(key, nx_rsa_dq()), let qi = number(key, nx_rsa_qi())
            else { return nil }
            return (.rsa(n: n, e: e, secrets: JSONWebKey.RSASecrets(d: d, p: p, q: q, dp: dp, dq: dq, qi: qi)), .rs256)
        }
        if EVP_PKEY_is_a(key, "EC") == 1 {
            for curve in Curve.allCases where isOn(curve, key) {
                guard let x = number(key, nx_ec_x(), width: curve.width), let y = number(key, nx_ec_y(), width: curve.width),
                    let d = number(key, nx_ec_d(), width: curve.width)
                else { return nil }
                return (.ec(curve, x: x, y: y, d: d), curve.algorithm)
            }
            return nil
        }
        guard EVP_PKEY_is_a(key, "ED25519") == 1 else { return nil }
        var x = [UInt8](repeating: 0, count: 32)
        var d = x
        var count = 32
        guard EVP_PKEY_get_raw_public_key(key, &x, &count) == 1, EVP_PKEY_get_raw_private_key(key, &d, &count) == 1 else { return nil }
        return (.ed25519(x: x, d: d), .edDSA)
    }

    private static func isOn(_ curve: Curve, _ key: OpaquePointer) -> Bool {
        var name = [CChar](repeating: 0, count: 32)
        var length = 0
        guard EVP_PKEY_get_group_name(key, &name, name.count, &length) == 1 else { return false }
        return name[..<length].elementsEqual("\(curve.group)".utf8.lazy.map { CChar(bitPattern: $0) })
    }

    /// - Parameter width: bytes to fill; nil = as few as it takes.
    private static func number(_ key: OpaquePointer, _ name: UnsafePointer<CChar>?, width: Int? = nil) -> [UInt8]? {
        var number: OpaquePointer?
        guard EVP_PKEY_get_bn_param(key, name, &number) == 1 else { return nil }
        defer { BN_clear_free(number) }
        let needed = (Int(BN_num_bits(number)) + 7) / 8
        guard width ?? needed >= needed else { return nil }
        var bytes = [UInt8](repeating: 0, count: width ?? needed)
        return BN_bn2binpad(number, &bytes, Int32(bytes.count)) == bytes.count ? bytes : nil
    }
}
