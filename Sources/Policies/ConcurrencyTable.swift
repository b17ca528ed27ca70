import Synchronization

/// How much of something runs at once, by policy and key, shared by the workers. A key has a place only while it
/// holds something, so there is nothing to forget: where a set has no place left, nothing more is let in there
/// (`overflows` counts it). 16 bytes a key.
public final class ConcurrencyTable: Sendable {
    private let slots: LimitSlots
    private let salt: KeyedHash
    private let overflowed = Atomic<UInt64>(0)

    /// - Parameter keys: how many may hold something at once; rounded up to 8 times a power of two.
    public init(keys: Int, salt: KeyedHash = KeyedHash()) {
        slots = LimitSlots(keys: keys, words: 1)
        self.salt = salt
    }

    public var capacity: Int { slots.capacity }
    /// Keys that were refused because their set was full.
    public var overflows: UInt64 { overflowed.load(ordering: .relaxed) }

    /// Takes `cost` of the `limit` units a key may hold; `release` must follow once for each time it was allowed.
    public func acquire(policy: UInt16, key: UInt64, limit: UInt64, cost: UInt32 = 1) -> LimitDecision {
        let tag = salt.tag(key, policy)
        let cost = UInt64(cost)
        return slots.locked(tag) {
            let set = slots.set(tag)
            let known = slots.find(tag, in: set)
            guard let way = known ?? slots.find(0, in: set) else {
                overflowed.add(1, ordering: .relaxed)
                return LimitDecision(isAllowed: false, remaining: 0, retryAfterNS: 0, resetNS: 0)
            }
            let word = slots.run(set, way)
            let held = known == nil ? 0 : word[0].load(ordering: .relaxed)
            let left = limit > held ? limit - held : 0
            guard cost <= left else {
                return LimitDecision(isAllowed: false, remaining: left, retryAfterNS: 0, resetNS: 0)
            }
            word[0].store(held + cost, ordering: .relaxed)
            set[way].store(tag, ordering: .releasing)
            return LimitDecision(isAllowed: true, remaining: left - cost, retryAfterNS: 0, resetNS: 0)
        }
    }

    /// Gives back what `acquire` took.
    public func release(policy: UInt16, key: UInt64, cost: UInt32 = 1) {
        let tag = salt.tag(key, policy)
        slots.locked(tag) {
            let set = slots.set(tag)
            guard let way = slots.find(tag, in: set) else { return }
            let word = slots.run(set, way)
            let held = word[0].load(ordering: .relaxed)
            guard held > UInt64(cost) else { return set[way].store(0, ordering: .releasing) }
            word[0].store(held - UInt64(cost), ordering: .relaxed)
        }
    }
}
