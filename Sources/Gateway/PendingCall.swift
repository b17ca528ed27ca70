import Exchanges
import Reactor
import Synchronization

/// An outbound call between whoever waits for its answer and the worker that makes it.
final class PendingCall: Sendable {
    let call: OutboundCall
    /// When the caller's patience ends; nanoseconds of the loops' clock.
    let endsNS: UInt64
    private let state = Mutex(State())

    private struct State {
        var caller: CheckedContinuation<OutboundAnswer, Never>?
        /// Of the worker that has it.
        var mailbox: Mailbox<WorkerMessage>?
        /// Its exchange there.
        var ticket: Ticket?
        var isCancelled = false
    }

    init(_ call: OutboundCall, endsNS: UInt64) {
        self.call = call
        self.endsNS = endsNS
    }

    /// Gives the call to the first of `mailboxes` that takes it, counted from `first`.
    func begin(_ caller: CheckedContinuation<OutboundAnswer, Never>, by mailboxes: [Mailbox<WorkerMessage>], first: Int) {
        let answer: OutboundAnswer? = state.withLock { state in
            guard !state.isCancelled else { return .failed(.callCancelled, mayHaveRun: false) }
            for i in mailboxes.indices {
                let mailbox = mailboxes[(first + i) % mailboxes.count]
                // Under the lock, so that a cancellation comes behind it in the same mailbox.
                guard mailbox.post(.call(self)) else { continue }
                state.mailbox = mailbox
                state.caller = caller
                return nil
            }
            return .failed(.noWorker, mayHaveRun: false)
        }
        if let answer { caller.resume(returning: answer) }
    }

    /// The caller's task was cancelled. The worker answers, which knows how far the call has come; where its
    /// mailbox is full, the call goes on to its end.
    func cancel() {
        let mailbox = state.withLock { state in
            state.isCancelled = true
            return state.mailbox
        }
        _ = mailbox?.post(.cancelCall(self))
    }

    /// What the worker knows it by.
    var ticket: Ticket? {
        get { state.withLock { $0.ticket } }
        set { state.withLock { $0.ticket = newValue } }
    }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// The first answer counts.
    func answer(_ answer: OutboundAnswer) {
        let caller = state.withLock { $0.caller.take() }
        caller?.resume(returning: answer)
    }
}

extension Outcome {
    static var callCancelled: Outcome { Outcome(.cancelled, "the call was cancelled") }
    static var tooManyCalls: Outcome { Outcome(.upstreamUnavailable, "too many calls run already", retryAfterMS: 1000) }
    static var noWorker: Outcome { Outcome(.upstreamUnavailable, "no worker takes calls now", retryAfterMS: 1000) }
    static var gatewayStops: Outcome { Outcome(.upstreamUnavailable, "the gateway stops") }
}
