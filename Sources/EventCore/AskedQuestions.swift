import Exchanges
import Synchronization

/// What somebody in this process has asked the log and waits for.
final class AskedQuestions: Sendable {
    private struct State {
        var waiting: [UInt64: CheckedContinuation<Reply.Outcome, Never>] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    /// - Returns: what the answer will carry.
    func note(_ continuation: CheckedContinuation<Reply.Outcome, Never>) -> Ticket {
        let number = state.withLock { state in
            state.next += 1
            state.waiting[state.next] = continuation
            return state.next
        }
        return Ticket(
            worker: Ticket.inside, slot: UInt32(truncatingIfNeeded: number), generation: UInt32(truncatingIfNeeded: number >> 32))
    }

    func answer(_ replies: [Reply]) {
        for reply in replies {
            let number = UInt64(reply.ticket.generation) << 32 | UInt64(reply.ticket.slot)
            state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: reply.outcome)
        }
    }
}
