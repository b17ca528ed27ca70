import Contracts
import EventCore
import Exchanges
import Glibc
import Pipeline
import Policies
import Routes
import Settings

/// The policies of one generation, each compiled for the routes that ask it.
struct AccessTables: Sendable {
    /// Behind `Rule.access`.
    let routes: [RouteAccess]
    /// Whom policies ask that cannot decide; nil = none does.
    let opa: AccessSettings.OPA?

    /// Check `diagnostics` before using it.
    init(_ configuration: Configuration, _ table: RouteTable, _ schema: ProtoSchema?, _ diagnostics: Diagnostics) {
        let settings = configuration.access
        opa = settings.opa
        // The default folder may be missing: then nothing names a policy, or it is reported where it does.
        let isMissing = settings.policies == AccessSettings().policies && access(AccessSettings.defaultFolder, F_OK) != 0
        let states = OrderState.allCases.map { "\($0.name)" }
        let policies = isMissing ? [] : PolicyReader.read(paths: settings.policies, states: states, diagnostics)
        for policy in policies where policy.asksOPA && settings.opa == nil {
            diagnostics.error(
                at: policy.position, "policy '\(policy.name)' asks OPA, and 'access: { opa: … }' of the configuration does not say where it is")
        }
        routes = table.routes.compactMap { route -> RouteAccess? in
            guard let demand = route.access else { return nil }
            guard let policy = policies.first(where: { $0.name == demand.policy }) else {
                let hint = Spelling.hint(demand.policy, among: policies.map(\.name))
                let place = policies.isEmpty ? ": no file of \(settings.policies.joined(separator: ", ")) has one" : ""
                diagnostics.error(at: demand.position, "there is no policy '\(demand.policy)'\(hint)\(place)")
                return nil
            }
            return RouteAccess(policy, route, demand, schema, diagnostics)
        }
        let used = policies.filter { policy in table.routes.contains { $0.access?.policy == policy.name } }
        for rule in used.flatMap(\.rules) { Self.check(rule, configuration.identity.issuers, diagnostics) }
    }

    /// A rule that waits for an issuer or a claim that nobody ever has would never hold, and a refusal would not either.
    private static func check(_ rule: PolicyDefinition.Rule, _ issuers: [IssuerSettings], _ diagnostics: Diagnostics) {
        for name in rule.issuers where !issuers.contains(where: { $0.name == name }) {
            diagnostics.error(
                at: rule.position,
                "rule '\(rule.name)': there is no issuer '\(name)'\(Spelling.hint(name, among: issuers.map(\.name))): 'identity: { issuers: … }' of the configuration names them")
        }
        let asked = issuers.filter { rule.issuers.isEmpty || rule.issuers.contains($0.name) }
        let claims = asked.flatMap { $0.claims.map(\.description) }
        for claim in rule.claims where !claims.contains(claim.name) {
            diagnostics.error(
                at: rule.position,
                "rule '\(rule.name)': no issuer keeps the claim '\(claim.name)'\(Spelling.hint(claim.name, among: claims)): add it to 'claims' of the issuer")
        }
    }
}

/// What one route asks in its stage `authorize`.
final class RouteAccess: Sendable {
    let policy: AccessPolicy
    /// As logs name it.
    let name: [UInt8]
    /// By their numbers.
    let rules: [[UInt8]]
    /// Behind `AccessRule.Owner.field`.
    let fields: [BodyField]
    let asksOPA: Bool
    /// Of the policy's text.
    let version: UInt32
    /// Somebody behind the gateway reads the JSON that the fields stand in.
    private let isReadElsewhere: Bool

    init(
        _ policy: PolicyDefinition, _ route: RouteDefinition, _ demand: AccessDemand, _ schema: ProtoSchema?,
        _ diagnostics: Diagnostics
    ) {
        var compiler = RuleCompiler(route, schema)
        var compiled = AccessPolicy(denials: [], grants: [])
        var missing: [String] = []
        for (number, rule) in policy.rules.enumerated() {
            switch compiler.compile(rule, UInt16(number)) {
            case .success(let made): if rule.denies { compiled.denials.append(made) } else { compiled.grants.append(made) }
            case .failure(let reason) where rule.denies:
                diagnostics.error(
                    at: demand.position, "policy '\(policy.name)' refuses by rule '\(rule.name)', which this route cannot ask: \(reason.text)")
            case .failure(let reason): missing.append("\(rule.name): \(reason.text)")
            }
        }
        // Of several ways to find the owner a route has one; with none, owners would be refused for ever.
        if !missing.isEmpty, !compiled.grants.contains(where: { $0.owner != .anyone || !$0.states.isEmpty }) {
            diagnostics.error(
                at: demand.position,
                "policy '\(policy.name)' cannot find the owner on this route (\(missing.joined(separator: "; "))): give the route what it needs, or another policy")
        }
        self.policy = compiled
        name = Array(policy.name.utf8)
        rules = policy.rules.map { Array($0.name.utf8) }
        fields = compiler.fields
        asksOPA = policy.asksOPA
        version = policy.version
        isReadElsewhere = !route.match.grpc && route.targets.contains { !$0.isCore }
    }

    /// Will whoever reads the body take it for what it is taken for here?
    func reads(_ exchange: Exchange) -> Bool { !isReadElsewhere || exchange.saysJSON }
}

/// Rules of a policy as one route can ask them.
private struct RuleCompiler {
    let route: RouteDefinition
    let schema: ProtoSchema?
    var fields: [BodyField] = []
    private var paths: [String] = []

    init(_ route: RouteDefinition, _ schema: ProtoSchema?) {
        self.route = route
        self.schema = schema
    }

    mutating func compile(_ rule: PolicyDefinition.Rule, _ number: UInt16) -> Result<AccessRule, BodyField.Missing> {
        var made = AccessRule(number: number)
        made.roles = rule.roles.map { Array($0.utf8) }
        made.scopes = rule.scopes.map { Array($0.utf8) }
        made.issuers = rule.issuers.map { Array($0.utf8) }
        made.subjects = rule.subjects.map { Array($0.utf8) }
        made.claims = rule.claims.map { (Array($0.name.utf8), $0.values.map { Array($0.utf8) }) }
        made.states = rule.states.map(\.name)
        // A service called as a user is not that user, nor is a session that somebody has made up; and whoever is
        // named must have proven his name.
        var kinds = rule.kinds
        if kinds.isEmpty { kinds = rule.owner != nil ? [.user] : rule.subjects.isEmpty || rule.denies ? [] : [.user, .service] }
        made.kinds = kinds.reduce(0) { $0 | AccessRule.bit($1) }
        if rule.owner?.place == .object || !rule.states.isEmpty, let other = route.targets.first(where: { !$0.isCore }) {
            return .failure(.init(text: "\(other) does not hold the object, the event core does"))
        }
        switch rule.owner?.place {
        case nil: break
        case .object: made.owner = .object
        case .parameter(let name):
            guard let place = route.match.path.captureNames.firstIndex(of: name) else {
                return .failure(.init(text: "the path \(route.match.path) has no parameter '\(name)'"))
            }
            made.owner = .parameter(place)
        case .field(let path):
            switch field(path) {
            case .success(let number): made.owner = .field(number)
            case .failure(let missing): return .failure(missing)
            }
        }
        return .success(made)
    }

    private mutating func field(_ path: String) -> Result<Int, BodyField.Missing> {
        guard route.collect else { return .failure(.init(text: "the field '\(path)' stands in the body: add 'stages: { collect: true }'")) }
        // What comes from path and query too is not the body's to say.
        if let call = route.call, call.body != .message || !route.match.path.captureNames.isEmpty {
            return .failure(.init(text: "path and query say what the field '\(path)' is, not the body alone"))
        }
        if let known = paths.firstIndex(of: path) { return .success(known) }
        let method = route.match.grpc ? schema?.method(path: route.match.path.text.utf8Span.span) : nil
        switch BodyField.find(path, route, method, schema) {
        case .failure(let missing): return .failure(missing)
        case .success(let field):
            if case .message(let place) = field, schema?.isString(place) == false {
                return .failure(.init(text: "the field '\(path)' holds no text"))
            }
            paths.append(path)
            fields.append(field)
            return .success(fields.count - 1)
        }
    }
}

extension TargetDefinition {
    /// Does the event core hold what it is about?
    fileprivate var isCore: Bool {
        switch self {
        case .command, .anyCommand, .query: true
        case .cluster, .fixed, .operation, .topics: false
        }
    }
}
