import Synchronization

/// The bounded queue in front of the log: any thread puts, one thread takes all there is.
final class Inbox: Sendable {
    private struct State {
        var waiting: [Submission] = []
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

    /// Exchanges the waiting submissions for `empty` (whose memory is used again), sleeping while there
    /// are none; false when the inbox is closed and drained.
    func take(into empty: inout [Submission]) -> Bool {
        while true {
            let more: Bool? = state.withLock { state in
                if !state.waiting.isEmpty {
                    swap(&state.waiting, &empty)
                    return true
                }
                if state.closed { return false }
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
