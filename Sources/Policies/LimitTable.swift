import Synchronization

/// The rates of all policies and keys in one table of fixed size, shared by the workers.
///
/// A key has one atomic word, the time it has been charged to (DESIGN 4.7), so a decision on a known
/// key is a search in one set and one compare-and-swap: exact over all workers, and never waiting.
/// The full 64-bit tag is stored beside it, so two keys never share a word. A new key takes the place
/// of one that owes nothing; only when all of a set owe something, of the one that owes least (then
/// that key is forgotten early; `evictions` counts it). The table never grows: 16 bytes a key.
public final class LimitTable: Sendable {
    private let slots: LimitSlots
    private let salt: KeyedHash
    private let evicted = Atomic<UInt64>(0)

    /// - Parameter keys: how many keys are remembered; rounded up to 8 times a power of two.
    public init(keys: Int, salt: KeyedHash = KeyedHash()) {
        slots = LimitSlots(keys: keys, words: 1)
        self.salt = salt
    }

    /// Keys this table can remember.
    public var capacity: Int { slots.capacity }
    /// Keys forgotten although they still owed something.
    public var evictions: UInt64 { evicted.load(ordering: .relaxed) }

    /// Charges `cost` to a key, if its rate allows.
    ///
    /// - Parameters:
    ///   - policy: whose budget; one key has one word per policy.
    ///   - key: a keyed hash of the principal or peer (`KeyedHash`), or any number unique to it.
    ///   - now: monotonic nanoseconds; may be a little behind another worker's.
    ///   - cost: units, at least 1.
    public func decide(policy: UInt16, key: UInt64, now: UInt64, rate: LimitRate, cost: UInt32 = 1) -> LimitDecision {
        let tag = salt.tag(key, policy)
        let set = slots.set(tag)
        if let way = slots.find(tag, in: set), let decision = charge(set, way, tag, now, rate, cost) { return decision }
        return insert(set, tag, now, rate, cost)
    }

    /// Gives back what `decide` has charged; nothing when the key has been forgotten since.
    public func refund(policy: UInt16, key: UInt64, rate: LimitRate, cost: UInt32) {
        let tag = salt.tag(key, policy)
        let set = slots.set(tag)
        guard let way = slots.find(tag, in: set) else { return }
        // It was allowed once, so it is no more than the tolerance and an interval.
        let charge = rate.intervalNS &* UInt64(cost)
        var due = slots.run(set, way)[0].load(ordering: .acquiring)
        while due > charge, set[way].load(ordering: .acquiring) == tag {
            let (done, seen) = slots.run(set, way)[0].compareExchange(
                expected: due, desired: due &- charge, ordering: .acquiringAndReleasing)
            if done { return }
            due = seen
        }
    }

    /// Decides at a place that held `tag` a moment ago; nil when the place was given away meanwhile.
    ///
    /// A place's word changes whenever it is given away, so the exchange fails then. (It would only
    /// succeed if the newcomer's time were equal to the nanosecond; the newcomer is charged one
    /// request too many in that case.)
    @inline(__always)
    private func charge(
        _ set: LimitSlots.Word, _ way: Int, _ tag: UInt64, _ now: UInt64, _ rate: LimitRate, _ cost: UInt32
    ) -> LimitDecision? {
        let word = slots.run(set, way)
        var due = word[0].load(ordering: .acquiring)
        while true {
            let (decision, next) = GCRA.decide(due: due, now: now, rate: rate, cost: cost)
            if !decision.isAllowed {
                return set[way].load(ordering: .acquiring) == tag ? decision : nil
            }
            let (done, seen) = word[0].compareExchange(expected: due, desired: next, ordering: .acquiringAndReleasing)
            if done { return decision }
            guard set[way].load(ordering: .acquiring) == tag else { return nil }
            due = seen
        }
    }

    /// Under the set's lock: without it two workers could give one key two places, and so twice its budget.
    /// Decisions on known keys do not look at it.
    @inline(never)
    private func insert(
        _ set: LimitSlots.Word, _ tag: UInt64, _ now: UInt64, _ rate: LimitRate, _ cost: UInt32
    ) -> LimitDecision {
        slots.locked(tag) {
            var victim = 0
            var least = UInt64.max
            for way in 0..<LimitSlots.ways {
                let present = set[way].load(ordering: .acquiring)
                // Another worker was first. Nobody else gives places away now, so it stays there.
                if present == tag, let decision = charge(set, way, tag, now, rate, cost) { return decision }
                let due = present == 0 ? 0 : slots.run(set, way)[0].load(ordering: .relaxed)
                if due < least {
                    least = due
                    victim = way
                }
            }
            let (decision, next) = GCRA.decide(due: now, now: now, rate: rate, cost: cost)
            guard decision.isAllowed else { return decision }
            if least > now { evicted.add(1, ordering: .relaxed) }
            // In this order: nobody finds the old key, nobody's exchange on the old word succeeds, the new key appears.
            set[victim].store(0, ordering: .releasing)
            _ = slots.run(set, victim)[0].exchange(next, ordering: .acquiringAndReleasing)
            set[victim].store(tag, ordering: .releasing)
            return decision
        }
    }
}
