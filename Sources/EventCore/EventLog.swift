public import Exchanges
import Glibc
import Synchronization
import Threads

/// The single writer (DESIGN 1.5): one thread that decides commands one after another against
/// aggregates in memory, and appends the events of all that arrived meanwhile in one transaction.
///
/// Close it: its thread keeps it alive until then.
public final class EventLog: Sendable {
    public struct Options: Sendable {
        /// Submissions waiting or in work.
        public var queue: Int
        /// Submissions in one transaction.
        public var group: Int
        /// Aggregates kept in memory.
        public var aggregates: Int
        /// Bytes of them, about.
        public var bytes: Int
        public var snapshots: SnapshotRule
        /// What events are held to.
        public var schemas: EventSchemas
        public var rules: DecisionRules
        public var repetitions: RepetitionLimits
        public var deliveries: DeliveryLimits
        /// The wall clock: what events are stamped with, and windows and leases are counted in.
        public var clock: @Sendable () -> Timestamp
        /// Is told of events that do not fit, on the log's thread, once a second at most.
        public var onInvalid: @Sendable (InvalidEvent) -> Void

        public init(
            queue: Int = 65_536, group: Int = 4096, aggregates: Int = 100_000, bytes: Int = 256 << 20,
            snapshots: SnapshotRule = SnapshotRule(), schemas: EventSchemas = EventSchemas(),
            rules: DecisionRules = DecisionRules(), repetitions: RepetitionLimits = RepetitionLimits(),
            deliveries: DeliveryLimits = DeliveryLimits(), onInvalid: @escaping @Sendable (InvalidEvent) -> Void = { _ in },
            clock: @escaping @Sendable () -> Timestamp = { .now() }
        ) {
            self.queue = max(1, queue)
            self.group = max(1, group)
            self.aggregates = max(1, aggregates)
            self.bytes = max(1, bytes)
            self.snapshots = snapshots
            self.schemas = schemas
            self.rules = rules
            self.repetitions = repetitions
            self.deliveries = deliveries
            self.clock = clock
            self.onInvalid = onInvalid
        }
    }

    /// Takes the replies for one worker, once a group, on the log's thread; it must not block.
    public typealias Deliver = @Sendable (_ worker: UInt16, _ replies: [Reply]) -> Void

    public let meters = LogMeters()
    public let feed = ChangeFeed()
    private let inbox: Inbox
    private let asked = AskedQuestions()
    private let thread: NamedThread
    private let snapshotter: Snapshotter?
    private let ahead: AheadLoader
    private let restored: Mutex<[UInt64]>

    /// Starts the threads.
    /// - Parameter snapshots: nil = every load folds all events.
    /// - Throws: when the store cannot be read.
    public init(
        store: any EventStore, snapshots: (any SnapshotStore)? = nil, options: Options = Options(),
        deliver: @escaping Deliver
    ) throws(StoreError) {
        let inbox = Inbox(capacity: options.queue)
        self.inbox = inbox
        let head = try store.head()
        let last = head == 0 ? nil : try store.read(after: head - 1, limit: 1).last
        let repetitions = try Repetitions(store: store, limits: options.repetitions)
        let deliveries = try Deliveries(store: store, limits: options.deliveries)
        restored = Mutex(deliveries.restored)
        feed.begin(at: head)
        meters.update { $0.head = head }
        let (meters, feed, asked) = (meters, feed, asked)
        let snapshotter = snapshots.map { Snapshotter(store: $0, meters: meters) }
        self.snapshotter = snapshotter
        snapshotter?.start()
        let loader = AggregateLoader(store: store, snapshots: snapshots, fewEvents: options.snapshots.fewEvents)
        let ahead = AheadLoader(loader, to: inbox)
        self.ahead = ahead
        ahead.start()
        let deliver: Deliver = { worker, replies in
            if worker == Ticket.inside { asked.answer(replies) } else { deliver(worker, replies) }
        }
        thread = NamedThread.required(name: "event-log") {
            var writer = LogWriter(
                store: store, loader: loader, ahead: ahead, snapshotter: snapshotter, options: options, meters: meters, feed: feed,
                repetitions: repetitions, deliveries: deliveries, head: head,
                lastTimestamp: last?.event.timestamp ?? Timestamp(microseconds: 0))
            var taken: [Submission] = []
            var arrivals: [AheadLoader.Arrival] = []
            while inbox.take(into: &taken, &arrivals) {
                writer.beginRound(&taken, &arrivals)
                var from = 0
                while from < taken.count {
                    let through = min(from + options.group, taken.count)
                    inbox.finished(writer.process(taken[from..<through], deliver))
                    from = through
                }
                writer.endRound()
                taken.removeAll(keepingCapacity: taken.capacity <= 4 * options.group)
            }
        }
    }

    /// Sessions of which messages were remembered when the log was opened, once: whoever knows sessions has those forgotten that
    /// are no more (`forgetDeliveries`).
    public func takeRestoredSessions() -> [UInt64] {
        restored.withLock { sessions in
            defer { sessions = [] }
            return sessions
        }
    }

    /// Submissions waiting or in work.
    public var depth: Int { inbox.depth }

    /// Hands in a command or query, from any thread. False when the queue is full or closed; then
    /// nothing happens and no reply comes. Otherwise exactly one reply comes.
    public func submit(_ submission: Submission) -> Bool { inbox.put(submission) }

    /// The same, for whoever in this process waits for the answer.
    /// - Throws: the refusal, also when the queue is full or closed.
    public func ask(
        _ work: Submission.Work, _ metadata: Metadata = Metadata(), access: ObjectAccess? = nil, repeatKey: RepeatKey? = nil
    ) async throws(Refusal) -> Reply.Outcome {
        let outcome = await withCheckedContinuation { continuation in
            let ticket = asked.note(continuation)
            let submission = Submission(ticket: ticket, work: work, metadata: metadata, access: access, repeatKey: repeatKey)
            if !inbox.put(submission) {
                let refusal = Refusal(.upstreamUnavailable, "too many commands wait to be written", retryAfterMS: 1000)
                asked.answer([Reply(ticket: ticket, outcome: .refused(refusal))])
            }
        }
        if case .refused(let refusal) = outcome { throw refusal }
        return outcome
    }

    /// Executes commands, all or none, in one transaction.
    /// - Parameter access: what the first one's aggregate must be, looked at in the same step; nil = anything.
    @discardableResult
    public func execute(
        _ commands: [Command], _ metadata: Metadata = Metadata(), access: ObjectAccess? = nil
    ) async throws(Refusal) -> [Accepted] {
        guard case .acceptedTogether(let accepted) = try await ask(.together(commands), metadata, access: access) else { return [] }
        return accepted
    }

    /// The aggregate as it is; with version 0 when it never was.
    public func state(of name: AggregateName) async throws(Refusal) -> AnyAggregate {
        guard case .state(let aggregate) = try await ask(.state(name)) else { return AnyAggregate(name.kind) }
        return aggregate
    }

    /// Answers all that was handed in, then ends the thread. Not from `deliver`.
    public func close() {
        inbox.close()
        thread.join()
        ahead.close()
        snapshotter?.close()
    }
}
