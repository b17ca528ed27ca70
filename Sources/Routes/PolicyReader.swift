import Exchanges
public import Settings

/// Policy files → definitions, with every mistake at its place.
public enum PolicyReader {
    /// Of all files together.
    public static let policyLimit = 1_000
    /// Files in the folder.
    public static let fileLimit = 100
    /// Of one policy.
    static let ruleLimit = 32
    /// Of one condition.
    static let valueLimit = 64
    /// Bytes of a role, a scope, a claim.
    static let textLimit = 256

    /// All policies that the files at `paths` hold: single files, and all `*.yaml` of a folder.
    /// - Parameter states: the names that `when: { state: … }` may give.
    public static func read(paths: [String], states: [String], _ diagnostics: Diagnostics) -> [PolicyDefinition] {
        let files = paths.flatMap { FileFolder.yaml(at: $0, "policy files", atMost: fileLimit, diagnostics) }
        return read(files.compactMap { Document.read(path: $0, diagnostics) }, states: states, diagnostics)
    }

    /// The same of documents that are read already.
    public static func read(_ documents: [Value], states: [String], _ diagnostics: Diagnostics) -> [PolicyDefinition] {
        var found: [PolicyDefinition] = []
        for document in documents {
            let fields = Fields(document, "a policy file", diagnostics)
            if !fields.has("policies") {
                diagnostics.error(at: document.position, "a policy file needs 'policies', a list")
            }
            if let value = fields.value("policies") {
                guard case .list(let items) = value.shape else {
                    diagnostics.error(at: value.position, "'policies' must be a list, not \(value.summary)")
                    continue
                }
                for item in items {
                    guard let policy = readPolicy(item, states, diagnostics) else { continue }
                    if let first = found.first(where: { $0.name == policy.name }) {
                        diagnostics.error(
                            at: policy.position, "a policy is called '\(policy.name)' already, at \(first.position): give it another name")
                    }
                    found.append(policy)
                }
            }
            fields.finish()
        }
        if found.count > policyLimit {
            diagnostics.error(at: found[policyLimit].position, "more than \(policyLimit) policies")
        }
        return found
    }

    private static func readPolicy(_ value: Value, _ states: [String], _ diagnostics: Diagnostics) -> PolicyDefinition? {
        let fields = Fields(value, "a policy", diagnostics)
        guard case .map = value.shape else { return nil }
        let name = readName(fields, "a policy", diagnostics)
        if !fields.has("name") { diagnostics.error(at: value.position, "a policy needs a 'name', which routes call it by") }
        var policy = PolicyDefinition(name: name ?? "", position: value.position)
        policy.asksOPA = fields.bool("opa") ?? false
        if let rules = fields.value("rules") {
            if case .list(let items) = rules.shape {
                policy.rules = items.enumerated().compactMap { RuleReader($1, $0, states, diagnostics).read() }
                if items.count > ruleLimit {
                    diagnostics.error(at: items[ruleLimit].position, "a policy has at most \(ruleLimit) rules: make two of it")
                }
                if items.isEmpty { diagnostics.error(at: rules.position, "'rules' has no rule, so nobody may: say who") }
            } else {
                diagnostics.error(at: rules.position, "'rules' must be a list, not \(rules.summary): begin each rule with '-'")
            }
        } else if !policy.asksOPA {
            diagnostics.error(at: fields.position(of: "rules"), "a policy needs 'rules', or 'opa: true'")
        }
        fields.finish()
        checkRules(policy, diagnostics)
        return name == nil ? nil : policy
    }

    /// What single rules cannot see.
    private static func checkRules(_ policy: PolicyDefinition, _ diagnostics: Diagnostics) {
        for (i, rule) in policy.rules.enumerated() {
            if let first = policy.rules[..<i].first(where: { $0.name == rule.name }) {
                diagnostics.error(
                    at: rule.position, "a rule of this policy is called '\(rule.name)' already, at \(first.position): the log must tell them apart")
            }
            let looksAtObject = rule.owner?.place == .object || !rule.states.isEmpty
            if looksAtObject, policy.asksOPA {
                diagnostics.error(
                    at: rule.owner?.position ?? rule.position,
                    "a policy that asks OPA cannot look at the object, which is found later: give this rule a policy of its own")
            }
        }
        if !policy.rules.isEmpty, !policy.asksOPA, policy.rules.allSatisfy(\.denies) {
            diagnostics.error(at: policy.position, "no rule of this policy allows anything, so nobody may: add one with 'allow'")
        }
    }

    static func readName(_ fields: Fields, _ what: String, _ diagnostics: Diagnostics) -> String? {
        guard let value = fields.value("name"), let name = value.string("name", diagnostics),
            checkName(name, what, at: value.position, diagnostics)
        else { return nil }
        return name
    }
}
