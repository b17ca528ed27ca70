import Exchanges
import Settings

extension RouteReader {
    /// What `on` may name, in the order of the documentation.
    static let reasons: [(name: String, reason: RetryPolicy.Reasons)] = [
        ("connect", .connect), ("reset", .reset), ("refused", .refused), ("timeout", .timeout), ("502", .status502),
        ("503", .status503), ("504", .status504),
    ]

    /// `retries: N`, or `retry` with all its numbers.
    func readRetry(_ fields: Fields, _ route: inout RouteDefinition) {
        if let retries = fields.integer("retries", in: 0...5) { route.retry = RetryPolicy(retries: UInt8(retries)) }
        guard let map = fields.fields("retry", "the retries of a route") else { return }
        if fields.has("retries") {
            diagnostics.error(at: fields.position(of: "retries"), "a route has either 'retries' or 'retry'")
        }
        var policy = RetryPolicy()
        policy.attempts = UInt8(map.integer("attempts", in: 1...6) ?? 2)
        if let given = map.list("on") {
            policy.reasons = []
            let names = RouteReader.reasons.map(\.name)
            for item in given {
                guard let word = item.choice("on", names, diagnostics) else { continue }
                for (name, reason) in RouteReader.reasons where name == word { policy.reasons.insert(reason) }
            }
        }
        policy.backoff = map.milliseconds("backoff", in: 0...60_000) ?? 25
        policy.maxBackoff = map.milliseconds("max_backoff", in: 0...60_000) ?? max(250, policy.backoff)
        policy.perTry = map.milliseconds("per_try", in: 0...3_600_000) ?? 0
        map.finish()
        if policy.maxBackoff < policy.backoff {
            diagnostics.error(at: map.position(of: "max_backoff"), "'max_backoff' cannot be shorter than 'backoff'")
        }
        route.retry = policy
    }
}

extension RetryPolicy {
    /// As `routes` and `explain` show it.
    var setting: (what: String, value: String) {
        if self == RetryPolicy(retries: attempts - 1) { return ("retries", "\(attempts - 1)") }
        var parts = ["up to \(attempts) attempts"]
        parts.append("on " + RouteReader.reasons.filter { reasons.contains($0.reason) }.map(\.name).joined(separator: ", "))
        if backoff > 0 {
            parts.append("after up to \(Quantity.text(milliseconds: backoff)), later \(Quantity.text(milliseconds: maxBackoff))")
        }
        if perTry > 0 { parts.append("each within \(Quantity.text(milliseconds: perTry))") }
        return ("retry", parts.joined(separator: "; "))
    }
}
