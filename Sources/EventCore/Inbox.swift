import Synchronization
import Threads

/// The bounded queue in front of the log: any thread puts, one thread takes all there is.
final class Inbox: Sendable {
    private struct State {
        var waiting: [Submission] = []
        var arrived: [AheadLoader.Arrival] = []
        /// Accepted and not yet answered, including those the log has taken.
        var depth = 0
        var closed = false
        var asleep = false
    }

    private let state = Mutex(State())
    private let bell = Bell()
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    var depth: Int { state.withLock { $0.depth } }

    /// False when it is full or closed.
    func put(_ submission: consuming Submission) -> Bool {
        let submission = submission
        let (taken, wake) = state.withLock { state in
            guard !state.closed && state.depth < capacity else { return (false, false) }
            state.waiting.append(submission)
            state.depth += 1
            let wake = state.asleep
            state.asleep = false
            return (true, wake)
        }
        if wake { bell.ring() }
        return taken
    }

    /// An aggregate that a parked submission waits for.
    func arrived(_ arrival: AheadLoader.Arrival) {
        let wake = state.withLock { state in
            state.arrived.append(arrival)
            let wake = state.asleep
            state.asleep = false
            return wake
        }
        if wake { bell.ring() }
    }

    /// Exchanges the waiting submissions and the arrivals for `empty` and `none` (whose memory is used again), sleeping
    /// while there are neither; false when the inbox is closed and all that was accepted is answered.
    func take(into empty: inout [Submission], _ none: inout [AheadLoader.Arrival]) -> Bool {
        while true {
            let more: Bool? = state.withLock { state in
                if !state.waiting.isEmpty || !state.arrived.isEmpty {
                    swap(&state.waiting, &empty)
                    swap(&state.arrived, &none)
                    return true
                }
                if state.closed && state.depth == 0 { return false }
                state.asleep = true
                return nil
            }
            if let more { return more }
            bell.wait()
        }
    }

    /// `n` taken submissions have been answered.
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
