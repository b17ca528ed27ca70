/// A hashed timer wheel over the loop's slots: one timer a slot, all operations O(1), no allocation.
///
/// A deadline that moves *later* costs nothing: it is only stored in the source, and the wheel looks
/// again when the earlier place comes up. Only an earlier deadline moves the entry. Entries beyond
/// one rotation stay in their bucket and are looked at once per rotation.
struct TimerWheel {
    /// Milliseconds per tick: the precision of every deadline.
    static let tickMS: UInt64 = 8
    private static let bucketCount = 8192  // one rotation = 65.5 s
    private static let none = UInt32.max

    private var buckets = [UInt32](repeating: none, count: bucketCount)
    /// One bit a bucket: is anything in it?
    private var occupied = [UInt64](repeating: 0, count: bucketCount / 64)
    private var next: [UInt32] = []
    private var previous: [UInt32] = []
    /// The tick a slot is linked at; 0 = not linked.
    private var linkedAt: [UInt64] = []
    /// The last tick that has been handled.
    private var current: UInt64

    init(nowMS: UInt64) { current = nowMS / Self.tickMS }

    mutating func grow(to slots: Int) {
        let missing = slots - next.count
        guard missing > 0 else { return }
        next.append(contentsOf: repeatElement(Self.none, count: missing))
        previous.append(contentsOf: repeatElement(Self.none, count: missing))
        linkedAt.append(contentsOf: repeatElement(0, count: missing))
    }

    /// Makes sure the slot is looked at no later than `deadlineMS`.
    mutating func arm(_ slot: UInt32, deadlineMS: UInt64) {
        let tick = max(deadlineMS / Self.tickMS &+ 1, current &+ 1)
        let linked = linkedAt[Int(slot)]
        if linked != 0 {
            if linked <= tick { return }
            unlink(slot)
        }
        link(slot, at: tick)
    }

    mutating func disarm(_ slot: UInt32) {
        if linkedAt[Int(slot)] != 0 { unlink(slot) }
    }

    private mutating func link(_ slot: UInt32, at tick: UInt64) {
        let bucket = Int(tick & UInt64(Self.bucketCount - 1))
        let first = buckets[bucket]
        next[Int(slot)] = first
        previous[Int(slot)] = Self.none
        if first != Self.none { previous[Int(first)] = slot }
        buckets[bucket] = slot
        occupied[bucket >> 6] |= 1 << UInt64(bucket & 63)
        linkedAt[Int(slot)] = tick
    }

    private mutating func unlink(_ slot: UInt32) {
        let i = Int(slot)
        let bucket = Int(linkedAt[i] & UInt64(Self.bucketCount - 1))
        let after = next[i]
        let before = previous[i]
        if before == Self.none {
            buckets[bucket] = after
            if after == Self.none { occupied[bucket >> 6] &= ~(1 << UInt64(bucket & 63)) }
        } else {
            next[Int(before)] = after
        }
        if after != Self.none { previous[Int(after)] = before }
        linkedAt[i] = 0
    }

    /// Takes the slots whose place has come into `due`, unlinked. The caller compares their real
    /// deadlines and arms again what is not due yet.
    mutating func advance(toMS now: UInt64, into due: inout [UInt32]) {
        let target = now / Self.tickMS
        guard target > current else { return }
        // After a long sleep every bucket is visited at most once.
        var tick = target - current > UInt64(Self.bucketCount) ? target - UInt64(Self.bucketCount) : current
        while tick < target {
            tick &+= 1
            var slot = buckets[Int(tick & UInt64(Self.bucketCount - 1))]
            while slot != Self.none {
                let after = next[Int(slot)]
                if linkedAt[Int(slot)] <= target {
                    unlink(slot)
                    due.append(slot)
                }
                slot = after
            }
        }
        current = target
    }

    /// Milliseconds until the wheel must be advanced, looking at most `horizonMS` ahead.
    func waitMS(nowMS: UInt64, horizonMS: UInt64) -> UInt64 {
        let last = current &+ horizonMS / Self.tickMS
        var tick = current &+ 1
        while tick <= last {
            let bucket = tick & UInt64(Self.bucketCount - 1)
            let word = occupied[Int(bucket >> 6)] >> (bucket & 63)
            if word != 0 {
                tick &+= UInt64(word.trailingZeroBitCount)
                guard tick <= last else { break }
                let at = tick &* Self.tickMS
                return at > nowMS ? at - nowMS : 0
            }
            tick &+= 64 &- (bucket & 63)
        }
        return horizonMS
    }
}
