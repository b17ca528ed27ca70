import EventCore
import Synchronization

/// Events on their way from the log's thread to one consumer: in memory as long as it keeps up. Beyond the bound
/// it takes nothing more, and the consumer reads the store until it has caught up.
final class FeedBuffer: Sendable {
    private struct State {
        var events: [StoredEvent] = []
        var bytes = 0
        /// False: what was committed meanwhile is only in the store.
        var isComplete = false
    }

    private static let mostEvents = 8192
    private static let mostBytes = 16 << 20

    private let state = Mutex(State())
    private let wake: @Sendable () -> Void

    /// - Parameter wake: called on the log's thread.
    init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    /// On the log's thread.
    func add(_ event: StoredEvent) {
        state.withLock { state in
            guard state.isComplete else { return }
            guard state.events.count < Self.mostEvents, state.bytes < Self.mostBytes else {
                state.isComplete = false
                return
            }
            state.events.append(event)
            state.bytes += event.event.payload.count
        }
    }

    func ring() { wake() }

    /// From here on nothing is missed, until `drain` says so.
    func begin() {
        state.withLock { $0 = State(isComplete: true) }
    }

    /// Events have been lost, or will be: the consumer has to read.
    func interrupt() { state.withLock { $0.isComplete = false } }

    /// What has come, and whether that is all.
    func drain() -> (events: [StoredEvent], isComplete: Bool) {
        state.withLock { state in
            let out = (state.events, state.isComplete)
            state.events = []
            state.bytes = 0
            return out
        }
    }

    var isEmpty: Bool { state.withLock { $0.events.isEmpty && $0.isComplete } }
}
