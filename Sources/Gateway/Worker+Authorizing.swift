import EventCore
import Exchanges
import Pipeline
import Policies
import Reactor
import Routes
import Telemetry

/// The stage `authorize`: what the head says, then the body if its policy asks, then whoever is asked outside; what
/// only the object's holder knows goes along with the request.
extension Worker {
    func authorize(_ exchange: Exchange) -> Verdict {
        let era = era(of: exchange)
        let access = era.stages.access.routes[Int(exchange.rule.access)]
        let principal = exchange.principal ?? .anonymous
        exchange.accessMark.version = access.version
        switch exchange.accessMark.opinion {
        case .none: break
        case .allowed: return allow(exchange, by: nil)
        case .denied: return deny(exchange, principal, by: nil, lacksScope: false)
        case .unavailable: return Self.unavailable
        }
        let contracts = era.contracts
        let decision = Authorize.decide(access.policy, principal) { owner, principal, unclear in
            Self.names(principal.subject, owner, exchange, access, contracts, unclear: unclear)
        }
        switch decision {
        case .allowed(let rule): return allow(exchange, by: rule)
        case .needsBody: return .collect
        case .needsObject(let object):
            exchange.access = object
            exchange.accessMark.word = .object
            return .proceed
        case .denied(let rule, let lacksScope):
            guard rule == nil, access.asksOPA else {
                return deny(exchange, principal, by: rule, lacksScope: lacksScope)
            }
            return ask(exchange, principal, era)
        }
    }

    /// Does the request say that the thing is this subject's? Nil = its body is not here yet.
    private static func names(
        _ subject: [UInt8], _ owner: AccessRule.Owner, _ exchange: Exchange, _ access: RouteAccess, _ contracts: RouteContracts,
        unclear: Bool
    ) -> Bool? {
        switch owner {
        case .parameter(let place):
            return exchange.text?.withReadable { text in
                let captured = text.extracting(exchange.captures[place].range)
                // A filter's wildcard stands for his things and for others', and is nobody's name.
                if exchange.head.verb == .subscribe, hasWildcard(captured) { return unclear }
                for i in 0..<captured.count where captured[i] == 0x25 {
                    return PercentDecoding.decode(captured) == subject
                }
                return captured.equals(subject)
            } ?? false
        case .field(let number):
            guard exchange.bodyComplete else { return exchange.requestBody == .none ? false : nil }
            guard let body = exchange.body else { return false }
            guard access.reads(exchange) else { return unclear }
            switch access.fields[number].reading(of: body, contracts.schema) {
            case .value(let value): return value == subject
            case .absent: return false
            case .unclear: return unclear
            }
        case .anyone, .object: return false
        }
    }

    /// Elsewhere in a filter's path these two are percent-encoded.
    private static func hasWildcard(_ captured: borrowing Span<UInt8>) -> Bool {
        for i in captured.indices where captured[i] == 0x2b || captured[i] == 0x23 { return true }
        return false
    }

    // MARK: - Verdicts

    private func allow(_ exchange: Exchange, by rule: UInt16?) -> Verdict {
        exchange.accessMark.word = .allowed
        exchange.accessMark.rule = rule ?? Rule.none
        return .proceed
    }

    private func deny(_ exchange: Exchange, _ principal: Principal, by rule: UInt16?, lacksScope: Bool) -> Verdict {
        exchange.accessMark.word = .denied
        exchange.accessMark.rule = rule ?? Rule.none
        // Whoever is known here may be allowed; nobody knows yet who this is.
        guard principal.kind != .anonymous else { return .answer(Outcome(.unauthenticated, "this takes a credential")) }
        // RFC 6750, 3.1: whoever fetches a token with more scopes gets in.
        guard !lacksScope else {
            return .answer(Outcome(.forbidden, "the token's scopes do not reach this", challenge: .insufficientScope))
        }
        return .answer(Outcome(.forbidden, "this is not allowed"))
    }

    private static let unavailable = Verdict.answer(
        Outcome(.upstreamUnavailable, "who decides about access cannot be asked", retryAfterMS: 1000))

    private func ask(_ exchange: Exchange, _ principal: Principal, _ era: Era) -> Verdict {
        guard let settings = era.stages.access.opa else { return Self.unavailable }
        let names = era.captureNames[Int(exchange.route)]
        let question = PolicyQuestion(
            exchange, principal, route: era.routeNames[Int(exchange.route)],
            parameters: names.enumerated().map { ($1, captured($0, exchange)) })
        switch shared.policyAgent.ask(question, settings, for: exchange.ticket, nowMS: loop.nowMS) {
        case .none: return .park
        case .allowed: return allow(exchange, by: nil)
        case .denied: return deny(exchange, principal, by: nil, lacksScope: false)
        case .unavailable: return Self.unavailable
        }
    }

    /// Whoever was asked outside has answered.
    func take(_ opinion: AccessMark.Opinion, for ticket: Ticket) {
        guard let exchange = unanswered(ticket) else { return }
        exchange.accessMark.opinion = opinion
        wake(ticket)
    }

    // MARK: - Afterwards

    /// The event core has had the last word.
    func noteAccess(_ exchange: Exchange, _ outcome: Reply.Outcome) {
        guard exchange.accessMark.word == .object else { return }
        guard case .refused(let refusal) = outcome else {
            exchange.accessMark.word = .allowed
            return
        }
        if refusal.isByPolicy {
            exchange.accessMark.word = .denied
        } else if refusal.outcome.code != .notFound, refusal.outcome.code != .upstreamUnavailable {
            exchange.accessMark.word = .allowed
        }
    }

    /// What the log says of the decision; nil when there was none.
    func decision(of exchange: Exchange, _ era: Era) -> DecisionFacts? {
        let mark = exchange.accessMark
        guard mark.word == .allowed || mark.word == .denied, exchange.rule.access != Rule.none else { return nil }
        let access = era.stages.access.routes[Int(exchange.rule.access)]
        var rule: [UInt8]
        if mark.opinion != .none || mark.rule == Rule.none && access.asksOPA && exchange.access == nil {
            rule = Array("opa".utf8)
        } else if mark.rule != Rule.none {
            rule = access.rules[Int(mark.rule)]
        } else if mark.word == .allowed, let grants = exchange.access?.grants {
            rule = Array(grants.map { access.rules[Int($0.rule)] }.joined(separator: [0x7c]))
        } else {
            rule = Array("default".utf8)
        }
        return DecisionFacts(isAllowed: mark.word == .allowed, policy: access.name, rule: rule, version: mark.version)
    }
}
