/// TLS of a listener: `tls` in one of `listeners`.
public struct ListenerTLS: Sendable, Equatable {
    public enum ClientCertificates: String, Sendable, CaseIterable { case off, optional, required }

    /// The first answers when no name matches; the others are chosen by their names. At least one.
    public var certificates: [CertificateFiles] = []
    public var profile = TLSProfileName.intermediate
    public var clientCertificates = ClientCertificates.off
    /// Who signs them.
    public var clientAuthorities: PlacedPath?
    /// Milliseconds until the ticket key changes; 0 = no tickets.
    public var tickets: UInt32 = 43_200_000
    /// Longest handshake.
    public var handshake: UInt32 = 10_000
    /// Where it was written, for what concerns the whole.
    public var position: SourcePosition

    public static func == (a: ListenerTLS, b: ListenerTLS) -> Bool {
        a.certificates == b.certificates && a.profile == b.profile && a.clientCertificates == b.clientCertificates
            && a.clientAuthorities == b.clientAuthorities && a.tickets == b.tickets && a.handshake == b.handshake
    }

    /// Nil = plain: absent or `off`.
    static func read(_ fields: Fields) -> ListenerTLS? {
        guard let value = fields.value("tls") else { return nil }
        if case .scalar("off", _) = value.shape { return nil }
        let section = Fields(value, "the TLS of a listener", fields.diagnostics)
        var result = ListenerTLS(position: value.position)
        for item in section.list("certificates") ?? [] {
            let entry = Fields(item, "a certificate", fields.diagnostics)
            let chain = entry.neededPath("chain")
            let key = entry.neededPath("key")
            let ocsp = entry.path("ocsp")
            entry.finish()
            if let chain, let key { result.certificates.append(CertificateFiles(chain: chain, key: key, ocsp: ocsp)) }
        }
        if (section.list("certificates") ?? []).isEmpty {
            fields.diagnostics.error(at: value.position, "TLS needs at least one certificate")
        } else if result.certificates.count > 1000 {
            fields.diagnostics.error(at: section.position(of: "certificates"), "at most 1000 certificates are supported")
        }
        result.profile = section.profile("profile") ?? result.profile
        if let word = section.choice("client_certificates", ClientCertificates.allCases.map(\.rawValue)) {
            result.clientCertificates = ClientCertificates(rawValue: word) ?? .off
        }
        result.clientAuthorities = section.path("client_authorities")
        if result.clientCertificates != .off && result.clientAuthorities == nil {
            fields.diagnostics.error(
                at: section.position(of: "client_certificates"), "client certificates need 'client_authorities'")
        }
        // Seven days is the longest a ticket may live (RFC 8446 section 4.6.1).
        result.tickets = section.milliseconds("tickets", in: 0...604_800_000) ?? result.tickets
        if result.tickets > 0 && result.tickets < 1000 {
            fields.diagnostics.error(at: section.position(of: "tickets"), "'tickets' must be at least 1s, or 0 for none")
        }
        result.handshake = section.milliseconds("handshake", in: 1...3_600_000) ?? result.handshake
        section.finish()
        return result
    }

    init(position: SourcePosition) { self.position = position }
}
