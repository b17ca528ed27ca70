internal import COpenSSL

/// What a listener's TLS is made of.
public struct TLSServerOptions: Sendable {
    public enum ClientCertificates: String, Sendable, CaseIterable { case off, optional, required }

    /// The first answers when no name matches; the others are chosen by their names. At least one.
    public var certificates: [TLSCertificateFiles]
    public var profile = TLSProfile.intermediate
    /// What we speak, best first.
    public var protocols = [TLSProtocolName.http11]
    public var clientCertificates = ClientCertificates.off
    /// PEM; needed unless client certificates are off.
    public var clientAuthorities: String?
    /// Seconds until the ticket key changes, which is also how long a session may be resumed; 0 = no tickets.
    public var ticketPeriod: UInt64 = 12 * 3600

    public init(certificates: [TLSCertificateFiles]) { self.certificates = certificates }
}

/// One listener's TLS in one generation: certificates, keys, rules. Made once from files, then never
/// changed; connections keep the one they began with.
///
/// @unchecked Sendable: everything here is constant after `init`. An `SSL_CTX` that nobody changes may be
/// used from any thread (OpenSSL counts its references atomically), and what its callbacks reach is this
/// object's constants and `TicketKeys`, which locks.
public final class TLSServerContext: @unchecked Sendable {
    /// One for each certificate, in their order.
    private let contexts: [OpaquePointer]
    private let names: NameTable
    private let protocols: [UInt8]
    private let tickets: TicketKeys
    /// By certificate; empty = none.
    private let statuses: [StatusResponse]

    /// The stapled response of one certificate.
    private final class StatusResponse: Sendable {
        let bytes: [UInt8]
        init(_ bytes: [UInt8]) { self.bytes = bytes }
    }

    /// - Parameters:
    ///   - name: the listener's. A session can be resumed on the listener that made it only.
    ///   - vault: where the ticket keys live from one generation to the next.
    public init(_ options: TLSServerOptions, name: String, vault: TicketVault) throws(TLSFileError) {
        guard !options.certificates.isEmpty else {
            throw TLSFileError(file: .none, message: "TLS needs at least one certificate")
        }
        var made: [OpaquePointer] = []
        var names = NameTable()
        var statuses: [StatusResponse] = []
        do throws(TLSFileError) {
            for (i, files) in options.certificates.enumerated() {
                guard let context = SSL_CTX_new(TLS_server_method()) else {
                    throw TLSFileError(file: .none, message: TLSFiles.reason())
                }
                made.append(context)
                try Self.configure(context, options, name)
                try TLSFiles.load(files, number: i, into: context)
                if let certificate = SSL_CTX_get0_certificate(context) {
                    names.add(CertificateNames.dnsNames(of: certificate), i)
                }
                var status: [UInt8] = []
                if let path = files.status { status = try TLSFiles.status(path, number: i) }
                statuses.append(StatusResponse(status))
            }
        } catch {
            for context in made { SSL_CTX_free(context) }
            throw error
        }
        contexts = made
        self.names = names
        self.statuses = statuses
        protocols = TLSRules.wireForm(options.protocols)
        tickets = vault.keys(of: name)
        if options.ticketPeriod > 0 { tickets.setPeriod(options.ticketPeriod) }
        for (context, status) in zip(contexts, statuses) { installCallbacks(context, status, options) }
    }

    deinit { for context in contexts { SSL_CTX_free(context) } }

    private static func configure(_ context: OpaquePointer, _ options: TLSServerOptions, _ name: String) throws(TLSFileError) {
        guard TLSRules.apply(options.profile, to: context) else {
            throw TLSFileError(file: .none, message: "OpenSSL refuses the rules for TLS: \(TLSFiles.reason())")
        }
        // Sessions live in tickets alone: nothing is kept here for a client that may never come back.
        nx_ssl_ctx_set_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_max_early_data(context, 0)
        // What a session was allowed by belongs to its identity: other authorities, other sessions.
        var identity = Array("\(name)/\(options.clientCertificates.rawValue)/".utf8)
        if options.clientCertificates != .off {
            let path = options.clientAuthorities ?? ""
            try TLSFiles.trust(path, context)
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(path))
            let required = options.clientCertificates == .required
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nil)
            identity += TLSFiles.read(path, atMost: 1 << 20) ?? []
        }
        var digest = [UInt8](repeating: 0, count: 32)
        guard EVP_Q_digest(nil, "SHA256", nil, identity, identity.count, &digest, nil) == 1,
            SSL_CTX_set_session_id_context(context, digest, 32) == 1
        else { throw TLSFileError(file: .none, message: TLSFiles.reason()) }
        if options.ticketPeriod == 0 {
            SSL_CTX_set_options(context, NX_OP_NO_TICKET)
            SSL_CTX_set_num_tickets(context, 0)
        } else {
            SSL_CTX_set_num_tickets(context, 1)
            // RFC 8446 section 4.6.1: a week at most.
            SSL_CTX_set_timeout(context, Int(min(options.ticketPeriod, 7 * 86_400)))
        }
    }

    // MARK: - Callbacks

    // The pointers below are valid as long as any connection: each keeps its context alive.
    private func installCallbacks(_ context: OpaquePointer, _ status: StatusResponse, _ options: TLSServerOptions) {
        let me = Unmanaged.passUnretained(self).toOpaque()
        SSL_CTX_set_ex_data(context, 0, Unmanaged.passUnretained(tickets).toOpaque())
        SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, length, offered, offeredLength, argument in
                guard let argument, let chosen, let length else { return SSL_TLSEXT_ERR_ALERT_FATAL }
                let me = Unmanaged<TLSServerContext>.fromOpaque(argument).takeUnretainedValue()
                return me.protocols.withUnsafeBufferPointer { mine in
                    var found: UnsafeMutablePointer<UInt8>?
                    let result = SSL_select_next_proto(
                        &found, length, mine.baseAddress, UInt32(mine.count), offered, offeredLength)
                    chosen.pointee = UnsafePointer(found)
                    // RFC 7301 section 3.2: no overlap is fatal.
                    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL
                }
            }, me)
        if contexts.count > 1 {
            nx_ssl_ctx_on_server_name(
                context,
                { ssl, _, argument in
                    guard let argument, let wanted = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
                        return SSL_TLSEXT_ERR_NOACK
                    }
                    let me = Unmanaged<TLSServerContext>.fromOpaque(argument).takeUnretainedValue()
                    if let number = me.names.find(String(cString: wanted)), number > 0 {
                        SSL_set_SSL_CTX(ssl, me.contexts[number])
                    }
                    return SSL_TLSEXT_ERR_OK
                }, me)
        }
        if options.ticketPeriod > 0 {
            SSL_CTX_set_tlsext_ticket_key_evp_cb(context) { ssl, name, iv, cipher, mac, sealing in
                guard let keys = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0), let name, let iv, let cipher, let mac else {
                    return -1
                }
                return TicketSealing.run(
                    Unmanaged<TicketKeys>.fromOpaque(keys).takeUnretainedValue(), name: name, iv: iv, cipher: cipher,
                    mac: mac, sealing: sealing == 1)
            }
        }
        if !status.bytes.isEmpty {
            nx_ssl_ctx_on_status(
                context,
                { ssl, argument in
                    guard let argument else { return SSL_TLSEXT_ERR_NOACK }
                    let bytes = Unmanaged<StatusResponse>.fromOpaque(argument).takeUnretainedValue().bytes
                    // OpenSSL frees what it is given, so it gets its own copy.
                    guard let copy = nx_openssl_malloc(bytes.count) else { return SSL_TLSEXT_ERR_NOACK }
                    copy.copyMemory(from: bytes, byteCount: bytes.count)
                    _ = nx_ssl_set_status_response(ssl, copy.assumingMemoryBound(to: UInt8.self), bytes.count)
                    return SSL_TLSEXT_ERR_OK
                }, Unmanaged.passUnretained(status).toOpaque())
        }
    }

    /// A layer that will answer a handshake on this socket. Nil when memory ran out.
    public func accept(_ descriptor: Int32) -> TLSLayer? {
        guard let ssl = SSL_new(contexts[0]) else { return nil }
        SSL_set_accept_state(ssl)
        return TLSLayer(ssl: ssl, descriptor: descriptor, context: self)
    }
}
