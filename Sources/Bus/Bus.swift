public import EventCore

/// What whoever runs the bus should know, for its log.
public enum BusNote: Sendable {
    /// An event is in the consumer's dead-letter queue now (again, when an attempt from there has failed).
    case putAside(consumer: String, StoredEvent, Failure, attempts: Int)
    /// The consumer stands still until its store can be written.
    case cannotRemember(consumer: String, StoreError)
    /// The consumer stands still until the event store can be read.
    case cannotRead(consumer: String, StoreError)
}

/// Hands the log's events to its consumers (SPEC 14), each at its own pace from its own checkpoint.
///
/// A consumer that keeps up gets events from memory, and the store is not read for it. Events of one aggregate come
/// in order and one at a time; different aggregates go on beside each other, and one that fails holds up only
/// itself.
public final class Bus: Sendable {
    let followers: [Follower]
    private let tap: FeedTap
    private let feed: ChangeFeed
    private let subscription: UInt64

    /// Reads what each consumer remembers, and begins.
    /// - Parameters:
    ///   - feed: of the log that appends to `events`.
    ///   - consumers: their names differ; 64 at most.
    ///   - note: called now and then, from any thread; it must not block.
    /// - Throws: when `store` cannot be read or written.
    public init(
        feed: ChangeFeed, events: any EventStore, store: any ConsumerStore, consumers: [any Consumer],
        options: BusOptions = BusOptions(), clock: any BusClock = SystemBusClock(),
        note: @escaping @Sendable (BusNote) -> Void = { _ in }
    ) async throws(StoreError) {
        precondition(Set(consumers.map(\.name)).count == consumers.count, "two consumers have one name")
        let followers = consumers.map {
            Follower($0, feed: feed, events: events, store: store, options: options, clock: clock, note: note)
        }
        let tap = FeedTap(followers.map { ($0.consumer.types, $0.buffer) })
        self.followers = followers
        self.tap = tap
        self.feed = feed
        subscription = feed.subscribe { tap.take($0) }
        do throws(StoreError) {
            for follower in followers { try await follower.start(tap) }
        } catch {
            await stop()
            throw error
        }
    }

    /// Ends: takes nothing more in, waits a moment for what is being applied, and writes down how far each has come.
    public func stop() async {
        feed.cancel(subscription)
        for follower in followers { await follower.stop() }
    }

    /// How each consumer is doing, from any thread.
    public var figures: [ConsumerFigures] { followers.map { $0.report() } }
}
