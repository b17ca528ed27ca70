public import EventCore
import Exchanges
import Synchronization

/// Carries sagas out (SPEC 17): follows the log, and for each saga that starts runs its steps, undoes them when it
/// must, and waits when it must wait. All that it knows is in the log; what it keeps in memory, and in its index,
/// it can find out again, so it may die at any point.
public final class Orchestrator: SagaStarter {
    public struct Options: Sendable {
        /// Sagas carried out at the same time; others queue.
        public var running: Int
        /// Sagas that are not over; more are not started. Those that stop others may be as many again: they are how
        /// there come to be fewer.
        public var open: Int

        public init(running: Int = 256, open: Int = 100_000) {
            self.running = max(1, running)
            self.open = max(1, open)
        }
    }

    /// Why a saga is looked at.
    struct Impulse: OptionSet, Sendable {
        let rawValue: UInt8
        /// The gate of a service that was away lets it through.
        static let admitted = Impulse(rawValue: 1)
        /// What it waited for from outside is there, or a person says so.
        static let woken = Impulse(rawValue: 2)
    }

    /// What a saga waits for, when nothing can be done for it now.
    enum Waits: Sendable, Equatable {
        case over
        /// For people.
        case people
        case another(Identifier)
        /// For the gate of an operation (nil: for something from outside), but only until then.
        case parked(operation: String?, until: Timestamp?)
        /// Nothing could be done, though something should: in a while again.
        case later
    }

    struct Running {
        var task: Task<Void, Never>
        /// What came for it meanwhile.
        var again: Impulse?
    }

    struct State {
        var open: [Identifier: OpenSaga] = [:]
        var ready = FIFO<Identifier>()
        var queued: [Identifier: Impulse] = [:]
        var running: [Identifier: Running] = [:]
        var gates: [String: Gate] = [:]
        /// Before which gate a saga waits.
        var gateOf: [Identifier: String] = [:]
        var deadlines = DueTimes<Timestamp>()
        /// Of whom nothing could be done, by uptime.
        var revisits = DueTimes<UInt64>()
        /// Who waits for a saga's end.
        var successors: [Identifier: Set<Identifier>] = [:]
        var timer: (task: Task<Void, Never>, untilMS: UInt64)?
        /// Runs that wait for their next attempt.
        var sleeping = 0
        /// Those of them who have yet to note what has happened.
        var sleepingBusy = 0
        /// Of the last event that was looked at.
        var position: UInt64 = 0
        /// No step begins any more.
        var isHolding = false
        var isStopped = false
        /// That follow the log and write the index.
        var tasks: [Task<Void, Never>] = []
    }

    let log: EventLog
    let index: SagaIndex
    let definitions: SagaDefinitions
    let operation: @Sendable (String) -> (any StepOperation)?
    let clock: any SagaClock
    let failPoints: FailPoints?
    let options: Options
    let meters = SagaMeters()
    let endings: EndingWaiters
    let state = Mutex(State())

    /// - Parameters:
    ///   - store: of the log, for whoever has fallen behind.
    ///   - index: for the index of open sagas, under the name `sagas`.
    ///   - operations: by their names.
    ///   - failPoints: nil but in tests.
    public init(
        log: EventLog, store: any EventStore, index: any ConsumerStore, definitions: SagaDefinitions,
        operations: @escaping @Sendable (String) -> (any StepOperation)?, clock: any SagaClock = SystemClock(),
        options: Options = Options(), failPoints: FailPoints? = nil
    ) {
        self.log = log
        self.definitions = definitions
        self.operation = operations
        self.clock = clock
        self.options = options
        self.failPoints = failPoints
        self.index = SagaIndex(store: index, events: store, clock: clock, meters: meters)
        endings = EndingWaiters(clock: clock)
    }

    /// Finds the open sagas again, goes on with them, and follows the log from then on, until `stop`.
    /// - Throws: when the store or the index cannot be read.
    public func begin() async throws(StoreError) {
        let feed = SagaFeed(log.feed)
        do throws(StoreError) {
            let (sagas, others, position) = try index.recover(through: log.feed.head)
            state.withLock { state in
                state.open = sagas
                state.position = position
            }
            for id in sagas.keys.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) + others { poke(id, []) }
            let following = Task { await self.follow(feed, from: position) }
            let indexing = Task { await self.index.keepWriting() }
            state.withLock { $0.tasks += [following, indexing] }
        } catch {
            feed.cancel()
            throw error
        }
    }

    /// Ends what it does, at once: what was under way is found by the next `begin`.
    public func stop() {
        let tasks = state.withLock { state in
            state.isStopped = true
            defer { state.tasks = [] }
            return state.tasks + state.running.values.map(\.task) + (state.timer.map { [$0.task] } ?? [])
        }
        for task in tasks { task.cancel() }
        index.flush()
    }

    public func figures() -> SagaMeters.Figures {
        var figures = meters.read()
        state.withLock { state in
            var orders: Set<Identifier> = []
            for saga in state.open.values {
                orders.insert(saga.order)
                figures.open[saga.status, default: 0] += 1
                figures.openTasks += saga.tasks.count
            }
            figures.orders = orders.count
            figures.running = state.running.count
            figures.queued = state.queued.count
            figures.sleeping = state.sleeping
            figures.position = state.position
        }
        return figures
    }

    // MARK: - SagaStarter

    public func start(_ name: String, order: Identifier) throws(Refusal) -> (saga: Identifier, commands: [Command]) {
        guard let definition = definitions[name] else { throw Refusal(.internalError, "no saga has this name") }
        guard let id = Identifier(definition.prefix + "-" + order.description) else {
            throw Refusal(.validationError, "the order's id is too long", field: "/orderId")
        }
        let most = definition.stops == nil ? options.open : 2 * options.open
        guard state.withLock({ $0.open.count }) < most else {
            throw Refusal(.upstreamUnavailable, "as many sagas are open as may be", retryAfterMS: 5000)
        }
        var commands: [Command] = []
        var other: Identifier?
        if let prefix = definition.stops, let stopped = Identifier(prefix + "-" + order.description) {
            other = stopped
            commands.append(.saga(stopped, .stop(by: id, reason: "stopped by \(id)")))
        }
        commands.append(.saga(id, .start(definition, order: order, after: other)))
        return (id, commands)
    }

    public func ending(of saga: Identifier, withinMS: UInt32) async -> SagaStatus? {
        await endings.wait(for: saga, withinMS: withinMS) {
            guard case .saga(let found)? = try? await self.log.state(of: AggregateName(kind: .saga, id: saga)) else { return nil }
            return found.ending ?? (found.isHandedOver ? .parked : nil)
        }
    }

    public func wake(_ saga: Identifier) { poke(saga, .woken) }
}
