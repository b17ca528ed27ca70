public import Exchanges

/// `shield`: the per-peer rate of a route, before any cryptography is spent on the request.
public struct Shield {
    private let table: LimitTable

    public init(_ table: LimitTable) { self.table = table }

    /// - Parameters:
    ///   - policy: the limit's number, the same over reloads.
    ///   - peer: the client's address as an IPv6 address (IPv4 mapped). An IPv6 peer is its /64: one
    ///     subscriber has that many addresses to hide behind.
    ///   - now: monotonic nanoseconds.
    ///   - emissionNS, burstNS: the limit as GCRA knows it.
    public func decide(
        policy: UInt16, peer: (high: UInt64, low: UInt64), now: UInt64, emissionNS: UInt64, burstNS: UInt64
    ) -> Verdict {
        let isV4 = peer.high == 0 && peer.low >> 32 == 0xffff
        let decision = table.decide(
            policy: policy, key: table.key(peer.high, isV4 ? peer.low : 0), now: now, emissionNS: emissionNS,
            burstNS: burstNS, cost: 1)
        if decision.allowed { return .proceed }
        let wait = UInt32(clamping: (decision.retryAfterNS + 999_999) / 1_000_000)
        return .answer(Outcome(.rateLimited, "too many requests from this address", retryAfterMS: max(1, wait)))
    }
}
