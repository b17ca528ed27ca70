import Synchronization

/// Exact rolling windows of one budget, shared by the workers: in no period's length are more units granted than
/// the budget has, wherever the period begins (ten orders an hour are ten).
///
/// A key keeps the times of its last units in a ring that is in order, so what is still within the window is found
/// by bisection. All of it happens under the lock of the key's set. The table has a fixed size; a new key takes the
/// place of the one of its set that has been quiet for longest, and `evictions` counts those that still counted.
public final class WindowTable: Sendable {
    /// Units a budget of this kind may have.
    public static let mostRequests = 1000
    /// Bytes one table may have; less than that becomes resident, where there are fewer keys.
    public static let mostBytes = 64 << 20

    private let slots: LimitSlots
    private let salt: KeyedHash
    private let evicted = Atomic<UInt64>(0)
    /// Units a ring has room for: a power of two.
    public let width: Int

    /// - Parameters:
    ///   - keys: wanted; there are fewer where they would take more than `mostBytes`.
    ///   - requests: units that the budget has, up to `mostRequests`. It may grow to `width`.
    public init(keys: Int, requests: Int, salt: KeyedHash = KeyedHash()) {
        precondition(requests >= 1 && requests <= Self.mostRequests)
        width = Self.width(for: requests)
        slots = LimitSlots(keys: min(keys, Self.mostKeys(width: width)), words: 1 + width)
        self.salt = salt
    }

    public static func width(for requests: Int) -> Int {
        var width = 16
        while width < requests { width *= 2 }
        return width
    }

    private static func mostKeys(width: Int) -> Int {
        var sets = 1
        while sets * 2 * LimitSlots.ways * (2 + width) * 8 <= mostBytes { sets *= 2 }
        return sets * LimitSlots.ways
    }

    public var capacity: Int { slots.capacity }
    /// Keys forgotten although some of their units were still within their window.
    public var evictions: UInt64 { evicted.load(ordering: .relaxed) }

    /// Charges `cost` units to a key, if there are as many.
    /// - Parameters:
    ///   - now: monotonic nanoseconds, not 0; may be a little behind another worker's.
    ///   - requests: the units of a window, at most `width`.
    /// - Returns: the decision, and the time by which `refund` knows the units.
    public func decide(
        key: UInt64, now: UInt64, requests: Int, periodNS: UInt64, cost: Int = 1
    ) -> (decision: LimitDecision, at: UInt64) {
        let tag = salt.tag(key, 0)
        return slots.locked(tag) {
            let set = slots.set(tag)
            let place = slots.find(tag, in: set)
            let ring = Ring(slots.run(set, place ?? 0), width)
            // A clock that lags must not put the ring out of order.
            let at = place == nil ? now : max(now, ring.newest)
            let live = place == nil ? 0 : ring.live(at, requests, periodNS)
            guard live + cost <= requests else {
                let wait = cost > requests ? .max : ring.time(ofLive: live + cost - requests - 1, of: live) &+ periodNS &- at
                return (
                    LimitDecision(
                        isAllowed: false, remaining: UInt64(requests - min(live, requests)), retryAfterNS: wait,
                        resetNS: live == 0 ? 0 : ring.newest &+ periodNS &- at), at
                )
            }
            let mine = place.map { _ in ring } ?? take(set, tag, now: at, periodNS)
            mine.push(at, times: cost)
            return (
                LimitDecision(
                    isAllowed: true, remaining: UInt64(requests - live - cost), retryAfterNS: 0, resetNS: periodNS), at
            )
        }
    }

    /// Gives units back that were charged at this time.
    public func refund(key: UInt64, at: UInt64, cost: Int = 1) {
        let tag = salt.tag(key, 0)
        slots.locked(tag) {
            let set = slots.set(tag)
            guard let way = slots.find(tag, in: set) else { return }
            let ring = Ring(slots.run(set, way), width)
            for _ in 0..<cost { ring.remove(at) }
        }
    }

    /// A place for a new key. Under the lock.
    private func take(_ set: LimitSlots.Word, _ tag: UInt64, now: UInt64, _ periodNS: UInt64) -> Ring {
        var victim = 0
        var oldest = UInt64.max
        for way in 0..<LimitSlots.ways {
            let isFree = set[way].load(ordering: .relaxed) == 0
            let newest = isFree ? 0 : Ring(slots.run(set, way), width).newest
            if newest < oldest {
                oldest = newest
                victim = way
            }
        }
        if oldest > 0 && oldest &+ periodNS > now { evicted.add(1, ordering: .relaxed) }
        let ring = Ring(slots.run(set, victim), width)
        ring.clear()
        set[victim].store(tag, ordering: .releasing)
        return ring
    }
}

/// The last units of one key: a word that counts them, then their times, oldest first from where it points; 0 is no
/// unit. Used under its set's lock only.
private struct Ring {
    private let word: LimitSlots.Word
    private let width: Int

    init(_ word: LimitSlots.Word, _ width: Int) {
        self.word = word
        self.width = width
    }

    private var next: Int { Int(truncatingIfNeeded: word[0].load(ordering: .relaxed)) }

    /// - Parameter i: 0 is the oldest, `width - 1` the newest.
    @inline(__always) private func place(_ i: Int) -> LimitSlots.Word { word + (1 &+ ((next &+ i) & (width &- 1))) }
    @inline(__always) private func time(_ i: Int) -> UInt64 { place(i)[0].load(ordering: .relaxed) }

    var newest: UInt64 { time(width - 1) }

    /// How many of the last `most` units are within the window that ends at `now`.
    func live(_ now: UInt64, _ most: Int, _ periodNS: UInt64) -> Int {
        var low = width - most
        var high = width
        while low < high {
            let middle = (low + high) / 2
            let time = time(middle)
            if time == 0 || time &+ periodNS <= now { low = middle + 1 } else { high = middle }
        }
        return width - low
    }

    /// The time of the `i`th oldest of the last `live` units.
    func time(ofLive i: Int, of live: Int) -> UInt64 { time(width - live + i) }

    func push(_ time: UInt64, times: Int) {
        for _ in 0..<times {
            place(0)[0].store(time, ordering: .relaxed)
            word[0].store(UInt64(truncatingIfNeeded: next &+ 1), ordering: .relaxed)
        }
    }

    /// Takes one unit of this time out, and closes the gap from the old end.
    func remove(_ at: UInt64) {
        var i = width - 1
        while i >= 0, time(i) > at { i -= 1 }
        guard i >= 0, at > 0, time(i) == at else { return }
        while i > 0 {
            place(i)[0].store(time(i - 1), ordering: .relaxed)
            i -= 1
        }
        place(0)[0].store(0, ordering: .relaxed)
    }

    func clear() { for i in 0...width { word[i].store(0, ordering: .relaxed) } }
}
