import Glibc
import Synchronization

/// The memory of a table of limits: places for a fixed number of keys in sets of eight, each with a tag and a run
/// of words. Its pages are the kernel's, all zero, and become resident only when a key is put there; it never grows.
///
/// Unchecked, because pointers are not Sendable by themselves: these point to atomic words from `init` to `deinit`
/// and never change, and whoever uses a table keeps it alive.
final class LimitSlots: @unchecked Sendable {
    static let ways = 8
    typealias Word = UnsafeMutablePointer<Atomic<UInt64>>

    private let base: Word
    private let bytes: Int
    private let mask: Int
    /// Words of one set: eight tags, then eight runs.
    private let stride: Int
    /// Words behind each tag.
    let words: Int
    private let locks = InlineArray<256, Atomic<Bool>> { _ in Atomic<Bool>(false) }

    /// - Parameters:
    ///   - keys: how many there are places for; rounded up to 8 times a power of two.
    ///   - words: for each key.
    init(keys: Int, words: Int) {
        var sets = 1
        while sets * LimitSlots.ways < keys { sets *= 2 }
        mask = sets - 1
        self.words = words
        stride = LimitSlots.ways * (1 + words)
        bytes = sets * stride * 8
        let memory = mmap(nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else { preconditionFailure("no memory for \(keys) keys of limits") }
        // An atomic word is laid out as its value, and these are all zero.
        base = memory.bindMemory(to: Atomic<UInt64>.self, capacity: sets * stride)
    }

    deinit { munmap(base, bytes) }

    var capacity: Int { (mask + 1) * LimitSlots.ways }

    /// The set of a hash: its tags. 24 bits of the hash choose it, so more than 2^24 sets would not be used.
    @inline(__always) func set(_ hash: UInt64) -> Word {
        base + (Int(truncatingIfNeeded: hash >> 40) & mask) &* stride
    }

    /// The words of one place of a set.
    @inline(__always) func run(_ set: Word, _ way: Int) -> Word { set + (LimitSlots.ways &+ way &* words) }

    /// Where `tag` stands in its set.
    @inline(__always) func find(_ tag: UInt64, in set: Word) -> Int? {
        var way = 0
        while way < LimitSlots.ways {
            if set[way].load(ordering: .acquiring) == tag { return way }
            way &+= 1
        }
        return nil
    }

    /// Runs `body` while nobody else does for the same set; a few dozen nanoseconds, so waiting is spinning.
    @inline(__always) func locked<R>(_ hash: UInt64, _ body: () -> R) -> R {
        let place = Int(truncatingIfNeeded: hash >> 40) & 255
        var spins = 0
        while !locks[place].compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged {
            spins &+= 1
            // The holder was taken off its core: let it finish.
            if spins > 100 { sched_yield() }
        }
        defer { locks[place].store(false, ordering: .releasing) }
        return body()
    }
}

extension KeyedHash {
    /// The tag of a key under a policy. Keyed, so that nobody can aim at a set; 0 marks an empty place.
    @inline(__always) func tag(_ key: UInt64, _ policy: UInt16) -> UInt64 {
        let hash = self(key, UInt64(policy))
        return hash == 0 ? 1 : hash
    }
}
