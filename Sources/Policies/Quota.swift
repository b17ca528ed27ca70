public import Exchanges

/// `quota`: charges budgets, and gives back what was not used. All tables are shared by the workers.
public struct Quota {
    private let rates: LimitTable
    private let concurrency: ConcurrencyTable

    public init(rates: LimitTable, concurrency: ConcurrencyTable) {
        self.rates = rates
        self.concurrency = concurrency
    }

    /// Charges one budget.
    /// - Parameters:
    ///   - budget: with its index in the generation.
    ///   - window: the budget's table, where it is a window.
    ///   - now: monotonic nanoseconds, not 0.
    ///   - charges: gets the receipt, and what answers tell of it.
    /// - Returns: was it allowed?
    @inline(__always)
    public func charge(
        _ budget: Budget, _ index: UInt16, window: WindowTable?, key: UInt64, now: UInt64, cost: UInt32,
        _ charges: inout Charges
    ) -> LimitDecision {
        let decision: LimitDecision
        var at = now
        switch budget.measure {
        case .rate(let rate): decision = rates.decide(policy: budget.policy, key: key, now: now, rate: rate, cost: cost)
        case .window(_, let requests, let period):
            guard let window else { preconditionFailure("a window without its table") }
            (decision, at) = window.decide(
                key: key, now: now, requests: Int(requests), periodNS: period, cost: Int(cost))
        case .concurrent(let limit):
            decision = concurrency.acquire(policy: budget.policy, key: key, limit: UInt64(limit), cost: cost)
        }
        if decision.isAllowed {
            charges.add(Charges.Receipt(budget: index, cost: cost, key: key, at: at))
            charges.show(index, decision)
        } else {
            charges.showRefusal(by: index, decision)
        }
        return decision
    }

    /// Gives one charge back.
    public func giveBack(_ receipt: Charges.Receipt, _ budget: Budget, window: WindowTable?) {
        switch budget.measure {
        case .rate(let rate): rates.refund(policy: budget.policy, key: receipt.key, rate: rate, cost: receipt.cost)
        case .window: window?.refund(key: receipt.key, at: receipt.at, cost: Int(receipt.cost))
        case .concurrent: concurrency.release(policy: budget.policy, key: receipt.key, cost: receipt.cost)
        }
    }

    /// The answer to whom a budget has refused. What runs elsewhere ends at a time nobody knows: a second, then.
    public static func refusal(_ budget: Budget, _ decision: LimitDecision) -> Outcome {
        if case .concurrent = budget.measure {
            return Outcome(.rateLimited, "too many requests of this client run at once", retryAfterMS: 1000)
        }
        let (up, isNever) = decision.retryAfterNS.addingReportingOverflow(999_999)
        let wait = isNever ? 0 : max(1, UInt32(clamping: up / 1_000_000))
        return Outcome(.rateLimited, "this client has used up its budget", retryAfterMS: wait)
    }
}
