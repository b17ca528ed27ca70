import Synchronization

/// One commit of the log.
public struct Committed: Sendable {
    /// Global position of its last event; they have no gaps.
    public var head: UInt64
    /// In the order of their positions.
    public var batches: [Batch]

    public init(head: UInt64, batches: [Batch]) {
        self.head = head
        self.batches = batches
    }

    /// Global position of its first event.
    public var first: UInt64 { head + 1 - UInt64(batches.reduce(0) { $0 + $1.events.count }) }
}

/// Tells subscribers what was committed. Whoever keeps up need not read the store; whoever does not reads the
/// events from it at its own pace, from its own checkpoint, so a slow one holds nobody up.
public final class ChangeFeed: Sendable {
    private struct State {
        var head: UInt64 = 0
        var wakes: [(id: UInt64, wake: @Sendable (Committed) -> Void)] = []
        var nextId: UInt64 = 1
    }

    private let state = Mutex(State())

    init() {}

    /// Global position of the last event known to be on disk.
    public var head: UInt64 { state.withLock { $0.head } }

    /// Calls `wake` on the log's thread after each commit; it must not block, nor keep the events for long.
    /// - Returns: what `cancel` takes.
    public func subscribe(_ wake: @escaping @Sendable (Committed) -> Void) -> UInt64 {
        state.withLock { state in
            let id = state.nextId
            state.nextId += 1
            state.wakes.append((id, wake))
            return id
        }
    }

    public func cancel(_ id: UInt64) {
        state.withLock { state in state.wakes.removeAll { $0.id == id } }
    }

    /// The head after each commit, the newest only, beginning with the present one.
    public func heads() -> AsyncStream<UInt64> {
        let (stream, continuation) = AsyncStream.makeStream(of: UInt64.self, bufferingPolicy: .bufferingNewest(1))
        let id = subscribe { continuation.yield($0.head) }
        continuation.onTermination = { [weak self] _ in self?.cancel(id) }
        // Subscribed first, asked second: no commit falls between.
        continuation.yield(head)
        return stream
    }

    /// Where the log begins when it is opened.
    func begin(at head: UInt64) { state.withLock { $0.head = head } }

    func advance(to committed: Committed) {
        let wakes = state.withLock { state in
            state.head = committed.head
            return state.wakes
        }
        for subscriber in wakes { subscriber.wake(committed) }
    }
}
