import EventCore
import Synchronization

/// How a consumer is doing.
public struct ConsumerFigures: Sendable, Equatable {
    public var name = ""
    /// Events applied, failed attempts, events put aside (each time), events skipped by operators.
    public var applied: UInt64 = 0
    public var failed: UInt64 = 0
    public var putAside: UInt64 = 0
    public var skipped: UInt64 = 0
    /// Events taken from memory, and pages read from the store because that was not enough.
    public var fed: UInt64 = 0
    public var pagesRead: UInt64 = 0
    /// Checkpoints and rows that could not be written; the consumer stands still until they can.
    public var failedCommits: UInt64 = 0
    /// Reads of the store that failed.
    public var failedReads: UInt64 = 0
    /// Position through which all is dealt with (or held).
    public var position: UInt64 = 0
    /// Events of the log after that.
    public var lagEvents: UInt64 = 0
    /// Age of the oldest event that is not dealt with, nor held.
    public var lagSeconds = 0.0
    /// Aggregates held up: in all, being retried, and in the dead-letter queue.
    public var held = 0
    public var retrying = 0
    public var aside = 0
    /// Events in the dead-letter queue, those that wait behind a failed one included, and the age of the oldest
    /// failure.
    public var dlqDepth: UInt64 = 0
    public var dlqSeconds = 0.0
    /// From the event's time to its being dealt with, in seconds, by upper bound (`bounds`; one more for the rest),
    /// for the core path and the secondary one.
    public var core = DeliveryTimes()
    public var secondary = DeliveryTimes()
}

/// What a follower leaves for those who ask how it is doing.
struct Standing {
    /// Counters, and what is held.
    var figures = ConsumerFigures()
    var position: UInt64 = 0
    /// It gets its events from the feed, and has taken them all.
    var isFed = false
    var oldest: Timestamp?
    var firstAside: Timestamp?
}

extension Follower {
    /// From any thread, without waiting for the follower.
    nonisolated func report() -> ConsumerFigures {
        let (now, head, nothingWaits) = (clock.now(), feed.head, buffer.isEmpty)
        let standing = standing.withLock { $0 }
        var figures = standing.figures
        figures.dlqSeconds = standing.firstAside.map { now.seconds(since: $0) } ?? 0
        if standing.isFed && standing.oldest == nil && nothingWaits {
            figures.position = max(head, standing.position)
        } else {
            figures.position = standing.position
            figures.lagEvents = head - min(head, standing.position)
            figures.lagSeconds = standing.oldest.map { now.seconds(since: $0) } ?? 0
        }
        return figures
    }
}

/// A histogram of durations in seconds.
public struct DeliveryTimes: Sendable, Equatable {
    public static let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60]
    /// Not cumulative.
    public private(set) var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    public private(set) var sum = 0.0

    mutating func add(_ seconds: Double) {
        counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
        sum += seconds
    }
}

extension Timestamp {
    /// Never negative: clocks step.
    func seconds(since earlier: Timestamp) -> Double { max(0, Double(microseconds - earlier.microseconds) / 1e6) }
}
