internal import COpenSSL

/// What every context has in common: versions, suites and habits (RFC 9325 sections 3 and 4).
enum TLSRules {
    private static let suites13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    /// Forward secrecy and authenticated encryption only.
    private static let suites12 =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    private static let groups = "X25519:P-256:P-384"

    /// Certificates in a chain, the peer's own not counted.
    private static let depth: Int32 = 8

    static func apply(_ profile: TLSProfile, to context: OpaquePointer) -> Bool {
        // Buffers go back between records: an idle connection keeps none. A write may take a part, and
        // come again from another place.
        nx_ssl_ctx_set_mode(
            context, Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        // A read comes back after each record without data, so that a flood of them can be counted.
        nx_ssl_ctx_clear_mode(context, Int(SSL_MODE_AUTO_RETRY))
        nx_ssl_ctx_set_read_ahead(context, 1)
        SSL_CTX_set_options(
            context, NX_OP_NO_RENEGOTIATION | NX_OP_NO_COMPRESSION | NX_OP_SERVER_PREFERENCE | NX_OP_PRIORITIZE_CHACHA)
        SSL_CTX_set_security_level(context, 2)
        SSL_CTX_set_verify_depth(context, depth)
        return nx_ssl_ctx_set_versions(context, profile == .modern ? TLS1_3_VERSION : TLS1_2_VERSION, TLS1_3_VERSION) == 1
            && SSL_CTX_set_cipher_list(context, suites12) == 1 && SSL_CTX_set_ciphersuites(context, suites13) == 1
            && nx_ssl_ctx_set_groups(context, groups) == 1
    }

    /// The form ALPN has on the wire: each name behind its length.
    static func wireForm(_ names: [TLSProtocolName]) -> [UInt8] {
        names.flatMap { name in [UInt8(name.rawValue.utf8.count)] + Array(name.rawValue.utf8) }
    }
}
