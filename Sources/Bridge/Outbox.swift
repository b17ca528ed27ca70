import Synchronization

/// Messages on their way out, between those who wait for the broker's answer and the bridge's thread.
final class Outbox: Sendable {
    /// One of them. Its waiter may have gone while libmosquitto still holds it.
    struct Entry {
        var message: OutwardMessage
        var endsMS: UInt64
        var waiter: CheckedContinuation<Publication, Never>?
    }

    private struct State {
        var fresh: [Entry] = []
        var underWay = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let most: Int

    init(most: Int) { self.most = most }

    /// Handed in and not yet acknowledged.
    var count: Int { state.withLock { $0.fresh.count + $0.underWay } }

    /// False when there is no room, or nobody who would send it.
    func put(_ entry: Entry) -> Bool {
        state.withLock { state in
            guard !state.isClosed, state.fresh.count + state.underWay < most else { return false }
            state.fresh.append(entry)
            return true
        }
    }

    /// Those that were handed in since; they count as under way until `done`.
    func take() -> [Entry] {
        state.withLock { state in
            defer { state.fresh = [] }
            state.underWay += state.fresh.count
            return state.fresh
        }
    }

    func done() { state.withLock { $0.underWay -= 1 } }

    /// Nothing is taken in any more.
    func close() { state.withLock { $0.isClosed = true } }
}
