import Synchronization

/// Tells subscribers that there is more to read. It carries the position only: who follows reads the
/// events from the store at its own pace, from its own checkpoint, so a slow one holds nobody up.
public final class ChangeFeed: Sendable {
    private struct State {
        var head: UInt64 = 0
        var wakes: [(id: UInt64, wake: @Sendable (UInt64) -> Void)] = []
        var nextId: UInt64 = 1
    }

    private let state = Mutex(State())

    init() {}

    /// Global position of the last event known to be on disk.
    public var head: UInt64 { state.withLock { $0.head } }

    /// Calls `wake` on the log's thread after each commit, with the new head; it must not block.
    /// - Returns: what `cancel` takes.
    public func subscribe(_ wake: @escaping @Sendable (UInt64) -> Void) -> UInt64 {
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
        let id = subscribe { continuation.yield($0) }
        continuation.onTermination = { [weak self] _ in self?.cancel(id) }
        // Subscribed first, asked second: no commit falls between.
        continuation.yield(head)
        return stream
    }

    func advance(to head: UInt64) {
        let wakes = state.withLock { state in
            state.head = head
            return state.wakes
        }
        for subscriber in wakes { subscriber.wake(head) }
    }
}
