import Exchanges
import Settings
import Testing

@testable import Routes

/// What policy files say, and what they may not say.
struct PolicyTests {
    private static let states = ["Created", "PaymentPending", "Confirmed"]

    private static func read(_ text: String) -> (policies: [PolicyDefinition], problems: [String]) {
        let diagnostics = Diagnostics()
        let documents = [Document.parse(text, file: "p.yaml", diagnostics)].compactMap { $0 }
        let policies = PolicyReader.read(documents, states: states, diagnostics)
        return (policies, diagnostics.sorted.map { "\($0)" })
    }

    /// The problems of one rule of one policy, which begins in line 4, column 5.
    private func problems(ofRule rule: String) -> [String] {
        Self.read("policies:\n- name: a\n  rules:\n  - \(rule)\n").problems
    }

    @Test func aPolicyIsReadAsItStands() throws {
        let (policies, problems) = Self.read(
            """
            policies:
              - name: cancel
                rules:
                  - name: staff
                    allow: { roles: [STAFF, ADMIN], scopes: write, kind: [user, service], issuer: shop, claims: { zone: [a, b] } }
                    when: { state: [Created, Confirmed] }
                  - allow: { owner: object }
                  - allow: { owner: { parameter: userId } }
                  - allow: { owner: { field: user.id } }
                  - deny: { subject: mallory }
              - name: outside
                opa: true
            """)
        #expect(problems == [])
        #expect(
            policies.first?.rules.map(\.description) == [
                "staff: allow roles STAFF, ADMIN; scopes write; kind user, service; issuer shop; claim zone a, b; state Created, Confirmed",
                "rule-2: allow owner object", "rule-3: allow owner parameter userId", "rule-4: allow owner field user.id",
                "rule-5: deny subject mallory",
            ])
        let outside = try #require(policies.last)
        #expect(outside.asksOPA && outside.rules.isEmpty)
        #expect(policies.first?.version != outside.version)
    }

    @Test func anotherTextIsAnotherVersion() {
        func version(_ rule: String) -> UInt32? { Self.read("policies:\n- { name: a, rules: [ \(rule) ] }").policies.first?.version }
        #expect(version("{ allow: { roles: [A] } }") == version("{ allow: { roles: A } }"))
        #expect(version("{ allow: { roles: [A] } }") != version("{ allow: { roles: [B] } }"))
        #expect(version("{ allow: { roles: [A] } }") != version("{ deny: { roles: [A] } }"))
    }

    @Test(arguments: [
        ("{ }", "4:5: error: a rule needs 'allow' or 'deny', with its conditions"),
        ("{ alow: { roles: [A] } }", "4:7: error: unknown key 'alow' in a rule (did you mean 'allow'?)"),
        ("{ allow: { roles: [A] }, deny: { roles: [B] } }", "4:30: error: a rule has 'allow' or 'deny', not both: make two of it"),
        ("{ allow: }", "4:7: error: this says nobody: give conditions, such as { roles: [ADMIN] }, or { anyone: true }"),
        ("{ allow: {} }", "4:14: error: this says nobody: give conditions, such as { roles: [ADMIN] }, or { anyone: true }"),
        ("{ allow: everybody }", "4:14: error: what a rule allows must be a map, not 'everybody'"),
        ("{ allow: [A] }", "4:14: error: what a rule allows must be a map, not a list"),
        ("just-text", "4:5: error: a rule must be a map, not 'just-text'"),
        ("{ name: Staff, allow: { roles: [A] } }", "4:13: error: the name of a rule must be 1 to 64 of a-z, 0-9 and -, not 'Staff'"),
        ("{ name: default, allow: { roles: [A] } }", "4:7: error: 'default' is what the log calls decisions of no rule: give the rule another name"),
        ("{ allow: { role: [A] } }", "4:16: error: unknown key 'role' in what a rule allows (did you mean 'roles'?)"),
        ("{ allow: { roles: [] } }", "4:16: error: 'roles' names nothing: give a value, or leave it out"),
        ("{ allow: { roles: } }", "4:16: error: 'roles' names nothing: give a value, or leave it out"),
        ("{ allow: { roles: [A, A] } }", "4:27: error: 'A' is named twice"),
        ("{ allow: { roles: [\"\"] } }", "4:24: error: 'roles' must be 1 to 256 bytes without control characters, not ''"),
        ("{ allow: { roles: [\"a\\nb\"] } }", "4:24: error: 'roles' must be 1 to 256 bytes without control characters, not 'a\nb'"),
        ("{ allow: { roles: [[A]] } }", "4:24: error: 'roles' must be text, not a list"),
        ("{ allow: { roles: { a: b } } }", "4:23: error: 'roles' must be text, not a map"),
        ("{ allow: { scope: w } }", "4:16: error: unknown key 'scope' in what a rule allows (did you mean 'scopes'?)"),
        ("{ allow: { kind: servce } }", "4:22: error: 'kind' must be one of anonymous, session, service, user, not 'servce' (did you mean 'service'?)"),
        ("{ allow: { issuer: [] } }", "4:16: error: 'issuer' names nothing: give a value, or leave it out"),
        ("{ allow: { claims: zone } }", "4:24: error: the claims of a rule must be a map, not 'zone'"),
        ("{ allow: { claims: {} } }", "4:16: error: 'claims' names no claim: { tenant: [acme] }"),
        ("{ allow: { claims: { zone: [] } } }", "4:26: error: 'zone' names nothing: give a value, or leave it out"),
        ("{ allow: { anyone: yes } }", "4:24: error: 'anyone' must be true or false, not 'yes'"),
        ("{ allow: { anyone: false } }", "4:16: error: 'anyone' is true, or left out"),
        ("{ allow: { anyone: true, roles: [A] } }", "4:16: error: 'anyone' stands alone: with conditions it is not anyone"),
        ("{ allow: { owner: objekt } }", "4:23: error: 'owner' is object, { parameter: NAME } or { field: NAME }, not 'objekt'"),
        ("{ allow: { owner: {} } }", "4:23: error: 'owner' is exactly one of object, { parameter: NAME }, { field: NAME }"),
        ("{ allow: { owner: { parameter: a, field: b } } }", "4:23: error: 'owner' is exactly one of object, { parameter: NAME }, { field: NAME }"),
        ("{ allow: { owner: { paramter: a } } }", "4:25: error: unknown key 'paramter' in the owner (did you mean 'parameter'?)"),
        ("{ allow: { owner: { field: a..b } } }", "4:32: error: 'a..b' is no field: names of letters, digits and _, with dots between, 8 at most"),
        ("{ allow: { owner: { field: /user } } }", "4:32: error: '/user' is no field: names of letters, digits and _, with dots between, 8 at most"),
        ("{ allow: { owner: [object] } }", "4:23: error: the owner must be a map, not a list"),
        ("{ allow: { owner: object, subject: a } }", "4:31: error: 'owner' asks for the subject already: leave one of them out"),
        ("{ allow: { owner: object, kind: anonymous } }", "4:31: error: nobody anonymous owns anything: take 'anonymous' out"),
        ("{ deny: { owner: object } }", "4:22: error: what a rule refuses cannot hang on the object: say in an 'allow' what is left"),
        ("{ deny: { roles: [A] }, when: { state: Created } }", "4:29: error: what a rule refuses cannot hang on the object: say in an 'allow' what is left"),
        ("{ allow: { roles: [A] }, when: { state: Craeted } }", "4:45: error: there is no state 'Craeted' (did you mean 'Created'?)"),
        ("{ allow: { roles: [A] }, when: { state: [] } }", "4:38: error: 'state' names no state, so the rule never holds"),
        ("{ allow: { roles: [A] }, when: { state: [Created, Created] } }", "4:55: error: the state 'Created' is named twice"),
        ("{ allow: { roles: [A] }, when: {} }", "4:36: error: 'when' needs 'state': { state: [Created, PaymentPending] }"),
        ("{ allow: { roles: [A] }, when: { states: Created } }", "4:38: error: unknown key 'states' in when a rule holds (did you mean 'state'?)"),
        ("{ allow: { roles: [A] }, when: Created }", "4:36: error: when a rule holds must be a map, not 'Created'"),
        ("{ allow: { roles: [*a] } }", "4:24: error: found undefined alias (text that begins with * or & needs quotes)"),
    ])
    func mistakesInRules(_ rule: String, _ problem: String) {
        let found = problems(ofRule: rule)
        #expect(found.contains("p.yaml:" + problem), "\(found)")
    }

    @Test(arguments: [
        ("", "1:1: error: a policy file needs 'policies', a list"),
        ("polices: []", "1:1: error: unknown key 'polices' in a policy file (did you mean 'policies'?)"),
        ("policies: none", "1:11: error: 'policies' must be a list, not 'none'"),
        ("policies: [a]", "1:12: error: a policy must be a map, not 'a'"),
        ("policies: [{ rules: [{ allow: { anyone: true } }] }]", "1:12: error: a policy needs a 'name', which routes call it by"),
        ("policies: [{ name: A b, opa: true }]", "1:20: error: the name of a policy must be 1 to 64 of a-z, 0-9 and -, not 'A b'"),
        ("policies: [{ name: a }]", "1:12: error: a policy needs 'rules', or 'opa: true'"),
        ("policies: [{ name: a, rules: [] }]", "1:30: error: 'rules' has no rule, so nobody may: say who"),
        ("policies: [{ name: a, rules: { allow: { anyone: true } } }]", "1:30: error: 'rules' must be a list, not a map: begin each rule with '-'"),
        ("policies: [{ name: a, rule: [] }]", "1:23: error: unknown key 'rule' in a policy (did you mean 'rules'?)"),
        ("policies: [{ name: a, opa: maybe }]", "1:28: error: 'opa' must be true or false, not 'maybe'"),
        ("policies: [{ name: a, opa: true }, { name: a, opa: true }]",
            "1:36: error: a policy is called 'a' already, at p.yaml:1:12: give it another name"),
        ("policies: [{ name: a, rules: [{ deny: { roles: [A] } }] }]",
            "1:12: error: no rule of this policy allows anything, so nobody may: add one with 'allow'"),
        ("policies: [{ name: a, rules: [{ name: x, allow: { roles: [A] } }, { name: x, allow: { roles: [B] } }] }]",
            "1:67: error: a rule of this policy is called 'x' already, at p.yaml:1:31: the log must tell them apart"),
        ("policies: [{ name: a, opa: true, rules: [{ allow: { owner: object } }] }]",
            "1:60: error: a policy that asks OPA cannot look at the object, which is found later: give this rule a policy of its own"),
        ("policies: [{ name: a, name: b }]", "1:14: error: duplicate key 'name' in one map; the first is here"),
        ("policies: [{ name: a", "2:1: error: while parsing a flow mapping: did not find expected ',' or '}'"),
    ])
    func mistakesInFiles(_ text: String, _ problem: String) {
        let found = Self.read(text).problems
        #expect(found.contains("p.yaml:" + problem), "\(found)")
    }

    @Test func thereAreBounds() {
        let rule = "{ allow: { anyone: true } }"
        let many = Self.read("policies: [{ name: a, rules: [\(Array(repeating: rule, count: 33).joined(separator: ", "))] }]").problems
        #expect(many.contains { $0.hasSuffix("a policy has at most 32 rules: make two of it") })
        let roles = (0...64).map { "r\($0)" }.joined(separator: ", ")
        #expect(problems(ofRule: "{ allow: { roles: [\(roles)] } }").contains { $0.hasSuffix("'roles' has at most 64 values") })
        #expect(problems(ofRule: "{ allow: { owner: { field: a.a.a.a.a.a.a.a.a } } }").count == 1)
    }
}
