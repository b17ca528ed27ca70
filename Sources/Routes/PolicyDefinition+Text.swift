extension PolicyDefinition.Rule: CustomStringConvertible {
    /// One line: `owner: allow user who owns the object in Created, PaymentPending`.
    public var description: String {
        var parts: [String] = []
        func add(_ name: String, _ values: [String]) { if !values.isEmpty { parts.append("\(name) \(values.joined(separator: ", "))") } }
        add("roles", roles)
        add("scopes", scopes)
        add("kind", kinds.map { "\($0)" })
        add("issuer", issuers)
        add("subject", subjects)
        for claim in claims { add("claim \(claim.name)", claim.values) }
        switch owner?.place {
        case nil: break
        case .object: parts.append("owner object")
        case .parameter(let name): parts.append("owner parameter \(name)")
        case .field(let path): parts.append("owner field \(path)")
        }
        add("state", states.map(\.name))
        return "\(name): \(denies ? "deny" : "allow") " + (parts.isEmpty ? "anyone" : parts.joined(separator: "; "))
    }
}

extension PolicyDefinition {
    /// A number of what it says: the same text has the same number everywhere, a changed one another (FNV-1a).
    public var version: UInt32 {
        let text = ([name, asksOPA ? "opa" : ""] + rules.map(\.description)).joined(separator: "\n")
        return text.utf8.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }
}
