import Reactor
public import Settings
public import TLS

/// The TLS of one generation: what its files came to, by listener and by cluster.
public struct TLSContexts: Sendable {
    private var listeners: [String: TLSServerContext] = [:]
    private var clusters: [String: TLSClientContext] = [:]

    /// Reads every certificate, key and authority the configuration names. What is of no use is reported
    /// at the place that names it.
    ///
    /// - Parameter vault: ticket keys, which outlive a generation.
    public static func load(_ configuration: Configuration, vault: TicketVault, _ diagnostics: Diagnostics) -> TLSContexts {
        var result = TLSContexts()
        for listener in configuration.allListeners {
            guard let tls = listener.tls, !tls.certificates.isEmpty else { continue }
            do throws(TLSFileError) {
                result.listeners[listener.name] = try TLSServerContext(
                    TLSServerOptions(tls, protocols: listener.protocols), name: listener.name, vault: vault)
            } catch {
                diagnostics.error(at: tls.position(of: error.file), error.message)
            }
            for files in tls.certificates { warn(files.key, diagnostics) }
        }
        for cluster in configuration.clusters {
            guard let tls = cluster.tls else { continue }
            do throws(TLSFileError) {
                result.clusters[cluster.name] = try TLSClientContext(TLSClientOptions(tls, protocols: cluster.protocols))
            } catch {
                diagnostics.error(at: tls.position(of: error.file), error.message)
            }
            if let files = tls.certificate { warn(files.key, diagnostics) }
        }
        return result
    }

    private static func warn(_ key: PlacedPath, _ diagnostics: Diagnostics) {
        guard isReadableByAll(key.path) else { return }
        diagnostics.warning(at: key.position, "everybody on this machine may read the private key '\(key.path)'")
    }

    func listener(_ name: String) -> TLSServerContext? { listeners[name] }
    func cluster(_ name: String) -> TLSClientContext? { clusters[name] }
}

extension Settings.Listener {
    /// What it speaks over TLS, best first.
    var protocols: [TLSProtocolName] { mqtt != nil ? [.mqtt] : http2 == nil ? [.http11] : [.http2, .http11] }
}

extension Settings.Cluster {
    /// What it is asked to speak over TLS, best first.
    var protocols: [TLSProtocolName] { wireProtocol == .http2 ? [.http2] : [.http11] }
}

extension TLSCertificateFiles {
    init(_ files: CertificateFiles) {
        self.init(chain: files.chain.path, key: files.key.path, status: files.ocsp?.path)
    }
}

extension TLSProfile {
    init(_ name: TLSProfileName) {
        switch name {
        case .intermediate: self = .intermediate
        case .modern: self = .modern
        }
    }
}

extension TLSServerOptions {
    init(_ settings: ListenerTLS, protocols: [TLSProtocolName]) {
        self.init(certificates: settings.certificates.map { TLSCertificateFiles($0) })
        self.protocols = protocols
        profile = TLSProfile(settings.profile)
        switch settings.clientCertificates {
        case .off: clientCertificates = .off
        case .optional: clientCertificates = .optional
        case .required: clientCertificates = .required
        }
        clientAuthorities = settings.clientAuthorities?.path
        ticketPeriod = UInt64(settings.tickets / 1000)
    }
}

extension TLSClientOptions {
    init(_ settings: ClusterTLS, protocols: [TLSProtocolName]) {
        self.init()
        self.protocols = protocols
        verify = settings.verify
        authorities = settings.authorities?.path
        certificate = settings.certificate.map { TLSCertificateFiles($0) }
        profile = TLSProfile(settings.profile)
    }
}

extension ListenerTLS {
    /// Where the file stands that is at fault.
    func position(of file: TLSFileError.File) -> SourcePosition {
        switch file {
        case .chain(let i): certificates[i].chain.position
        case .key(let i): certificates[i].key.position
        case .status(let i): certificates[i].ocsp?.position ?? position
        case .authorities: clientAuthorities?.position ?? position
        case .none: position
        }
    }
}

extension ClusterTLS {
    /// Where the file stands that is at fault.
    func position(of file: TLSFileError.File) -> SourcePosition {
        switch file {
        case .chain: certificate?.chain.position ?? position
        case .key: certificate?.key.position ?? position
        case .authorities: authorities?.position ?? position
        case .status, .none: position
        }
    }
}
