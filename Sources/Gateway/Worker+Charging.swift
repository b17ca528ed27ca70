import Exchanges
import Pipeline
import Policies
import Reactor
import Settings

/// The stage `quota`: whose budgets a request is charged to, and what of it is given back when it ends.
extension Worker {
    /// All of the route's budgets, or none: whoever one of them refuses gets back what the others have taken.
    func charge(_ exchange: Exchange) -> Verdict {
        guard let session = exchange.wire?.session else {
            return .answer(Outcome(.internalError, "nobody waits for this request"))
        }
        let era = era(of: exchange)
        let tables = era.quotas
        let now = max(loop.nowNS, 1)
        for i in tables.runs[Int(exchange.rule.quota)] {
            let entry = tables.entries[i]
            let budget = tables.budgets[Int(entry.budget)]
            guard let key = key(tables.rules[Int(entry.budget)], exchange, session, era) else {
                budgets.add(budget.policy, isAllowed: false)
                giveBack(exchange, tables) { _ in true }
                return .answer(Outcome(.forbidden, "the request does not say what its limit is counted by"))
            }
            let decision = quota.charge(
                budget, entry.budget, window: tables.window(of: budget), key: key, now: now, cost: entry.cost,
                &exchange.charges)
            budgets.add(budget.policy, isAllowed: decision.isAllowed)
            if !decision.isAllowed {
                giveBack(exchange, tables) { _ in true }
                return .answer(Quota.refusal(budget, decision))
            }
        }
        return .proceed
    }

    /// The exchange ends: what runs at once is let go, and what counts only when it was accepted is given back when
    /// it was not. What an earlier request was answered has been charged to that one.
    func settleCharges(_ exchange: Exchange) {
        let isNotDone = exchange.isRefused || exchange.isRepetition
        giveBack(exchange, era(of: exchange).quotas) { budget in
            if case .concurrent = budget.measure { return true }
            return budget.countsAcceptedOnly && isNotDone
        }
    }

    private func giveBack(_ exchange: Exchange, _ tables: QuotaTables, where isDue: (Budget) -> Bool) {
        for i in 0..<exchange.charges.count {
            let receipt = exchange.charges[i]
            let budget = tables.budgets[Int(receipt.budget)]
            if isDue(budget) { quota.giveBack(receipt, budget, window: tables.window(of: budget)) }
        }
        exchange.charges.settle()
    }

    /// Whom a budget is charged to; nil = the request does not say, and is refused for that.
    private func key(_ rule: QuotaTables.KeyRule, _ exchange: Exchange, _ session: Session, _ era: Era) -> UInt64? {
        let hash = shared.hash
        var key = LimitKey()
        for i in 0..<rule.count {
            let isThere =
                switch rule.parts[i] {
                case .address: add(addressOf: exchange, session, to: &key)
                case .principal: add(principalOf: exchange, to: &key)
                case .route: add(routeOf: exchange, era, to: &key)
                case .header(let number, let name): add(field: number, era.quotas.texts[Int(name)], of: exchange, to: &key)
                case .claim(let name): add(claim: era.quotas.texts[Int(name)], of: exchange, to: &key)
                }
            if isThere { continue }
            switch rule.missing {
            case .address: key.add(address: clientAddress(exchange, session), hash)
            case .share: key.add(.missing, 0, 0, hash)
            case .refuse: return nil
            }
        }
        return key.value
    }

    private func add(addressOf exchange: Exchange, _ session: Session, to key: inout LimitKey) -> Bool {
        key.add(address: clientAddress(exchange, session), shared.hash)
        return true
    }

    private func add(routeOf exchange: Exchange, _ era: Era, to key: inout LimitKey) -> Bool {
        key.add(.route, UInt64(era.policies[Int(exchange.route)]), 0, shared.hash)
        return true
    }

    /// Whoever has proven who he is. A session is to be had for nothing: a client that throws its own away would have
    /// a new budget each time.
    private func add(principalOf exchange: Exchange, to key: inout LimitKey) -> Bool {
        guard let principal = exchange.principal, principal.kind == .user || principal.kind == .service else { return false }
        key.add(principal, shared.hash)
        return true
    }

    private func add(field number: FieldName, _ name: [UInt8], of exchange: Exchange, to key: inout LimitKey) -> Bool {
        guard let text = exchange.text else { return false }
        return text.withReadable { text in
            let field = number == .other ? exchange.head.first(named: name, in: text) : exchange.head.first(number)
            guard let field, !field.value.isEmpty else { return false }
            key.add(.header, text.extracting(field.value.range), shared.hash)
            return true
        }
    }

    private func add(claim name: [UInt8], of exchange: Exchange, to key: inout LimitKey) -> Bool {
        guard let principal = exchange.principal, let claim = principal.claims.first(where: { $0.name == name }) else {
            return false
        }
        // Issuers name their tenants each for themselves.
        let issuer = principal.issuer
        let value = claim.value
        key.add(.claim, issuer.span, shared.hash)
        key.add(.claim, value.span, shared.hash)
        return true
    }
}

extension Exchange {
    /// Has it certainly not been done? An ending that a client can bring about while the work goes on (it went away,
    /// its deadline passed) says nothing of that, so it counts as accepted.
    fileprivate var isRefused: Bool {
        if head.dialect.callsGRPC, let grpcStatus { return ![0, 1, 4].contains(grpcStatus) }
        return status >= 400 && status != Code.cancelled.httpStatus && status != Code.deadline.httpStatus
    }
}
