/// The broker's counters and levels, as they are after a group.
public struct BrokerFigures: Sendable {
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

    /// Messages that a subscriber did not get, by reason.
    public struct Dropped: Sendable, Equatable {
        /// The session's queue, or all queues together, were full.
        public var queueFull: UInt64 = 0
        /// QoS 0, and the connection was congested.
        public var held: UInt64 = 0
        /// QoS 0, and the worker's mailbox was full.
        public var mailboxFull: UInt64 = 0
        public var expired: UInt64 = 0
        /// No member of a shared subscription could take it.
        public var noMember: UInt64 = 0
        /// It waited under a filter that its client may have no more.
        public var withdrawn: UInt64 = 0
        public init() {}
    }

    public var sessions = 0
    public var connected = 0
    public var subscriptions = 0
    /// In queues, what is in flight included.
    public var queuedMessages = 0
    /// Of them, each message counted once.
    public var queuedBytes = 0
    public var retained = 0
    public var retainedBytes = 0
    public var published: UInt64 = 0
    public var deliveries: UInt64 = 0
    public var dropped = Dropped()
    /// Sessions that had to go before their time, for others.
    public var evictions: UInt64 = 0
    /// Clients that got no session: their owner has as many as he may, or there is no room for anybody.
    public var refusedAsOwners: UInt64 = 0
    public var refusedAsFull: UInt64 = 0
    /// Filters of sessions that were refused when their clients came back.
    public var withdrawn: UInt64 = 0
    public var expiredSessions: UInt64 = 0
    public var takeOvers: UInt64 = 0
    public var wills: UInt64 = 0
    /// Refused messages that were kept.
    public var refusedKept: UInt64 = 0
    public var commits: UInt64 = 0
    public var failedCommits: UInt64 = 0
    /// Of a transaction with its fsync.
    public var commitSeconds = Histogram(bounds: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1])

    public init() {}
}
