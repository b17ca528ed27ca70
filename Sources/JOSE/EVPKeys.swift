internal import COpenSSL
internal import Exchanges

/// Numbers made into keys of OpenSSL's. Whoever gets one owns the reference.
enum EVPKeys {
    static func make(_ material: JSONWebKey.Material, withPrivate: Bool) throws(KeyFault) -> OpaquePointer {
        switch material {
        case .rsa(let n, let e, let secrets): return try rsa(n, e, withPrivate ? secrets : nil)
        case .ec(let curve, let x, let y, let d): return try ec(curve, x, y, withPrivate ? d : nil)
        case .ed25519(let x, let d):
            let key =
                if withPrivate, let d {
                    EVP_PKEY_new_raw_private_key(NX_ED25519, nil, d, d.count)
                } else {
                    EVP_PKEY_new_raw_public_key(NX_ED25519, nil, x, x.count)
                }
            guard let key else { throw failed(.invalid) }
            return key
        case .secret: throw .unsupported
        }
    }

    private static func rsa(_ n: [UInt8], _ e: [UInt8], _ secrets: JSONWebKey.RSASecrets?) throws(KeyFault) -> OpaquePointer {
        let numbers = Parameters()
        numbers.add(nx_rsa_n(), n)
        numbers.add(nx_rsa_e(), e)
        if let secrets {
            numbers.add(nx_rsa_d(), secrets.d)
            numbers.add(nx_rsa_p(), secrets.p)
            numbers.add(nx_rsa_q(), secrets.q)
            numbers.add(nx_rsa_dp(), secrets.dp)
            numbers.add(nx_rsa_dq(), secrets.dq)
            numbers.add(nx_rsa_qi(), secrets.qi)
        }
        let key = try numbers.make("RSA", isPrivate: secrets != nil)
        // OpenSSL's check of a modulus alone is a test for primes, some 60 ms at 8192 bits: a set of keys from
        // elsewhere could cost seconds. Who publishes a modulus that is no product of two primes harms himself.
        return secrets == nil ? key : try check(key, isPrivate: true)
    }

    private static func ec(_ curve: Curve, _ x: [UInt8], _ y: [UInt8], _ d: [UInt8]?) throws(KeyFault) -> OpaquePointer {
        let numbers = Parameters()
        numbers.add(nx_ec_group(), text: curve.group)
        // Uncompressed (SEC 1 section 2.3.3): infinity has no such form, and OpenSSL refuses what is not on the curve.
        numbers.add(nx_ec_point(), bytes: [4] + x + y)
        if let d { numbers.add(nx_ec_d(), d) }
        return try check(try numbers.make("EC", isPrivate: d != nil), isPrivate: d != nil)
    }

    /// Empties the thread's queue of errors, which others read.
    static func failed(_ fault: KeyFault) -> KeyFault {
        ERR_clear_error()
        return fault
    }

    /// A list of named numbers for OpenSSL to make a key of. It keeps pointers to what is added, so that stays.
    private final class Parameters {
        private let list = OSSL_PARAM_BLD_new()
        private var numbers: [OpaquePointer?] = []
        private var texts: [UnsafeMutableBufferPointer<UInt8>] = []
        private var isComplete = true

        deinit {
            OSSL_PARAM_BLD_free(list)
            for number in numbers { BN_clear_free(number) }
            for text in texts { text.deallocate() }
        }

        /// - Parameter name: a constant of C.
        func add(_ name: UnsafePointer<CChar>?, _ bytes: [UInt8]) {
            let number = BN_bin2bn(bytes, Int32(bytes.count), nil)
            numbers.append(number)
            note(number != nil && OSSL_PARAM_BLD_push_BN(list, name, number) == 1)
        }

        func add(_ name: UnsafePointer<CChar>?, text: StaticString) {
            let copy = keep(Array("\(text)".utf8))
            copy.withMemoryRebound(to: CChar.self) { copy in
                note(OSSL_PARAM_BLD_push_utf8_string(list, name, copy.baseAddress, copy.count) == 1)
            }
        }

        func add(_ name: UnsafePointer<CChar>?, bytes: [UInt8]) {
            let copy = keep(bytes)
            note(OSSL_PARAM_BLD_push_octet_string(list, name, copy.baseAddress, copy.count) == 1)
        }

        private func keep(_ bytes: [UInt8]) -> UnsafeMutableBufferPointer<UInt8> {
            let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
            _ = copy.initialize(from: bytes)
            texts.append(copy)
            return copy
        }

        private func note(_ isAdded: Bool) { isComplete = isComplete && isAdded }

        func make(_ type: String, isPrivate: Bool) throws(KeyFault) -> OpaquePointer {
            guard isComplete, let parameters = OSSL_PARAM_BLD_to_param(list) else { throw EVPKeys.failed(.unavailable) }
            defer { OSSL_PARAM_free(parameters) }
            guard let context = EVP_PKEY_CTX_new_from_name(nil, type, nil) else { throw EVPKeys.failed(.unavailable) }
            defer { EVP_PKEY_CTX_free(context) }
            var key: OpaquePointer?
            guard EVP_PKEY_fromdata_init(context) == 1,
                EVP_PKEY_fromdata(context, &key, isPrivate ? NX_WHOLE_KEY : NX_PUBLIC_KEY, parameters) == 1, let key
            else { throw EVPKeys.failed(.invalid) }
            return key
        }
    }

    /// Is it a key at all? Points: on the curve and of its order. Private halves: of this public one.
    private static func check(_ key: OpaquePointer, isPrivate: Bool) throws(KeyFault) -> OpaquePointer {
        guard let check = EVP_PKEY_CTX_new_from_pkey(nil, key, nil) else {
            EVP_PKEY_free(key)
            throw failed(.unavailable)
        }
        defer { EVP_PKEY_CTX_free(check) }
        guard EVP_PKEY_public_check(check) == 1, !isPrivate || EVP_PKEY_pairwise_check(check) == 1 else {
            EVP_PKEY_free(key)
            throw failed(.invalid)
        }
        return key
    }
}
