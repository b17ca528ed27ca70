import Bridge
import Settings
import TLS

/// The bridges of the configuration with what stands in their files.
extension BridgeOptions {
    /// Bytes of a password file, at most.
    private static let longestFile = 4096

    /// All that can be used; the others have been reported.
    static func load(_ configuration: Configuration, _ diagnostics: Diagnostics) -> [BridgeOptions] {
        configuration.bridges.compactMap { BridgeOptions($0, diagnostics) }
    }

    private init?(_ settings: BridgeSettings, _ diagnostics: Diagnostics) {
        guard case .tcp(let host, let port) = settings.address else { return nil }
        let name =
            switch host {
            case .name(let name): name
            case .literal(let address): "\(address)"
            }
        self.init(name: settings.name, host: name, port: port, clientID: settings.clientID)
        version = settings.version == .v5 ? .v5 : .v311
        isClean = settings.isClean
        sessionExpiry = settings.sessionExpiry / 1000
        keepAlive = UInt16(clamping: settings.keepAlive / 1000)
        connectMS = UInt64(settings.connectTimeout)
        backoffMS = UInt64(settings.backoff)
        backoffMostMS = UInt64(settings.backoffMost)
        inward = settings.inward.map { Inward(filter: $0.filter, qos: Int32($0.qos)) }
        inFlight = settings.inFlight
        patienceMS = UInt64(settings.patience)
        attempts = settings.attempts
        largestPayload = settings.maxPayload
        outFlight = settings.publishing
        publishMS = UInt64(settings.publishTimeout)
        username = settings.username
        if let file = settings.passwordFile {
            guard let password = Self.password(file, diagnostics) else { return nil }
            self.password = password
        }
        if let given = settings.tls {
            guard Self.check(given, diagnostics) else { return nil }
            var tls = TLS()
            tls.authorities = given.authorities?.path
            tls.certificate = given.certificate.map { ($0.chain.path, $0.key.path) }
            tls.checksName = given.checksName
            self.tls = tls
        }
        do throws(BridgeFault) {
            try Bridge.check(self)
        } catch {
            diagnostics.error(at: settings.placed.position, "the bridge '\(settings.name)' cannot be made: \(error.text)")
            return nil
        }
    }

    /// The first line.
    private static func password(_ file: PlacedPath, _ diagnostics: Diagnostics) -> String? {
        guard let bytes = FileBytes.read(path: file.path, atMost: longestFile, at: file.position, diagnostics) else { return nil }
        var line = bytes.prefix { $0 != 0x0a }
        if line.last == 0x0d { line.removeLast() }
        // To libmosquitto a zero would be its end.
        guard !line.isEmpty, !line.contains(0), let text = String(validating: line, as: UTF8.self) else {
            diagnostics.error(at: file.position, "the first line of '\(file.path)' is no password")
            return nil
        }
        warn(file, "the password", diagnostics)
        return text
    }

    private static func warn(_ file: PlacedPath, _ what: String, _ diagnostics: Diagnostics) {
        guard isReadableByAll(file.path) else { return }
        diagnostics.warning(at: file.position, "everybody on this machine may read \(what) '\(file.path)'")
    }

    /// libmosquitto looks into the files only when it connects: what is wrong with them is told before.
    private static func check(_ settings: BridgeSettings.TLS, _ diagnostics: Diagnostics) -> Bool {
        var options = TLSClientOptions()
        options.authorities = settings.authorities?.path
        options.certificate = settings.certificate.map { TLSCertificateFiles(chain: $0.chain.path, key: $0.key.path) }
        do throws(TLSFileError) {
            _ = try TLSClientContext(options)
        } catch {
            let file =
                switch error.file {
                case .chain: settings.certificate?.chain
                case .key: settings.certificate?.key
                case .authorities, .status, .none: settings.authorities
                }
            diagnostics.error(at: file?.position ?? SourcePosition(file: ""), error.message)
            return false
        }
        if let key = settings.certificate?.key { warn(key, "the private key", diagnostics) }
        return true
    }
}
