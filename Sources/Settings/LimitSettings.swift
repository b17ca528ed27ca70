/// The budgets that the stage `quota` charges, by their names (SPEC 5).
public struct LimitSettings: Sendable, Equatable {
    /// Clients remembered over all rates. As at the start: a reload does not change it.
    public var keys = 1_000_000
    /// The built-in ones first; one of the same name takes its place.
    public var budgets = Budget.builtIn
    /// What routes are charged that name none; nil = nothing.
    public var standard: String?

    public init() {}

    public struct Budget: Sendable, Equatable {
        public enum Measure: Sendable, Equatable {
            /// Requests, milliseconds, requests at once.
            case rate(UInt32, per: UInt32, burst: UInt32)
            /// An exact rolling window: requests, milliseconds.
            case window(UInt32, per: UInt32)
            /// So many at once.
            case concurrent(UInt32)
        }

        /// What tells clients apart.
        public enum Part: Sendable, Equatable {
            case address, principal, route
            /// Names in lower case.
            case header(String)
            case claim(String)
        }

        /// What is done with a client that has no such header, claim or principal.
        public enum Missing: String, Sendable, BitwiseCopyable, CaseIterable {
            /// Its address stands for it.
            case address
            /// It is refused.
            case refuse
            /// All of them share one budget.
            case share
        }

        public var name: String
        public var measure: Measure
        public var by: [Part] = [.principal]
        public var missing = Missing.address
        /// What is refused or fails gives its units back.
        public var countsAcceptedOnly = false
        /// Answers have X-RateLimit fields as well.
        public var legacyHeaders = false

        public init(name: String, measure: Measure) {
            self.name = name
            self.measure = measure
        }

        /// The table of SPEC 5.
        public static let builtIn: [Budget] = {
            var orders = Budget(name: "orders-accepted", measure: .window(10, per: 3_600_000))
            orders.countsAcceptedOnly = true
            return [
                Budget(name: "queries", measure: .rate(1000, per: 60_000, burst: 1000)),
                Budget(name: "search", measure: .rate(100, per: 60_000, burst: 100)),
                Budget(name: "temporal", measure: .rate(10, per: 60_000, burst: 10)), orders,
                Budget(name: "websockets", measure: .concurrent(1000)),
                // What a device publishes: 100 a second, and what has gathered in a minute without a connection.
                Budget(name: "devices", measure: .rate(6000, per: 60_000, burst: 6000)),
            ]
        }()

        /// Units there are at once: a cost above it could never be paid.
        public var most: UInt32 {
            switch measure {
            case .rate(_, per: _, let burst): burst
            case .window(let requests, per: _): requests
            case .concurrent(let most): most
            }
        }
    }

    /// The budget of this name.
    public func budget(_ name: String) -> Budget? { budgets.first { $0.name == name } }

    /// - Parameter issuers: whose claims there are.
    mutating func read(_ fields: Fields, issuers: [IssuerSettings]) {
        let diagnostics = fields.diagnostics
        keys = fields.integer("keys", in: 8...16_777_216) ?? keys
        var places: [String: SourcePosition] = [:]
        for item in fields.list("budgets") ?? [] {
            let entry = Fields(item, "a budget", diagnostics)
            guard let budget = Budget.read(entry) else { continue }
            for case .claim(let name) in budget.by where !issuers.contains(where: { $0.claims.contains { $0.description == name } }) {
                diagnostics.error(
                    at: entry.position(of: "by"), "no issuer of `identity` has '\(name)' among its 'claims': nobody would ever have it")
            }
            if let place = places[budget.name] {
                diagnostics.error(at: item.position, "the budget '\(budget.name)' is already defined at \(place)")
            }
            places[budget.name] = item.position
            if let same = budgets.firstIndex(where: { $0.name == budget.name }) {
                budgets[same] = budget
            } else {
                budgets.append(budget)
            }
        }
        if budgets.count > 200 {
            diagnostics.error(at: fields.position(of: "budgets"), "at most 200 budgets are supported")
        }
        if let value = fields.value("default"), let name = value.string("default", diagnostics) {
            standard = name == "off" ? nil : name
            if let standard, budget(standard) == nil {
                let hint = Spelling.hint(standard, among: budgets.map(\.name) + ["off"])
                diagnostics.error(at: value.position, "there is no budget '\(standard)'\(hint)")
            }
        }
        fields.finish()
    }
}

extension LimitSettings.Budget {
    /// Units of a window: each has a place in memory, for each client.
    static let mostOfWindow = 1000

    /// Nil after a report.
    fileprivate static func read(_ fields: Fields) -> Self? {
        let name = fields.name()
        let measure = readMeasure(fields)
        var budget = Self(name: name ?? "", measure: measure ?? .concurrent(1))
        if let value = fields.value("by") { budget.by = readParts(value, fields.diagnostics) }
        if let word = fields.choice("missing", Missing.allCases.map(\.rawValue)) {
            budget.missing = Missing(rawValue: word) ?? .address
        }
        if let word = fields.choice("count", ["all", "accepted"]) {
            budget.countsAcceptedOnly = word == "accepted"
            if case .concurrent = measure {
                fields.diagnostics.error(
                    at: fields.position(of: "count"), "'count' has no meaning for what is limited at once: it is given back in any case")
            }
        }
        budget.legacyHeaders = fields.bool("legacy_headers") ?? false
        fields.finish()
        return name == nil || measure == nil ? nil : budget
    }

    private static func readMeasure(_ fields: Fields) -> Measure? {
        let diagnostics = fields.diagnostics
        if fields.has("concurrent") {
            for key in ["requests", "per", "burst", "algorithm"] where fields.has(key) {
                diagnostics.error(at: fields.position(of: key), "a budget is either 'concurrent' or a rate: remove '\(key)'")
                _ = fields.value(key)
            }
            return fields.integer("concurrent", in: 1...1_000_000).map { .concurrent(UInt32($0)) }
        }
        for key in ["requests", "per"] where !fields.has(key) {
            diagnostics.error(at: fields.position, "a budget needs '\(key)', or 'concurrent' alone")
        }
        let isWindow = fields.choice("algorithm", ["gcra", "window"]) == "window"
        let requests = fields.integer("requests", in: 1...(isWindow ? mostOfWindow : 1_000_000_000))
        let per = fields.milliseconds("per", in: 1...(31 * 86_400_000))
        let burst = fields.integer("burst", in: 1...1_000_000_000)
        guard let requests, let per else { return nil }
        if isWindow {
            if fields.has("burst") {
                diagnostics.error(at: fields.position(of: "burst"), "a window has no 'burst': all of its requests may come at once")
            }
            return .window(UInt32(requests), per: per)
        }
        guard UInt64(per) * 1_000_000 >= UInt64(requests) else {
            diagnostics.error(at: fields.position(of: "requests"), "more than one request a nanosecond is no limit")
            return nil
        }
        return .rate(UInt32(requests), per: per, burst: UInt32(burst ?? requests))
    }

    private static func readParts(_ value: Value, _ diagnostics: Diagnostics) -> [Part] {
        let items: [Value] = if case .list(let items) = value.shape { items } else { [value] }
        var parts: [Part] = []
        for item in items {
            let part: Part?
            if case .map = item.shape {
                let fields = Fields(item, "what tells clients apart", diagnostics)
                let header = fields.string("header")
                let claim = fields.string("claim")
                fields.finish()
                switch (header, claim) {
                case (let header?, nil) where isToken(header): part = .header(header.lowercased())
                case (let header?, nil):
                    diagnostics.error(at: fields.position(of: "header"), "'\(header)' is not a header's name")
                    continue
                case (nil, let claim?) where !claim.isEmpty: part = .claim(claim)
                default:
                    diagnostics.error(at: item.position, "'by' is address, principal, route, { header: NAME } or { claim: NAME }")
                    continue
                }
            } else {
                switch item.choice("by", ["address", "principal", "route"], diagnostics) {
                case "address": part = .address
                case "principal": part = .principal
                case "route": part = .route
                default: part = nil
                }
            }
            guard let part else { continue }
            if parts.contains(part) {
                diagnostics.error(at: item.position, "'by' names this twice")
            } else {
                parts.append(part)
            }
        }
        if items.isEmpty { diagnostics.error(at: value.position, "'by' names nothing") }
        if parts.count > 4 { diagnostics.error(at: value.position, "'by' names at most 4 things") }
        return parts
    }

    private static func isToken(_ text: String) -> Bool {
        (1...256).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0 | 0x20 >= 97 && $0 | 0x20 <= 122 || $0 >= 48 && $0 <= 57 || $0 == 0x2d || $0 == 0x5f }
    }
}
