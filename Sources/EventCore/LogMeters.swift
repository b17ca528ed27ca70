import Synchronization

/// The log's counters, read by whoever exports them. One lock a group, not one an event: the figures
/// of a group change together, and a reader sees either none or all of them.
public final class LogMeters: Sendable {
    /// Values by upper bound, as Prometheus has them but not cumulative.
    public struct Histogram: Sendable {
        public let bounds: [Double]
        /// One more than `bounds`: the last is for what exceeds them all.
        public private(set) var counts: [UInt64]
        public private(set) var sum = 0.0

        init(bounds: [Double]) {
            self.bounds = bounds
            counts = [UInt64](repeating: 0, count: bounds.count + 1)
        }

        mutating func add(_ value: Double) {
            counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
            sum += value
        }
    }

    public struct Figures: Sendable {
        /// Durable transactions.
        public var commits: UInt64 = 0
        /// Groups whose transaction failed.
        public var failedCommits: UInt64 = 0
        public var events: UInt64 = 0
        public var commands: UInt64 = 0
        /// Commands that repeated an earlier one, and got its outcome; messages that had come before.
        public var repeated: UInt64 = 0
        /// Records of requests in memory.
        public var remembered = 0
        /// Sessions of which messages are remembered.
        public var deliverySessions = 0
        public var queries: UInt64 = 0
        /// Commands and queries answered with a refusal.
        public var refused: UInt64 = 0
        /// Times that somebody else had written to an aggregate meanwhile.
        public var conflicts: UInt64 = 0
        /// Events that did not fit their schema and were not stored.
        public var invalidEvents: UInt64 = 0
        /// Aggregates read back from the store.
        public var loads: UInt64 = 0
        /// Those that began with a snapshot.
        public var loadsFromSnapshot: UInt64 = 0
        /// Events folded for them.
        public var eventsReplayed: UInt64 = 0
        public var snapshotsWritten: UInt64 = 0
        /// Snapshots that could not be kept.
        public var snapshotsFailed: UInt64 = 0
        /// Snapshots met in a load and left aside: damaged, of another form, of another log.
        public var snapshotsUnreadable: UInt64 = 0
        /// Global position of the last event known to be on disk.
        public var head: UInt64 = 0
        /// Aggregates in memory, and their bytes, about.
        public var cached: Int = 0
        public var cachedBytes: Int = 0
        /// Submissions answered together.
        public var groupSize = Histogram(bounds: [1, 4, 16, 64, 256, 1024, 4096])
        /// Of a transaction with its fsync.
        public var commitSeconds = Histogram(
            bounds: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1])
    }

    private let figures = Mutex(Figures())

    init() {}

    public func read() -> Figures { figures.withLock { $0 } }

    func update(_ change: (inout Figures) -> Void) { figures.withLock { change(&$0) } }
}
