import Synchronization

/// What this process knows of things that stay on one side of a flag (SPEC R-5), and of things that are on none: the log
/// is the memory, and is asked for what is not here. Shared by the workers; read without a lock; it never grows: four words a
/// thing. What was looked at longest ago makes room.
///
/// A thing's versions count up, and an older word than the last is not heard: answers of the log may overtake each other.
public final class AffinityBoard: Sendable {
    /// Things that a process knows of.
    public static let most = 65_536
    /// Seconds that a thing is known at least, so that no stale answer finds its place empty. A set that is full of younger ones takes no more.
    private static let leastAge: UInt32 = 2

    public struct Known: Sendable, Equatable {
        /// Nil = nobody's: the weight decides.
        public var isOn: Bool?
        public var version: UInt32
        /// Monotonic seconds when the log said so.
        public var saidS: UInt32
        /// How many have begun, since it is known here.
        public var starts: UInt64
    }

    // Of each thing: tag | state | seconds of the last look | starts
    private let slots: LimitSlots
    private let salt: KeyedHash

    public init(most: Int = AffinityBoard.most, salt: KeyedHash = KeyedHash()) {
        slots = LimitSlots(keys: most, words: 3)
        self.salt = salt
    }

    /// What a thing is known by: never 0.
    public func key(flag: UInt16, entity: borrowing Span<UInt8>) -> UInt64 {
        // Spread over all bits, so that flags differ in their sets as well.
        let key = salt(entity) ^ (UInt64(flag) &* 0x9e37_79b9_7f4a_7c15)
        return key == 0 ? 1 : key
    }

    /// Nil = the log has to be asked.
    @inline(__always) public func find(_ key: UInt64, nowS: UInt32) -> Known? {
        let set = slots.set(key)
        guard let way = slots.find(key, in: set) else { return nil }
        let run = slots.run(set, way)
        let state = State(word: run[0].load(ordering: .acquiring))
        let starts = run[2].load(ordering: .acquiring)
        // The place may have been given away meanwhile.
        guard state.side != .unknown, set[way].load(ordering: .acquiring) == key else { return nil }
        if run[1].load(ordering: .relaxed) != UInt64(nowS) { run[1].store(UInt64(nowS), ordering: .relaxed) }
        return Known(isOn: state.side.isOn, version: state.version, saidS: state.saidS, starts: starts)
    }

    /// Somebody begins, or adds: who is finishing at this moment sees it.
    @inline(__always) public func noteStart(_ key: UInt64) {
        let set = slots.set(key)
        guard let way = slots.find(key, in: set) else { return }
        // A place that has another thing by now counts one too many: that one is released a turn later.
        slots.run(set, way)[2].wrappingAdd(1, ordering: .acquiringAndReleasing)
    }

    /// The log has said so.
    /// - Parameter isOn: nil = nobody's.
    public func put(_ key: UInt64, isOn: Bool?, version: UInt64, nowS: UInt32) {
        let state = State(side: Side(isOn), version: UInt32(min(version, UInt64(State.mostVersion))), saidS: nowS)
        let set = slots.set(key)
        slots.locked(key) {
            if let way = slots.find(key, in: set) {
                let run = slots.run(set, way)
                if State(word: run[0].load(ordering: .acquiring)).version <= state.version {
                    run[0].store(state.word, ordering: .releasing)
                }
                return
            }
            guard let way = place(in: set, nowS: nowS) else { return }
            let run = slots.run(set, way)
            set[way].store(0, ordering: .sequentiallyConsistent)
            run[0].store(state.word, ordering: .sequentiallyConsistent)
            run[1].store(UInt64(nowS), ordering: .sequentiallyConsistent)
            run[2].store(0, ordering: .sequentiallyConsistent)
            set[way].store(key, ordering: .sequentiallyConsistent)
        }
    }

    /// It is about to change: the log is asked from now on, and an older word than the last still is not heard.
    public func doubt(_ key: UInt64) {
        let set = slots.set(key)
        slots.locked(key) {
            guard let way = slots.find(key, in: set) else { return }
            let run = slots.run(set, way)
            var state = State(word: run[0].load(ordering: .acquiring))
            state.side = .unknown
            run[0].store(state.word, ordering: .releasing)
        }
    }

    /// An empty one, or that of the thing looked at longest ago.
    private func place(in set: LimitSlots.Word, nowS: UInt32) -> Int? {
        var oldest: (way: Int, seconds: UInt64)?
        for way in 0..<LimitSlots.ways {
            if set[way].load(ordering: .relaxed) == 0 { return way }
            let seconds = slots.run(set, way)[1].load(ordering: .relaxed)
            if seconds < oldest?.seconds ?? .max { oldest = (way, seconds) }
        }
        guard let oldest, oldest.seconds + UInt64(Self.leastAge) <= UInt64(nowS) else { return nil }
        return oldest.way
    }

    private enum Side: UInt64 {
        case unknown, nobody, off, on

        init(_ isOn: Bool?) {
            self =
                switch isOn {
                case nil: .nobody
                case false?: .off
                case true?: .on
                }
        }

        var isOn: Bool? {
            switch self {
            case .unknown, .nobody: nil
            case .off: false
            case .on: true
            }
        }
    }

    /// One word: version in 30 bits | side in 2 | seconds in 32
    private struct State {
        static let mostVersion: UInt32 = (1 << 30) - 1
        var side: Side
        var version: UInt32
        var saidS: UInt32

        init(side: Side, version: UInt32, saidS: UInt32) {
            self.side = side
            self.version = version
            self.saidS = saidS
        }

        init(word: UInt64) {
            version = UInt32(truncatingIfNeeded: word >> 34)
            side = Side(rawValue: word >> 32 & 3) ?? .unknown
            saidS = UInt32(truncatingIfNeeded: word)
        }

        var word: UInt64 { UInt64(version) << 34 | side.rawValue << 32 | UInt64(saidS) }
    }
}
