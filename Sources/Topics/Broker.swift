import Exchanges
import Glibc
import Synchronization
import Threads

/// The one place that knows which session subscribes to what: a thread that carries out what workers ask, commits what has
/// to survive in groups, and answers after the commit (as the event log does, DESIGN 1.5).
///
/// Close it: its thread keeps it alive until then.
public final class Broker: Sendable {
    /// Takes the replies for one worker, in order, on the broker's thread; it must not block. False = the worker's mailbox is
    /// full, and nothing was taken: deliveries with QoS 0 are dropped then, all else is tried again later.
    public typealias Deliver = @Sendable (_ worker: UInt16, _ replies: [BrokerReply]) -> Bool

    /// Bounds; all have defaults.
    public struct Options: Sendable {
        /// Requests waiting or in work.
        public var queue = 65_536
        /// Sessions, connected or not.
        public var sessions = 100_000
        /// Those of one owner; he gets no more, whoever else there is.
        public var sessionsOfOne = 25_000
        /// Seconds that a session without a connection lives, at most.
        public var sessionExpiry: UInt32 = 7 * 24 * 3600
        /// Filters of one session.
        public var subscriptions = 128
        /// Messages waiting for one session, sent ones included.
        public var queuedMessages = 1000
        /// Bytes of them.
        public var queuedBytes = 1 << 20
        /// Bytes of all queues together.
        public var allQueuedBytes = 256 << 20
        /// Bytes of the filters and wills of all sessions, about. One owner's get no more than a tenth of them once half is taken.
        public var allSessionBytes = 256 << 20
        /// Messages on their way to one client, at most (its Receive Maximum may be lower).
        public var inFlight: UInt16 = 64
        /// Topics with a retained message.
        public var retained = 100_000
        /// Bytes of them.
        public var retainedBytes = 64 << 20
        /// Topics and levels of topics that one SUBSCRIBE may look at for retained messages; a filter that would need more is
        /// refused.
        public var retainedSteps = 500_000
        /// Refused messages that are kept; older ones are dropped.
        public var refused = 10_000

        public init() {}
    }

    let store: (any SessionStore)?
    let inbox: BrokerInbox
    let asked = AskedReplies()
    private let meters = BrokerMeters()
    private let thread: NamedThread

    /// - Parameters:
    ///   - store: nil = nothing survives the process.
    ///   - workers: how many there are: wills of sessions whose worker is not known go to one of them.
    /// - Throws: when the store cannot be read.
    public init(
        store: (any SessionStore)?, options: Options = Options(), workers: Int, deliver: @escaping Deliver
    ) throws(SessionStoreFault) {
        let now = Moment.now()
        let state =
            if let store {
                try BrokerState(store: store, options: options, workers: workers, now)
            } else {
                BrokerState(options: options, stores: false, workers: workers, now)
            }
        let inbox = BrokerInbox(capacity: options.queue)
        self.inbox = inbox
        self.store = store
        meters.set(state.readFigures())
        let (meters, asked) = (meters, asked)
        let outbox = Outbox { worker, replies in
            guard worker == Ticket.inside else { return deliver(worker, replies) }
            asked.answer(replies)
            return true
        }
        var loop = BrokerLoop(state: state, store: store, inbox: inbox, figures: meters, outbox: outbox)
        thread = NamedThread.required(name: "broker") { loop.run() }
    }

    /// As they were after the last group.
    public var figures: BrokerFigures { meters.read() }

    /// Requests waiting or in work.
    public var depth: Int { inbox.depth }

    /// Hands in a request, from any thread. False when the queue is full or closed; then nothing happens, and no answer comes.
    public func submit(_ request: BrokerRequest) -> Bool { inbox.put(.request(request)) }

    /// Carries out all that was handed in, then ends the thread. Not from `deliver`.
    public func close() {
        inbox.close()
        thread.join()
    }
}
