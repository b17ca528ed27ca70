import Exchanges
import Synchronization

/// How many calls of one cluster run at once, over all workers (SPEC F-2), and who waits: first come, first
/// served, whichever worker they are on. A place that becomes free goes straight to the first in line.
///
/// One short lock when a call begins and one when it ends; clusters without a bulkhead never come here.
final class Bulkhead: Sendable {
    private struct State {
        var inside = 0
        var waiting: [Ticket] = []
        var first = 0

        mutating func popFirst() -> Ticket? {
            guard first < waiting.count else { return nil }
            defer { tidy() }
            first += 1
            return waiting[first - 1]
        }

        /// Places in front of the line are given back now and then, not each time.
        mutating func tidy() {
            if first == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                first = 0
            } else if first >= 1024 && first * 2 >= waiting.count {
                waiting.removeFirst(first)
                first = 0
            }
        }
    }
    private let state = Mutex(State())

    enum Entry: Equatable { case inside, waiting, full }

    /// Takes a place, or a place in the line, or neither.
    /// - Parameters:
    ///   - most: calls at once.
    ///   - line: exchanges that may wait.
    func enter(_ ticket: Ticket, most: Int, line: Int) -> Entry {
        state.withLock { state in
            let length = state.waiting.count - state.first
            if length == 0 && state.inside < most {
                state.inside += 1
                return .inside
            }
            guard length < line else { return .full }
            state.waiting.append(ticket)
            return .waiting
        }
    }

    /// A call is over.
    /// - Returns: who has its place now, and must be told.
    func leave(most: Int) -> Ticket? {
        state.withLock { state in
            // After a reload there may be more inside than are allowed now.
            if state.inside <= most, let next = state.popFirst() { return next }
            state.inside -= 1
            return nil
        }
    }

    /// Takes an exchange out of the line; false = it is not there (any more).
    func forget(_ ticket: Ticket) -> Bool {
        state.withLock { state in
            // Who gives up has waited longest: near the front.
            guard let place = state.waiting[state.first...].firstIndex(of: ticket) else { return false }
            state.waiting.remove(at: place)
            state.tidy()
            return true
        }
    }

    /// Calls that run, exchanges that wait.
    var load: (inside: Int, waiting: Int) { state.withLock { ($0.inside, $0.waiting.count - $0.first) } }
}
