import Glibc
import Synchronization

/// The limits of all policies and keys in one table of fixed size, shared by the workers.
///
/// A key has one atomic word, the time it has been charged to (DESIGN 4.7), so a decision on a known
/// key is a search in one set and one compare-and-swap: exact over all workers, and never waiting.
/// The full 64-bit tag is stored beside it, so two keys never share a word. A new key takes the place
/// of one that owes nothing; only when all of a set owe something, of the one that owes least (then
/// that key is forgotten early; `evictions` counts it). The table never grows.
public final class LimitTable: Sendable {
    private let sets: [LimitSet]
    private let mask: Int
    private let salt: KeyedHash
    private let evicted = Atomic<UInt64>(0)

    /// - Parameter keys: how many keys are remembered; rounded up to 8 times a power of two.
    public init(keys: Int, salt: KeyedHash = KeyedHash()) {
        var count = 1
        while count * LimitSet.ways < keys { count *= 2 }
        sets = (0..<count).map { _ in LimitSet() }
        mask = count - 1
        self.salt = salt
    }

    /// Keys this table can remember.
    public var capacity: Int { sets.count * LimitSet.ways }
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
        // Keyed, so that nobody can aim at a set; 0 marks an empty place.
        let hash = salt(key, UInt64(policy))
        let tag = hash == 0 ? 1 : hash
        var hasEvicted = false
        let decision = sets[Int(truncatingIfNeeded: hash >> 40) & mask].decide(
            tag: tag, now: now, rate: rate, cost: cost, hasEvicted: &hasEvicted)
        if hasEvicted { evicted.add(1, ordering: .relaxed) }
        return decision
    }
}

/// Eight places: tags in one run, times in another.
final class LimitSet: Sendable {
    static let ways = 8

    private let tags: InlineArray<8, Atomic<UInt64>>
    private let dues: InlineArray<8, Atomic<UInt64>>
    /// Held while a new key is given a place, a few dozen nanoseconds; without it two workers could
    /// give one key two places, and so twice its budget. Decisions on known keys do not look at it.
    private let isInserting = Atomic<Bool>(false)

    init() {
        tags = InlineArray<8, Atomic<UInt64>> { _ in Atomic<UInt64>(0) }
        dues = InlineArray<8, Atomic<UInt64>> { _ in Atomic<UInt64>(0) }
    }

    @inline(__always)
    func decide(tag: UInt64, now: UInt64, rate: LimitRate, cost: UInt32, hasEvicted: inout Bool) -> LimitDecision {
        for way in 0..<LimitSet.ways where tags[way].load(ordering: .acquiring) == tag {
            if let decision = charge(way, tag, now, rate, cost) { return decision }
        }
        return insert(tag, now, rate, cost, &hasEvicted)
    }

    /// Decides at a place that held `tag` a moment ago; nil when the place was given away meanwhile.
    ///
    /// A place's word changes whenever it is given away, so the exchange fails then. (It would only
    /// succeed if the newcomer's time were equal to the nanosecond; the newcomer is charged one
    /// request too many in that case.)
    @inline(__always)
    private func charge(_ way: Int, _ tag: UInt64, _ now: UInt64, _ rate: LimitRate, _ cost: UInt32) -> LimitDecision? {
        var due = dues[way].load(ordering: .acquiring)
        while true {
            let (decision, next) = GCRA.decide(due: due, now: now, rate: rate, cost: cost)
            if !decision.isAllowed {
                return tags[way].load(ordering: .acquiring) == tag ? decision : nil
            }
            let (done, seen) = dues[way].compareExchange(expected: due, desired: next, ordering: .acquiringAndReleasing)
            if done { return decision }
            guard tags[way].load(ordering: .acquiring) == tag else { return nil }
            due = seen
        }
    }

    @inline(never)
    private func insert(
        _ tag: UInt64, _ now: UInt64, _ rate: LimitRate, _ cost: UInt32, _ hasEvicted: inout Bool
    ) -> LimitDecision {
        var spins = 0
        while !isInserting.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged {
            spins += 1
            // The holder was taken off its core: let it finish.
            if spins > 100 { sched_yield() }
        }
        defer { isInserting.store(false, ordering: .releasing) }
        var victim = 0
        var least = UInt64.max
        for way in 0..<LimitSet.ways {
            let present = tags[way].load(ordering: .acquiring)
            // Another worker was first. Nobody else gives places away now, so it stays there.
            if present == tag, let decision = charge(way, tag, now, rate, cost) { return decision }
            let due = present == 0 ? 0 : dues[way].load(ordering: .relaxed)
            if due < least {
                least = due
                victim = way
            }
        }
        let (decision, next) = GCRA.decide(due: now, now: now, rate: rate, cost: cost)
        guard decision.isAllowed else { return decision }
        hasEvicted = least > now
        // In this order: nobody finds the old key, nobody's exchange on the old word succeeds, the new key appears.
        tags[victim].store(0, ordering: .releasing)
        _ = dues[victim].exchange(next, ordering: .acquiringAndReleasing)
        tags[victim].store(tag, ordering: .releasing)
        return decision
    }
}
