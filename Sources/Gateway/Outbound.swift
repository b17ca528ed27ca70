import CShim
public import Exchanges
import Reactor
import Synchronization

/// The way out for the gateway's own calls (DESIGN 1.2): each becomes an exchange of a worker, with nobody
/// behind its wire, and goes through that worker's pools, breakers, bulkheads and metrics like any client's.
public final class Outbound: Sendable, CallOut {
    /// Calls under way at a time, of the whole process.
    public static let mostCalls = 4096

    private let mailboxes: [Mailbox<WorkerMessage>]
    private let most: Int
    private let underWay = Atomic<Int>(0)
    private let turns = Atomic<Int>(0)

    static var late: Outcome { Outcome(.deadline, "the call's time was over before it began") }

    init(_ mailboxes: [Mailbox<WorkerMessage>], most: Int = Outbound.mostCalls) {
        self.mailboxes = mailboxes
        self.most = most
    }

    /// Makes the call, from any thread. The answer comes exactly once and within the call's time; cancelling the
    /// task ends the exchange.
    ///
    /// One attempt, but for what certainly had no effect: a connection that could not be made, a stream that was
    /// refused or turned away (GOAWAY), is tried once more. An HTTP method that is idempotent may go again after
    /// its connection was lost as well.
    public func call(_ call: OutboundCall) async -> OutboundAnswer {
        if let fault = call.fault { return .failed(fault, mayHaveRun: false) }
        guard underWay.add(1, ordering: .relaxed).newValue <= most else {
            underWay.subtract(1, ordering: .relaxed)
            return .failed(.tooManyCalls, mayHaveRun: false)
        }
        defer { underWay.subtract(1, ordering: .relaxed) }
        let pending = PendingCall(call, endsNS: nx_monotonic_ns() + UInt64(call.timeoutMS) * 1_000_000)
        let first = turns.add(1, ordering: .relaxed).newValue & .max
        return await withTaskCancellationHandler {
            await withCheckedContinuation { pending.begin($0, by: mailboxes, first: first % mailboxes.count) }
        } onCancel: {
            pending.cancel()
        }
    }
}
