internal import COpenSSL

/// The names a certificate speaks for. Only subjectAltName counts, never the common name (RFC 9525
/// section 2).
enum CertificateNames {
    enum Kind { case uri, dns, mail }

    /// DNS names, lower case, as they stand: a wildcard keeps its `*`.
    static func dnsNames(of certificate: OpaquePointer) -> [String] {
        alternatives(of: certificate).filter { $0.kind == .dns }
            .map { String(decoding: $0.text, as: UTF8.self).lowercased() }
    }

    /// What a peer is called by its verified certificate: the first URI, else DNS name, else e-mail
    /// address, else the subject (RFC 4514).
    static func identity(of certificate: OpaquePointer) -> [UInt8] {
        let names = alternatives(of: certificate)
        for kind in [Kind.uri, .dns, .mail] {
            if let name = names.first(where: { $0.kind == kind }) { return name.text }
        }
        return subject(of: certificate)
    }

    /// Longer names, and names with anything but visible ASCII, are nobody's: they end up in fields and logs.
    private static let longest = 512

    private static func alternatives(of certificate: OpaquePointer) -> [(kind: Kind, text: [UInt8])] {
        guard let names = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
        let list = OpaquePointer(names)
        defer { GENERAL_NAMES_free(list) }
        var found: [(kind: Kind, text: [UInt8])] = []
        for i in 0..<nx_names_count(list) {
            guard let name = nx_name_at(list, i) else { continue }
            let kind: Kind
            switch name.pointee.type {
            case GEN_URI: kind = .uri
            case GEN_DNS: kind = .dns
            case GEN_EMAIL: kind = .mail
            default: continue
            }
            let value = name.pointee.d.ia5
            guard let bytes = ASN1_STRING_get0_data(value) else { continue }
            let text = Array(UnsafeBufferPointer(start: bytes, count: Int(ASN1_STRING_length(value))))
            guard !text.isEmpty, text.count <= longest, text.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { continue }
            found.append((kind, text))
        }
        return found
    }

    private static func subject(of certificate: OpaquePointer) -> [UInt8] {
        guard let memory = BIO_new(BIO_s_mem()) else { return [] }
        defer { BIO_free(memory) }
        // RFC 2253 escapes whatever is not visible ASCII.
        guard X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0, NX_NAME_RFC2253) >= 0 else { return [] }
        var start: UnsafeMutablePointer<CChar>?
        let count = nx_bio_memory(memory, &start)
        guard let start, count > 0, count <= longest else { return [] }
        return start.withMemoryRebound(to: UInt8.self, capacity: count) {
            Array(UnsafeBufferPointer(start: $0, count: count))
        }
    }
}

/// Which of several certificates answers for a name the client asks for (SNI, RFC 6066 section 3).
struct NameTable: Sendable {
    private var exact: [String: Int] = [:]
    /// By what stands behind `*.`
    private var wildcards: [String: Int] = [:]

    /// Names of the certificate with this number. The first certificate of a name keeps it.
    mutating func add(_ names: [String], _ number: Int) {
        for name in names {
            if name.hasPrefix("*.") {
                let parent = String(name.dropFirst(2))
                if !parent.contains("*"), wildcards[parent] == nil { wildcards[parent] = number }
            } else if !name.contains("*"), exact[name] == nil {
                exact[name] = number
            }
        }
    }

    /// An exact name first; then a wildcard, which stands for the whole leftmost label and only that
    /// (RFC 9525 section 6.3).
    func find(_ name: String) -> Int? {
        var name = name.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        if let number = exact[name] { return number }
        guard let dot = name.firstIndex(of: "."), dot > name.startIndex else { return nil }
        return wildcards[String(name[name.index(after: dot)...])]
    }
}
