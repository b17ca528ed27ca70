public import Exchanges

/// `shield`: the per-peer rate of a route, before any cryptography is spent on the request.
public struct Shield {
    private let table: LimitTable
    private let hash: KeyedHash

    /// - Parameters:
    ///   - table: shared by all workers.
    ///   - hash: the same on all workers, secret to the process.
    public init(_ table: LimitTable, hash: KeyedHash) {
        self.table = table
        self.hash = hash
    }

    /// - Parameters:
    ///   - policy: the limit's number, the same over reloads.
    ///   - peer: the client's address as an IPv6 address (IPv4 mapped). An IPv6 peer is its /64: one
    ///     subscriber has that many addresses to hide behind.
    ///   - now: monotonic nanoseconds.
    public func decide(policy: UInt16, peer: (high: UInt64, low: UInt64), now: UInt64, rate: LimitRate) -> Verdict {
        let isV4 = peer.high == 0 && peer.low >> 32 == 0xffff
        let key = isV4 ? hash(peer.high, peer.low) : hash(peer.high, 0)
        let decision = table.decide(policy: policy, key: key, now: now, rate: rate)
        if decision.isAllowed { return .proceed }
        let wait = UInt32(clamping: decision.retryAfterNS / 1_000_000 + (decision.retryAfterNS % 1_000_000 == 0 ? 0 : 1))
        return .answer(Outcome(.rateLimited, "too many requests from this address", retryAfterMS: max(1, wait)))
    }
}
