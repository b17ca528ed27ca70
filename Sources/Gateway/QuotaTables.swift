import Exchanges
import Policies
import Routes
import Settings

/// The quotas of one generation as its requests read them: plain bits, and the texts their answers are made of.
final class QuotaTables {
    /// One budget that a route charges.
    struct Entry: BitwiseCopyable {
        var budget: UInt16
        var cost: UInt32
    }

    enum Part: BitwiseCopyable {
        case address, principal, route
        /// By number where it has one, else by its name, an index into `texts`.
        case header(FieldName, UInt16)
        /// Its name, an index into `texts`.
        case claim(UInt16)
    }

    /// What a budget's key is made of.
    struct KeyRule: BitwiseCopyable {
        var parts: InlineArray<4, Part> = .init(repeating: .address)
        var count = 0
        var missing = LimitSettings.Budget.Missing.address
    }

    private(set) var budgets: [Budget] = []
    private(set) var rules: [KeyRule] = []
    private(set) var windows: [WindowTable] = []
    private(set) var texts: [[UInt8]] = []
    private(set) var entries: [Entry] = []
    /// Where the entries of each `Rule.quota` stand.
    private(set) var runs: [Range<Int>] = []
    /// By `Rule.quota`: the value of `RateLimit-Policy`.
    private(set) var policies: [[UInt8]] = []
    /// By budget: its name in quotes.
    private(set) var names: [[UInt8]] = []
    /// By budget: its units in `X-RateLimit-Limit`; 0 = without such fields.
    private(set) var legacyLimits: [UInt32] = []

    init(_ quotas: [[QuotaDefinition]], _ settings: LimitSettings, _ ledger: BudgetLedger) {
        var numbers: [String: UInt16] = [:]
        for quota in quotas {
            let start = entries.count
            var policy: [String] = []
            for definition in quota {
                // The route file was checked against this very configuration.
                guard let budget = settings.budget(definition.limit) else { continue }
                let index = numbers[budget.name] ?? add(budget, ledger)
                numbers[budget.name] = index
                entries.append(Entry(budget: index, cost: definition.cost))
                policy.append(budget.policyItem)
            }
            runs.append(start..<entries.count)
            policies.append(Array(policy.joined(separator: ", ").utf8))
        }
    }

    private func add(_ settings: LimitSettings.Budget, _ ledger: BudgetLedger) -> UInt16 {
        let nanoseconds: UInt64 = 1_000_000
        let measure: Budget.Measure
        switch settings.measure {
        case .rate(let requests, per: let per, let burst):
            measure = .rate(LimitRate(requests: UInt64(requests), periodNS: UInt64(per) * nanoseconds, burst: UInt64(burst)))
        case .window(let requests, per: let per):
            measure = .window(
                table: UInt16(windows.count), requests: UInt16(requests), periodNS: UInt64(per) * nanoseconds)
            windows.append(ledger.window(named: settings.name, requests: Int(requests)))
        case .concurrent(let most): measure = .concurrent(most)
        }
        budgets.append(
            Budget(
                policy: ledger.number(of: settings.name), measure: measure,
                countsAcceptedOnly: settings.countsAcceptedOnly))
        var rule = KeyRule(missing: settings.missing)
        for part in settings.by {
            rule.parts[rule.count] = lower(part)
            rule.count += 1
        }
        rules.append(rule)
        names.append(Array("\"\(settings.name)\"".utf8))
        legacyLimits.append(settings.legacyHeaders ? settings.most : 0)
        return UInt16(budgets.count - 1)
    }

    private func lower(_ part: LimitSettings.Budget.Part) -> Part {
        func text(_ string: String) -> UInt16 {
            texts.append(Array(string.utf8))
            return UInt16(texts.count - 1)
        }
        return switch part {
        case .address: .address
        case .principal: .principal
        case .route: .route
        case .header(let name): .header(FieldName.intern(Array(name.utf8).span), text(name))
        case .claim(let name): .claim(text(name))
        }
    }

    func window(of budget: Budget) -> WindowTable? {
        if case .window(let table, _, _) = budget.measure { return windows[Int(table)] }
        return nil
    }
}

extension LimitSettings.Budget {
    /// One item of `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11). Windows there are whole seconds, so
    /// what is less than one is scaled to one.
    fileprivate var policyItem: String {
        func item(_ requests: UInt32, _ per: UInt32) -> String {
            guard per < 1000 else { return "\"\(name)\";q=\(requests);w=\((per + 999) / 1000)" }
            return "\"\(name)\";q=\(UInt64(requests) * 1000 / UInt64(per));w=1"
        }
        return switch measure {
        case .rate(let requests, per: let per, burst: _): item(requests, per)
        case .window(let requests, per: let per): item(requests, per)
        case .concurrent(let most): "\"\(name)\";q=\(most);qu=\"concurrent-requests\""
        }
    }
}
