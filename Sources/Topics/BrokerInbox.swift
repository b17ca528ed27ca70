import Synchronization
import Threads

/// The bounded queue in front of the broker: any thread puts, one thread takes all there is.
final class BrokerInbox: Sendable {
    enum Item: Sendable {
        case request(BrokerRequest)
        case inquiry(Inquiry)
    }

    private struct State {
        var waiting: [Item] = []
        /// Accepted and not yet carried out, including those that have been taken.
        var depth = 0
        var closed = false
        var asleep = false
    }

    private let state = Mutex(State())
    private let bell = Bell()
    private let capacity: Int

    init(capacity: Int) { self.capacity = max(1, capacity) }

    var isClosed: Bool { state.withLock { $0.closed } }
    var depth: Int { state.withLock { $0.depth } }

    /// False when it is full or closed.
    func put(_ item: consuming Item) -> Bool {
        let item = item
        let (taken, wake) = state.withLock { state in
            guard !state.closed && state.depth < capacity else { return (false, false) }
            state.waiting.append(item)
            state.depth += 1
            let wake = state.asleep
            state.asleep = false
            return (true, wake)
        }
        if wake { bell.ring() }
        return taken
    }

    /// Exchanges what waits for `empty` (whose memory is used again), sleeping for so long at most while there is nothing.
    /// - Returns: false when the inbox is closed and all that was accepted has been taken.
    func take(into empty: inout [Item], waitingMS: UInt64) -> Bool {
        for isLast in [false, true] {
            let more: Bool? = state.withLock { state in
                if !state.waiting.isEmpty {
                    swap(&state.waiting, &empty)
                    return true
                }
                if state.closed { return false }
                if !isLast { state.asleep = true }
                return isLast ? true : nil
            }
            if let more { return more }
            bell.wait(milliseconds: waitingMS)
        }
        return true
    }

    /// `n` taken items have been carried out.
    func finished(_ n: Int) { state.withLock { $0.depth -= n } }

    func close() {
        let wake = state.withLock { state in
            state.closed = true
            let wake = state.asleep
            state.asleep = false
            return wake
        }
        if wake { bell.ring() }
    }
}
