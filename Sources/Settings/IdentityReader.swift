import Exchanges

/// `identity` → `IdentitySettings`.
extension IdentitySettings {
    mutating func read(_ fields: Fields, clusters: [Cluster]) {
        let items = fields.list("issuers") ?? []
        if items.count > Self.mostIssuers {
            fields.diagnostics.error(at: fields.position(of: "issuers"), "at most \(Self.mostIssuers) issuers are supported")
        }
        for item in items.prefix(Self.mostIssuers) {
            let entry = Fields(item, "an issuer", fields.diagnostics)
            guard let issuer = IssuerSettings.read(entry, clusters: clusters) else { continue }
            if issuers.contains(where: { $0.name == issuer.name }) {
                fields.diagnostics.error(at: entry.position(of: "name"), "there is another issuer with the name '\(issuer.name)'")
            } else if let other = issuers.first(where: { $0.issuer == issuer.issuer }) {
                fields.diagnostics.error(
                    at: entry.position(of: "issuer"), "issuer '\(other.name)' has the same 'issuer': a token could not say which it means")
            }
            issuers.append(issuer)
        }
        if let certificates = fields.fields("certificates", "the certificates of services") {
            if let patterns = certificates.strings("services") {
                services = patterns.map(\.text)
                for pattern in patterns where pattern.text.isEmpty || pattern.text.utf8.count > 256 {
                    fields.diagnostics.error(at: pattern.position, "'services' takes names of 1 to 256 bytes, with * for anything")
                }
                if services.count > 256 {
                    fields.diagnostics.error(at: certificates.position(of: "services"), "at most 256 names of services are supported")
                }
            }
            certificates.finish()
        }
        if let names = fields.fields("session", "the session") {
            session.cookie = names.fieldName("cookie", lowercased: false) ?? session.cookie
            session.header = names.fieldName("header") ?? session.header
            names.finish()
        }
        tokensInMemory = fields.integer("tokens_in_memory", in: 0...16_777_216) ?? tokensInMemory
        fields.finish()
    }
}

extension IssuerSettings {
    /// Nil when it has no name or no issuer, after a report.
    fileprivate static func read(_ fields: Fields, clusters: [Cluster]) -> IssuerSettings? {
        let name = fields.name()
        let issuer = fields.needed("issuer", "the 'iss' of its tokens")
        var result = IssuerSettings(name: name ?? "", issuer: issuer ?? "")
        if let issuer, issuer.isEmpty || issuer.utf8.count > 1024 {
            fields.diagnostics.error(at: fields.position(of: "issuer"), "'issuer' must have 1 to 1024 bytes")
        }
        result.readAudiences(fields)
        result.readAlgorithms(fields)
        result.readKeys(fields, clusters)
        if let word = fields.choice("type", TokenType.allCases.map(\.rawValue)), let type = TokenType(rawValue: word) {
            result.type = type
        }
        result.leeway = fields.milliseconds("leeway", in: 0...60_000) ?? result.leeway
        result.roles = fields.claim("roles") ?? result.roles
        result.scopes = fields.claim("scopes") ?? result.scopes
        if let service = fields.fields("service", "the claim of services") {
            let claim = service.claim("claim")
            let values = service.strings("values")?.map(\.text) ?? []
            if claim == nil && !service.has("claim") || values.isEmpty {
                fields.diagnostics.error(
                    at: service.position, "the claim of services needs 'claim' and 'values': { claim: roles, values: [SERVICE] }")
            } else if let claim {
                result.service = ServiceClaim(claim: claim, values: values)
            }
            service.finish()
        }
        result.claims = fields.list("claims")?.compactMap { $0.claim("claims", fields.diagnostics) } ?? []
        if result.claims.count > IdentitySettings.mostClaims {
            fields.diagnostics.error(at: fields.position(of: "claims"), "at most \(IdentitySettings.mostClaims) claims are kept")
        }
        result.readHeaders(fields)
        result.forward = fields.bool("forward") ?? result.forward
        fields.finish()
        return name == nil || issuer == nil ? nil : result
    }

    private mutating func readAudiences(_ fields: Fields) {
        guard let given = fields.strings("audiences"), !given.isEmpty else {
            return fields.diagnostics.error(
                at: fields.position(of: "audiences"),
                "an issuer needs 'audiences', one of which must be in 'aud': [nexus-gateway], or any")
        }
        if given.count == 1, given[0].text == "any" { return }
        audiences = given.map(\.text)
        if given.count > 64 { fields.diagnostics.error(at: fields.position(of: "audiences"), "at most 64 audiences are supported") }
    }

    private mutating func readAlgorithms(_ fields: Fields) {
        guard let given = fields.list("algorithms"), !given.isEmpty else {
            return fields.diagnostics.error(
                at: fields.position(of: "algorithms"), "an issuer needs 'algorithms', those its keys are used with: [ES256]")
        }
        algorithms = given.compactMap { $0.choice("algorithms", Self.algorithmNames, fields.diagnostics) }
    }

    private mutating func readKeys(_ fields: Fields, _ clusters: [Cluster]) {
        guard let from = fields.fields("keys", "the keys of an issuer") else {
            return fields.diagnostics.error(
                at: fields.position(of: "keys"),
                "an issuer needs 'keys': { file: jwks.json } or { cluster: auth, path: /.well-known/jwks.json }")
        }
        defer { from.finish() }
        switch (from.has("file"), from.has("cluster")) {
        case (true, false):
            if let path = from.neededPath("file") { keys = .file(path) }
        case (false, true):
            guard let cluster = from.string("cluster") else { return }
            if !clusters.contains(where: { $0.name == cluster }) {
                from.diagnostics.error(
                    at: from.position(of: "cluster"), "there is no cluster '\(cluster)'\(Spelling.hint(cluster, among: clusters.map(\.name)))")
            }
            guard let path = from.needed("path", "where the cluster has the key set") else { return }
            let isLegal = path.utf8.first == 0x2f && path.utf8.count <= 1024 && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x23 }
            if !isLegal { from.diagnostics.error(at: from.position(of: "path"), "'path' must be a path that begins with /, not '\(path)'") }
            var remote = RemoteKeys(cluster: cluster, path: path)
            remote.refresh = from.milliseconds("refresh", in: 30_000...86_400_000) ?? remote.refresh
            remote.timeout = from.milliseconds("timeout", in: 10...60_000) ?? remote.timeout
            remote.stale = from.milliseconds("stale", in: 0...2_592_000_000) ?? remote.stale
            if algorithms.contains(where: { $0.hasPrefix("HS") }) {
                fields.diagnostics.error(
                    at: fields.position(of: "algorithms"), "HS256, HS384 and HS512 need a secret, which nobody publishes: keys: { file: … }")
            }
            keys = .remote(remote)
        default:
            from.diagnostics.error(at: from.position, "the keys of an issuer come either from a 'file' or from a 'cluster'")
        }
    }

    private mutating func readHeaders(_ fields: Fields) {
        guard let map = fields.fields("headers", "the fields made of claims") else { return }
        for entry in map.named() {
            guard let claim = entry.value.claim("headers", fields.diagnostics) else { continue }
            let name = entry.key.lowercased()
            guard name.isFieldName, name.utf8.count <= 64 else {
                fields.diagnostics.error(at: entry.position, "'\(entry.key)' is no field's name")
                continue
            }
            guard FieldName.intern(name.utf8Span.span) == .other, !name.hasPrefix("grpc-"), !name.hasPrefix("content-"),
                name != "accept-encoding"
            else {
                fields.diagnostics.error(at: entry.position, "'\(entry.key)' has a meaning of its own: choose another name, such as X-User-Id")
                continue
            }
            if headers.contains(where: { $0.name == name }) {
                fields.diagnostics.error(at: entry.position, "'\(entry.key)' is made of a claim already")
            }
            headers.append(Header(name: name, claim: claim))
        }
        if headers.count > IdentitySettings.mostHeaders {
            fields.diagnostics.error(at: map.position, "at most \(IdentitySettings.mostHeaders) fields are made of claims")
        }
    }
}

extension Fields {
    /// A text that has to be there.
    fileprivate func needed(_ key: String, _ meaning: String) -> String? {
        guard let value = value(key) else {
            diagnostics.error(at: position, "\(what) needs '\(key)', \(meaning)")
            return nil
        }
        return value.string(key, diagnostics)
    }

    fileprivate func claim(_ key: String) -> ClaimPath? { value(key).flatMap { $0.claim(key, diagnostics) } }

    /// The name of a cookie, or of a field.
    fileprivate func fieldName(_ key: String, lowercased: Bool = true) -> String? {
        guard let value = value(key), let text = value.string(key, diagnostics) else { return nil }
        let name = lowercased ? text.lowercased() : text
        guard name.isFieldName, name.utf8.count <= 64 else {
            diagnostics.error(at: value.position, "'\(key)' must be a name of 1 to 64 letters, digits, - and _, not '\(text)'")
            return nil
        }
        return name
    }
}

extension Value {
    fileprivate func claim(_ what: String, _ diagnostics: Diagnostics) -> ClaimPath? {
        guard let text = string(what, diagnostics) else { return nil }
        guard let path = ClaimPath(parsing: text) else {
            diagnostics.error(at: position, "'\(what)' must name a claim, such as roles, or point to one, such as /realm_access/roles")
            return nil
        }
        return path
    }
}

extension String {
    /// Letters, digits, `-` and `_`: what every server takes in a field's or a cookie's name.
    fileprivate var isFieldName: Bool {
        !isEmpty
            && utf8.allSatisfy {
                ($0 | 0x20) >= 97 && ($0 | 0x20) <= 122 || $0 >= 48 && $0 <= 57 || $0 == 0x2d || $0 == 0x5f
            }
    }
}
