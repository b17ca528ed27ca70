import EventCore
import Synchronization

/// The sagas' events as the log commits them: kept in memory for whoever follows, as long as it keeps up.
final class SagaFeed: Sendable {
    /// Events kept; beyond, they are forgotten, and read from the store.
    static let most = 10_000

    struct Page: Sendable {
        /// `events` are all that sagas have after this position…
        var since: UInt64
        /// … up to this one.
        var through: UInt64
        var events: [StoredEvent]
    }

    private let state = Mutex<Page?>(nil)
    private let feed: ChangeFeed
    private let subscription = Mutex<UInt64?>(nil)
    private let wakes: AsyncStream<Void>
    private let wake: AsyncStream<Void>.Continuation

    init(_ feed: ChangeFeed) {
        self.feed = feed
        (wakes, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        let id = feed.subscribe { [weak self] committed in self?.take(committed) }
        subscription.withLock { $0 = id }
    }

    func cancel() {
        if let id = subscription.withLock({ $0.take() }) { feed.cancel(id) }
        wake.finish()
    }

    /// On the log's thread.
    private func take(_ committed: Committed) {
        var events: [StoredEvent] = []
        var position = committed.first
        var isKnown = true
        for batch in committed.batches {
            if batch.aggregate.type == Saga.type {
                if case .exact(let before) = batch.expected {
                    for (i, event) in batch.events.enumerated() {
                        events.append(
                            StoredEvent(
                                position: position + UInt64(i), aggregate: batch.aggregate,
                                version: before + UInt64(i) + 1, event: event))
                    }
                } else {
                    isKnown = false
                }
            }
            position += UInt64(batch.events.count)
        }
        state.withLock { page in
            if isKnown, let present = page, present.events.count + events.count <= SagaFeed.most {
                page?.events += events
                page?.through = committed.head
            } else if isKnown, page == nil {
                page = Page(since: committed.first - 1, through: committed.head, events: events)
            } else {
                page = Page(since: committed.head, through: committed.head, events: [])
            }
        }
        wake.yield()
    }

    /// What was committed since the last one; nil at the end.
    func next() async -> Page? {
        for await _ in wakes {
            let page = state.withLock { page in
                defer { page = nil }
                return page
            }
            if let page { return page }
        }
        return nil
    }
}
