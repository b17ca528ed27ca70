/// A rate as the generic cell rate algorithm (ITU-T I.371) wants it.
public struct LimitRate: Sendable, Hashable, BitwiseCopyable {
    /// Nanoseconds one unit of cost takes to come back.
    public var intervalNS: UInt64
    /// How far ahead of its schedule a key may be; 0 = evenly spaced requests only.
    public var toleranceNS: UInt64

    public init(intervalNS: UInt64, toleranceNS: UInt64) {
        self.intervalNS = max(intervalNS, 1)
        self.toleranceNS = toleranceNS
    }

    /// - Parameters:
    ///   - requests: allowed per `periodNS` in the long run, at least 1.
    ///   - burst: allowed at once by a key that was quiet; 0 counts as 1.
    public init(requests: UInt64, periodNS: UInt64, burst: UInt64) {
        let interval = max(periodNS / max(requests, 1), 1)
        let spare = max(burst, 1) - 1
        let (tolerance, tooLong) = interval.multipliedReportingOverflow(by: spare)
        self.init(intervalNS: interval, toleranceNS: tooLong ? .max >> 2 : min(tolerance, .max >> 2))
    }
}

/// What a limit said.
public struct LimitDecision: Sendable, Hashable, BitwiseCopyable {
    public var isAllowed: Bool
    /// Units that would be allowed right now, after this decision.
    public var remaining: UInt64
    /// When refused: how long until the same cost would be allowed; `UInt64.max` = never, it exceeds the burst.
    public var retryAfterNS: UInt64
    /// How long until the whole burst is there again.
    public var resetNS: UInt64
}

/// The algorithm on plain numbers; `LimitTable` keeps the one word it needs per key.
enum GCRA {
    /// - Parameter due: the theoretical arrival time the key has been charged to.
    /// - Returns: the decision, and the new theoretical arrival time if it was allowed.
    @inline(__always)
    static func decide(due: UInt64, now: UInt64, rate: LimitRate, cost: UInt32) -> (LimitDecision, UInt64) {
        let start = max(due, now)
        let window = rate.toleranceNS &+ rate.intervalNS
        let (charge, tooMuch) = rate.intervalNS.multipliedReportingOverflow(by: UInt64(cost))
        if tooMuch || charge > window {
            return (refusal(backlog: start &- now, window, rate, .max), start)
        }
        let next = start &+ charge
        let backlog = next &- now
        if backlog > window { return (refusal(backlog: start &- now, window, rate, backlog &- window), start) }
        return (
            LimitDecision(
                isAllowed: true, remaining: (window &- backlog) / rate.intervalNS, retryAfterNS: 0, resetNS: backlog),
            next
        )
    }

    @inline(__always)
    private static func refusal(backlog: UInt64, _ window: UInt64, _ rate: LimitRate, _ wait: UInt64) -> LimitDecision {
        LimitDecision(
            isAllowed: false, remaining: backlog > window ? 0 : (window &- backlog) / rate.intervalNS,
            retryAfterNS: wait, resetNS: backlog)
    }
}
