import Exchanges
import Pipeline
import Policies
import WireHTTP

/// What HTTP answers of routes with quotas say of them: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-
/// ratelimit-headers-11), and for old clients `X-RateLimit-…` where the budget asks for it. Numbers are written
/// where they stand; nothing is allocated.
enum RateLimitFields {
    /// - Parameter status: of the answer; redirects say nothing of limits.
    static func write(_ exchange: Exchange, status: UInt16, worker: Worker, into out: some FieldSink) {
        guard isTold(exchange, status) else { return }
        let charges = exchange.charges
        let tables = worker.era(of: exchange).quotas
        let budget = Int(charges.shown)
        let policy = tables.policies[Int(exchange.rule.quota)]
        let name = tables.names[budget]
        out.write(.other, "RateLimit-Policy", "ratelimit-policy", policy.span)
        out.begin(.rateLimit, "RateLimit", "ratelimit")
        out.text.append(name.span)
        out.text.append(";r=" as StaticString)
        out.text.append(decimal: charges.remaining)
        if charges.seconds > 0 {
            out.text.append(";t=" as StaticString)
            out.text.append(decimal: UInt64(charges.seconds))
        }
        out.finish()
        if tables.legacyLimits[budget] > 0 { writeLegacy(charges, tables.legacyLimits[budget], into: out) }
    }

    private static func isTold(_ exchange: Exchange, _ status: UInt16) -> Bool {
        (exchange.head.dialect == .http || exchange.head.dialect == .connect) && status >= 200 && !(300..<400).contains(status)
    }

    /// Do the fields for old clients take the place of the upstream's? Those are single numbers, and two of them would
    /// be none; `RateLimit` is a list, where both have a place.
    static func replacesLegacy(_ exchange: Exchange, status: UInt16, worker: Worker) -> Bool {
        guard exchange.charges.shown != Charges.noBudget, isTold(exchange, status) else { return false }
        return worker.era(of: exchange).quotas.legacyLimits[Int(exchange.charges.shown)] > 0
    }

    static func isLegacy(_ field: Field, _ text: borrowing Span<UInt8>) -> Bool {
        let name = text.extracting(field.nameText.range)
        return name.count > 12 && name.extracting(0..<12).equalsIgnoringCase("x-ratelimit-")
    }

    private static func writeLegacy(_ charges: Charges, _ limit: UInt32, into out: some FieldSink) {
        func field(_ title: StaticString, _ lower: StaticString, _ value: UInt64) {
            out.begin(.rateLimit, title, lower)
            out.text.append(decimal: value)
            out.finish()
        }
        field("X-RateLimit-Limit", "x-ratelimit-limit", UInt64(limit))
        field("X-RateLimit-Remaining", "x-ratelimit-remaining", charges.remaining)
        field("X-RateLimit-Reset", "x-ratelimit-reset", UInt64(charges.seconds))
    }
}
