/// Which way an event takes (SPEC 14): by its type, in the configuration.
public enum DeliveryPath: String, Sendable {
    /// First in line; tried again until it goes well.
    case core
    /// At least once; after its retries it is put aside.
    case secondary
}

/// Bounds and delays of the bus. Every consumer has them for itself.
public struct BusOptions: Sendable {
    /// Event types on the core path; all others are on the secondary one.
    public var core: Set<String>
    /// Events being applied at a time.
    public var concurrency: Int
    /// Events in memory, taken in and not yet dealt with.
    public var window: Int
    /// Their payloads together, in bytes.
    public var windowBytes: Int
    /// Of them, of one aggregate; what comes after waits in the store.
    public var perAggregate = 64
    /// Aggregates held up by failures. When there are more, the consumer takes in nothing until some are released:
    /// a service that is away for all of them must not move the log into the queue.
    public var held: Int
    /// How long an apply may take before the checkpoint goes on without it.
    public var slowMS: UInt64 = 1000
    /// Longest time between an event that is dealt with and the checkpoint that says so.
    public var commitMS: UInt64 = 250
    /// Between the retries of an event on the secondary path; after the last it is put aside.
    public var delaysMS: [UInt64] = [1000, 2000, 4000, 8000, 16_000]
    /// The first delay on the core path; each further one is twice as long, up to `coreMostMS`, without end.
    public var coreDelayMS: UInt64 = 100
    public var coreMostMS: UInt64 = 5000
    /// What was put aside after transient failures is tried again after this time, then after twice that, and so
    /// on up to `asideMostMS`.
    public var asideMS: UInt64
    public var asideMostMS: UInt64 = 3_600_000
    /// How long `stop` waits for what is being applied.
    public var graceMS: UInt64 = 5000

    public init(
        core: Set<String> = [], concurrency: Int = 16, window: Int = 4096, windowBytes: Int = 16 << 20,
        held: Int = 10_000, asideMS: UInt64 = 300_000
    ) {
        self.core = core
        self.concurrency = max(1, concurrency)
        self.window = max(1, window)
        self.windowBytes = max(1, windowBytes)
        self.held = max(1, held)
        self.asideMS = max(1, asideMS)
    }

    public func path(of type: String) -> DeliveryPath { core.contains(type) ? .core : .secondary }

    /// The delay after the `failures`th failure in a row; nil = no more retries.
    func delay(after failures: Int, on path: DeliveryPath) -> UInt64? {
        switch path {
        case .core: doubled(coreDelayMS, failures - 1, most: coreMostMS)
        case .secondary: delaysMS.indices.contains(failures - 1) ? delaysMS[failures - 1] : nil
        }
    }

    /// The delay before the next attempt on what is put aside, after `failures` failures in all.
    func delayAside(after failures: Int) -> UInt64 {
        doubled(asideMS, max(0, failures - delaysMS.count - 1), most: asideMostMS)
    }

    private func doubled(_ first: UInt64, _ times: Int, most: UInt64) -> UInt64 {
        let shift = min(max(0, times), 32)
        let (value, overflow) = first.multipliedReportingOverflow(by: 1 << UInt64(shift))
        return overflow ? most : min(value, most)
    }
}
