import Exchanges
import Settings

/// One rule of a policy file.
struct RuleReader {
    private let value: Value
    private let number: Int
    private let stateNames: [String]
    private let diagnostics: Diagnostics

    /// - Parameter number: its place in the policy, from 0.
    init(_ value: Value, _ number: Int, _ stateNames: [String], _ diagnostics: Diagnostics) {
        self.value = value
        self.number = number
        self.stateNames = stateNames
        self.diagnostics = diagnostics
    }

    func read() -> PolicyDefinition.Rule? {
        let fields = Fields(value, "a rule", diagnostics)
        guard case .map = value.shape else { return nil }
        var rule = PolicyDefinition.Rule(name: "rule-\(number + 1)", position: value.position)
        if let name = PolicyReader.readName(fields, "a rule", diagnostics) { rule.name = name }
        if rule.name == "default" || rule.name == "opa" {
            diagnostics.error(
                at: fields.position(of: "name"), "'\(rule.name)' is what the log calls decisions of no rule: give the rule another name")
        }
        let (allow, deny) = (fields.value("allow"), fields.value("deny"))
        switch (allow, deny) {
        case (let section?, nil): readConditions(Fields(section, "what a rule allows", diagnostics), &rule)
        case (nil, let section?):
            rule.denies = true
            readConditions(Fields(section, "what a rule refuses", diagnostics), &rule)
        case (nil, nil):
            if fields.has("allow") || fields.has("deny") {
                diagnostics.error(at: fields.position(of: fields.has("allow") ? "allow" : "deny"), Self.saysNothing)
            } else {
                diagnostics.error(at: value.position, "a rule needs 'allow' or 'deny', with its conditions")
            }
        default:
            diagnostics.error(at: fields.position(of: "deny"), "a rule has 'allow' or 'deny', not both: make two of it")
        }
        if let when = fields.fields("when", "when a rule holds") { readWhen(when, &rule) }
        fields.finish()
        if rule.denies, rule.owner?.place == .object || !rule.states.isEmpty {
            diagnostics.error(
                at: rule.owner?.position ?? fields.position(of: "when"),
                "what a rule refuses cannot hang on the object: say in an 'allow' what is left")
        }
        return rule
    }

    private static let saysNothing = "this says nobody: give conditions, such as { roles: [ADMIN] }, or { anyone: true }"

    private func readConditions(_ fields: Fields, _ rule: inout PolicyDefinition.Rule) {
        rule.roles = texts(fields, "roles")
        rule.scopes = texts(fields, "scopes")
        rule.issuers = texts(fields, "issuer")
        rule.subjects = texts(fields, "subject")
        for text in fields.strings("kind") ?? [] {
            guard let kind = Principal.Kind(word: text.text) else {
                let words = Principal.Kind.words
                diagnostics.error(
                    at: text.position,
                    "'kind' must be one of \(words.joined(separator: ", ")), not '\(text.text)'" + Spelling.hint(text.text, among: words))
                continue
            }
            rule.kinds.append(kind)
        }
        if let claims = fields.fields("claims", "the claims of a rule") {
            for entry in claims.named() {
                let values = texts(claims, entry.key)
                rule.claims.append(.init(name: entry.key, values: values))
            }
            if rule.claims.isEmpty { diagnostics.error(at: fields.position(of: "claims"), "'claims' names no claim: { tenant: [acme] }") }
        }
        readOwner(fields, &rule)
        let isForAnyone = readAnyone(fields)
        fields.finish()
        let hasConditions = ["roles", "scopes", "issuer", "subject", "kind", "claims", "owner"].contains { fields.has($0) }
        if isForAnyone, hasConditions {
            diagnostics.error(at: fields.position(of: "anyone"), "'anyone' stands alone: with conditions it is not anyone")
        } else if !isForAnyone, !hasConditions, !fields.has("anyone"), case .map(let entries) = fields.value.shape, entries.isEmpty {
            diagnostics.error(at: fields.position, Self.saysNothing)
        }
    }

    private func readAnyone(_ fields: Fields) -> Bool {
        guard let anyone = fields.bool("anyone") else { return false }
        if !anyone { diagnostics.error(at: fields.position(of: "anyone"), "'anyone' is true, or left out") }
        return anyone
    }

    private func readOwner(_ fields: Fields, _ rule: inout PolicyDefinition.Rule) {
        guard let value = fields.value("owner") else { return }
        if case .scalar(let text, _) = value.shape {
            guard text == "object" else {
                diagnostics.error(at: value.position, "'owner' is object, { parameter: NAME } or { field: NAME }, not \(value.summary)")
                return
            }
            rule.owner = .init(place: .object, position: value.position)
        } else {
            let section = Fields(value, "the owner", diagnostics)
            let (parameter, field) = (section.value("parameter"), section.value("field"))
            section.finish()
            switch (parameter, field) {
            case (let place?, nil):
                if let name = text(place, "parameter") { rule.owner = .init(place: .parameter(name), position: place.position) }
            case (nil, let place?):
                guard let path = text(place, "field") else { return }
                let parts = path.split(separator: ".", omittingEmptySubsequences: false)
                guard parts.count <= 8, parts.allSatisfy({ Self.isFieldName($0) }) else {
                    return diagnostics.error(
                        at: place.position, "'\(path)' is no field: names of letters, digits and _, with dots between, 8 at most")
                }
                rule.owner = .init(place: .field(path), position: place.position)
            default:
                if case .map = value.shape {
                    diagnostics.error(at: value.position, "'owner' is exactly one of object, { parameter: NAME }, { field: NAME }")
                }
            }
        }
        if fields.has("subject") {
            diagnostics.error(at: fields.position(of: "subject"), "'owner' asks for the subject already: leave one of them out")
        }
        if rule.kinds.contains(.anonymous) {
            diagnostics.error(at: fields.position(of: "kind"), "nobody anonymous owns anything: take 'anonymous' out")
        }
    }

    private func readWhen(_ fields: Fields, _ rule: inout PolicyDefinition.Rule) {
        let states = fields.strings("state")
        fields.finish()
        guard let states else {
            if !fields.has("state"), case .map = fields.value.shape {
                diagnostics.error(at: fields.position, "'when' needs 'state': { state: [Created, PaymentPending] }")
            }
            return
        }
        if states.isEmpty { diagnostics.error(at: fields.position(of: "state"), "'state' names no state, so the rule never holds") }
        for (text, position) in states {
            guard stateNames.contains(text) else {
                diagnostics.error(at: position, "there is no state '\(text)'" + Spelling.hint(text, among: stateNames))
                continue
            }
            if rule.states.contains(where: { $0.name == text }) {
                diagnostics.error(at: position, "the state '\(text)' is named twice")
            }
            rule.states.append(.init(name: text, position: position))
        }
    }

    // MARK: - Texts

    /// Of 1 to 64 values, each once.
    private func texts(_ fields: Fields, _ key: String) -> [String] {
        guard let values = fields.list(key) else {
            if fields.has(key) { diagnostics.error(at: fields.position(of: key), "'\(key)' names nothing: give a value, or leave it out") }
            return []
        }
        if values.isEmpty { diagnostics.error(at: fields.position(of: key), "'\(key)' names nothing: give a value, or leave it out") }
        if values.count > PolicyReader.valueLimit {
            diagnostics.error(at: values[PolicyReader.valueLimit].position, "'\(key)' has at most \(PolicyReader.valueLimit) values")
        }
        var found: [String] = []
        for value in values {
            guard let text = text(value, key) else { continue }
            if found.contains(text) { diagnostics.error(at: value.position, "'\(text)' is named twice") }
            found.append(text)
        }
        return found
    }

    private func text(_ value: Value, _ key: String) -> String? {
        guard let text = value.string(key, diagnostics) else { return nil }
        guard (1...PolicyReader.textLimit).contains(text.utf8.count), !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
            diagnostics.error(
                at: value.position, "'\(key)' must be 1 to \(PolicyReader.textLimit) bytes without control characters, not \(value.summary)")
            return nil
        }
        return text
    }

    private static func isFieldName(_ name: Substring) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { ($0 | 0x20) >= 97 && ($0 | 0x20) <= 122 || $0 >= 48 && $0 <= 57 || $0 == 0x5f }
    }
}
