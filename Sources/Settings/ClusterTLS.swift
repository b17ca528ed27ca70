/// TLS towards a cluster: `tls` in one of `clusters`.
public struct ClusterTLS: Sendable, Equatable {
    /// Check the certificate and its name.
    public var verify = true
    /// Who signs the certificates; nil = the system's authorities.
    public var authorities: PlacedPath?
    /// Asked for and checked instead of the endpoint's own host: a DNS name.
    public var name: String?
    /// Ours, for endpoints that ask.
    public var certificate: CertificateFiles?
    public var profile = TLSProfileName.intermediate
    /// Where it was written, for what concerns the whole.
    public var position: SourcePosition

    public static func == (a: ClusterTLS, b: ClusterTLS) -> Bool {
        a.verify == b.verify && a.authorities == b.authorities && a.name == b.name && a.certificate == b.certificate
            && a.profile == b.profile
    }

    /// Nil = plain: absent or `off`.
    static func read(_ fields: Fields) -> ClusterTLS? {
        guard let value = fields.value("tls") else { return nil }
        if case .scalar("off", _) = value.shape { return nil }
        let section = Fields(value, "the TLS of a cluster", fields.diagnostics)
        var result = ClusterTLS(position: value.position)
        result.verify = section.bool("verify") ?? result.verify
        if !result.verify {
            fields.diagnostics.warning(
                at: section.position(of: "verify"), "certificates are not verified: anybody may answer for this cluster")
        }
        result.authorities = section.path("authorities")
        if let text = section.string("name") {
            if IPAddress(text) == nil, let name = Address.name(Substring(text)) {
                result.name = name
            } else {
                fields.diagnostics.error(at: section.position(of: "name"), "'\(text)' is not a DNS name")
            }
        }
        if let entry = section.fields("certificate", "a certificate") {
            let chain = entry.neededPath("chain")
            let key = entry.neededPath("key")
            entry.finish()
            if let chain, let key { result.certificate = CertificateFiles(chain: chain, key: key) }
        }
        result.profile = section.profile("profile") ?? result.profile
        section.finish()
        return result
    }

    init(position: SourcePosition) { self.position = position }
}
