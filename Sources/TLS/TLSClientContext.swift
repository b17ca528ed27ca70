internal import COpenSSL

/// What the TLS towards a cluster is made of.
public struct TLSClientOptions: Sendable {
    /// Check the certificate and its name; false trusts anybody.
    public var verify = true
    /// PEM; nil = the system's authorities.
    public var authorities: String?
    /// Ours, for servers that ask.
    public var certificate: TLSCertificateFiles?
    public var profile = TLSProfile.intermediate
    /// What we offer by ALPN.
    public var protocols = [TLSProtocolName.http11]

    public init() {}
}

/// Whom a connection is meant for.
public enum TLSServerName: Sendable, Equatable {
    /// Asked for by SNI and checked against the certificate's DNS names.
    case dns(String)
    /// An address, 4 or 16 bytes: no SNI (RFC 6066 section 3), checked against the certificate's addresses.
    case address([UInt8])
}

/// One cluster's TLS in one generation. Made once from files, then never changed.
///
/// @unchecked Sendable: its only state is an `SSL_CTX` that is constant after `init` and may be used from
/// any thread (OpenSSL counts its references atomically).
public final class TLSClientContext: @unchecked Sendable {
    private let context: OpaquePointer

    public init(_ options: TLSClientOptions) throws(TLSFileError) {
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw TLSFileError(file: .none, message: TLSFiles.reason())
        }
        do throws(TLSFileError) {
            guard TLSRules.apply(options.profile, to: context) else {
                throw TLSFileError(file: .none, message: "OpenSSL refuses the rules for TLS: \(TLSFiles.reason())")
            }
            nx_ssl_ctx_set_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
            if options.verify {
                try TLSFiles.trust(options.authorities, context)
                SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            } else {
                SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
            }
            if let certificate = options.certificate { try TLSFiles.load(certificate, number: 0, into: context) }
            let protocols = TLSRules.wireForm(options.protocols)
            // The one call of OpenSSL that says 0 when all is well.
            guard protocols.isEmpty || SSL_CTX_set_alpn_protos(context, protocols, UInt32(protocols.count)) == 0 else {
                throw TLSFileError(file: .none, message: TLSFiles.reason())
            }
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        self.context = context
    }

    deinit { SSL_CTX_free(context) }

    /// A layer that will open a handshake with `name` on this socket. Nil when memory ran out, or the name
    /// cannot be one.
    public func connect(_ descriptor: Int32, to name: TLSServerName) -> TLSLayer? {
        guard let ssl = SSL_new(context) else { return nil }
        guard expect(name, ssl) else {
            SSL_free(ssl)
            return nil
        }
        SSL_set_connect_state(ssl)
        return TLSLayer(ssl: ssl, descriptor: descriptor, context: self)
    }

    /// RFC 9525: subjectAltName alone, a wildcard is one whole label.
    private func expect(_ name: TLSServerName, _ ssl: OpaquePointer) -> Bool {
        SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        switch name {
        case .dns(let host): return nx_ssl_set_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1
        case .address(let bytes): return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), bytes, bytes.count) == 1
        }
    }
}
