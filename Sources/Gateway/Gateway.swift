import CShim
public import EventCore
public import Exchanges
import Glibc
import Identity
import Policies
public import Reactor
public import Routes
public import Settings
import Synchronization
public import Telemetry
import Threads
public import Topics
import WireHTTP

/// The running gateway: its workers, and the few things that may be asked of it from outside:
/// start, adopt a new generation, drain, stop. Safe to use from any thread.
public final class Gateway: Sendable {
    private let shared: Shared
    private let mailboxes: [Mailbox<WorkerMessage>]
    private let threads: Mutex<[NamedThread]>
    private let generations = Atomic<UInt64>(1)
    private let names: NameWatch
    /// The way out for calls of the gateway's own.
    public let outbound: Outbound
    /// The way in for messages from outside brokers.
    public let inlet: Inlet
    /// Where it listens: name and real address, in the order of the listeners.
    public let listening: [(name: String, address: SocketAddress)]

    /// How many there are.
    public static func workers(of configuration: Configuration) -> Int {
        switch configuration.workers {
        case .auto: max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        case .count(let n): n
        }
    }

    /// Reasons of `nexus_http_parse_errors_total`, by number.
    public static var parseErrorReasons: [String] { HTTP1Fault.allCases.map { "\($0.label)" } }

    /// Binds every listener, starts the core and the workers. Nothing is accepted before all binds
    /// have succeeded.
    /// - Parameters:
    ///   - inherited: sockets handed over by a supervisor, by listener name.
    ///   - startCore: makes the event log; its replies must be delivered through the given function.
    ///   - openDesks: makes what answers beside the log, from the log, the way out for calls, and the functions
    ///     that replies of the log and of the broker are delivered through. Nothing is asked of them before it has returned; calls they make
    ///     meanwhile begin with the workers.
    public init(
        configuration: Configuration, table: RouteTable, tls: TLSContexts, contracts: RouteContracts, stages: StageTables,
        meters: Meters,
        log: Log, accessLog: LogWriter?,
        inherited: [String: ListeningSocket] = [:],
        startCore: (@escaping EventLog.Deliver) throws -> EventLog,
        openDesks: (EventLog, any CallOut, @escaping EventLog.Deliver, @escaping Broker.Deliver) throws -> Desks = { _, _, _, _ in Desks() }
    ) throws {
        let count = Self.workers(of: configuration)
        // Every submission and every request at the checkout may bring a reply, and every call a cancellation: a
        // mailbox holds them all, so that none is ever refused.
        let orders = configuration.checkout.map { $0.inFlight + $0.waiting } ?? 0
        let capacity =
            configuration.store.queue + orders + 2 * Outbound.mostCalls + AccessSettings.OPA.mostPending
            + configuration.identity.issuers.count * Issuer.mostWaiting + PostCount.most
            + configuration.bridges.reduce(0) { $0 + $1.inFlight } + 8192
        let mailboxes = try (0..<count).map { _ in try Mailbox<WorkerMessage>(capacity: capacity) }
        let deliver: EventLog.Deliver = { worker, replies in _ = mailboxes[Int(worker)].post(.replies(replies)) }
        let core = try startCore(deliver)
        outbound = Outbound(mailboxes)
        inlet = Inlet(mailboxes, listeners: configuration.allListeners.map(\.name))
        let topicsPosted = mailboxes.map { _ in PostCount() }
        let tell: Broker.Deliver = { worker, replies in
            guard topicsPosted[Int(worker)].take() else { return false }
            if mailboxes[Int(worker)].post(.topics(replies)) { return true }
            topicsPosted[Int(worker)].subtract(1)
            return false
        }
        let desks = try openDesks(core, outbound, deliver, tell)
        let issuers = IssuerDirectory(
            calls: outbound, clock: { nx_monotonic_ns() / 1_000_000 },
            wake: { ticket in _ = mailboxes[Int(ticket.worker)].post(.wake(ticket)) }, note: { $0.write(to: log) })
        issuers.adopt(stages.identity.definitions)
        desks.revocations.adopt(issuers: configuration.identity.issuers.map(\.name))
        let policyAgent = PolicyAgent(outbound) { ticket, opinion in
            _ = mailboxes[Int(ticket.worker)].post(.opinion(ticket, opinion))
        }
        meters.add { policyAgent.families() }
        desks.flags.adopt(table.flags)
        let shared = Shared(
            meters: meters, log: log, accessLog: accessLog, service: configuration.telemetry.service,
            traceThreshold: Identifiers.threshold(fraction: configuration.telemetry.sample),
            limits: LimitTable(keys: configuration.shield.keys),
            budgets: BudgetLedger(keys: configuration.limits.keys), core: core, desks: desks, issuers: issuers,
            policyAgent: policyAgent,
            listeners: configuration.allListeners.map {
                ListenerShare($0, isInherited: inherited[$0.name] != nil)
            }, mailboxes: mailboxes, topicsPosted: topicsPosted)
        _ = core.feed.subscribe { [affinities = shared.affinities, flags = shared.flags] committed in
            affinities.follow(committed, flags, nowS: UInt32(truncatingIfNeeded: nx_monotonic_ns() / 1_000_000_000))
        }
        let sockets = try Self.bind(configuration, workers: count, inherited: inherited)
        let generation = Generation(number: 1, configuration: configuration, table: table, tls: tls, contracts: contracts,
            stages: stages)
        var started: [NamedThread] = []
        for index in 0..<count {
            let mine = zip(sockets[index], shared.listeners).map { ($0, $1) }
            let mailbox = mailboxes[index]
            started.append(
                try NamedThread(name: "nexus-\(index)", cpu: Self.cpu(configuration.affinity, index)) {
                    do {
                        let worker = try Worker(
                            index: UInt16(index), shared: shared, mailbox: mailbox, sockets: mine,
                            generation: generation)
                        worker.run()
                    } catch {
                        shared.log.error("a worker could not start", ["error": "\(error)"])
                        exit(71)  // EX_OSERR
                    }
                })
        }
        self.shared = shared
        self.mailboxes = mailboxes
        threads = Mutex(started)
        listening = zip(configuration.allListeners, sockets[0]).map { ($0.name, $1.address) }
        names = try NameWatch(configuration, log: log) { name, addresses in
            for mailbox in mailboxes { _ = mailbox.post(.resolved(name: name, addresses)) }
        }
        names.watch(configuration)
        meters.setGeneration(1)
        meters.add { [limits = shared.limits] in
            [
                Family(
                    "nexus_limit_evictions", .counter, "Keys forgotten although they still owed something.",
                    .integer(limits.evictions))
            ]
        }
        meters.add { [budgets = shared.budgets] in budgets.families() }
        meters.add { [upstreams = shared.upstreams] in upstreams.families(nowMS: nx_monotonic_ns() / 1_000_000) }
        meters.add {
            IdentitySeries.families(
                shared.tallies.withLock { $0 }, shared.issuers.figures(), revocations: shared.revocations.count)
        }
        // Ready means that somebody answers, not only that the kernel listens.
        while shared.heartbeats.contains(where: { $0.count == 0 }) { usleep(1000) }
        issuers.begin()
        shared.ready.store(true, ordering: .releasing)
    }

    /// One socket a worker and listener. A Unix socket cannot be bound twice: the workers share one.
    private static func bind(_ configuration: Configuration, workers: Int, inherited: [String: ListeningSocket])
        throws -> [[ListeningSocket]]
    {
        var columns: [[ListeningSocket]] = []
        for listener in configuration.allListeners {
            if let given = inherited[listener.name] {
                columns.append(try (0..<workers).map { $0 == 0 ? given : try given.duplicate() })
                continue
            }
            var address = SocketAddress(listener.address)
            var column: [ListeningSocket] = []
            // Sockets that are shared among workers would be shared with another process as well, silently.
            if workers > 1, case .tcp(_, port: 1...) = listener.address {
                try ListeningSocket(address, backlog: 1, shared: false).close()
            }
            for index in 0..<workers {
                if case .unix = address, let first = column.first {
                    column.append(try first.duplicate())
                    continue
                }
                let socket = try ListeningSocket(address, backlog: Int32(listener.backlog), shared: workers > 1)
                if index == 0 { address = socket.address }  // port 0: all workers take the port the first got
                column.append(socket)
            }
            columns.append(column)
        }
        return (0..<workers).map { index in columns.map { $0[index] } }
    }

    private static func cpu(_ affinity: Settings.Affinity, _ index: Int) -> Int32? {
        switch affinity {
        case .none: nil
        case .sequential: Int32(index)
        case .cpus(let list): list.isEmpty ? nil : Int32(list[index % list.count])
        }
    }

    /// Puts a new, already checked configuration in force. Running exchanges keep theirs.
    /// - Returns: the number of the generation.
    @discardableResult
    public func adopt(
        _ configuration: Configuration, _ table: RouteTable, _ tls: TLSContexts, _ contracts: RouteContracts, _ stages: StageTables
    ) -> UInt64 {
        let number = generations.add(1, ordering: .relaxed).newValue
        if !shared.flags.adopt(table.flags) { shared.log.error("too many names of flags for one process; those past them are off", [:]) }
        let generation = Generation(
            number: number, configuration: configuration, table: table, tls: tls, contracts: contracts,
            stages: stages)
        // Workers look for their issuers there; calls come after the clusters they go to.
        shared.issuers.adopt(stages.identity.definitions)
        shared.revocations.adopt(issuers: configuration.identity.issuers.map(\.name))
        for mailbox in mailboxes where !mailbox.post(.generation(generation)) {
            shared.log.error("a worker's mailbox was full; it keeps its generation", ["generation": "\(number)"])
        }
        shared.issuers.begin()
        for share in shared.listeners { share.adopt(configuration) }
        names.watch(configuration)
        shared.meters.setGeneration(number)
        return number
    }

    /// Readiness goes first. Running exchanges may finish, and new ones are served on connections that then
    /// close; listeners close last, when nothing is left or `closeListeners` says so. `wait` returns when the
    /// last connection is gone.
    /// - Parameter isHeld: the workers stay until `release` (or `stop`), for calls of the gateway's own.
    public func drain(isHeld: Bool = false) {
        shared.isHeld.store(isHeld, ordering: .releasing)
        shared.ready.store(false, ordering: .releasing)
        for mailbox in mailboxes { _ = mailbox.post(.drain) }
    }

    /// No more calls will be made: the drain need not wait for them.
    public func release() {
        shared.isHeld.store(false, ordering: .releasing)
        for mailbox in mailboxes { _ = mailbox.post(.drain) }
    }

    /// Takes no new connections any more: the drain has been long enough.
    public func closeListeners() {
        for mailbox in mailboxes { _ = mailbox.post(.closeListeners) }
    }

    /// Ends every connection now.
    public func stop() {
        shared.ready.store(false, ordering: .releasing)
        for mailbox in mailboxes { _ = mailbox.post(.stop) }
    }

    /// Returns when all workers have ended, then closes the core: every command it took is answered
    /// or refused by then.
    /// - Parameter beforeCoreCloses: ends what still uses the core.
    public func wait(_ beforeCoreCloses: () -> Void = {}) {
        for thread in threads.withLock({ $0 }) { thread.join() }
        names.close()
        beforeCoreCloses()
        shared.core.close()
        shared.accessLog?.stop()
    }

    /// The turns each worker has made. A loop turns at least once a second, so a number that stands
    /// still for longer is a worker that hangs.
    public var turns: [UInt64] { shared.heartbeats.map(\.count) }
}

extension SocketAddress {
    /// A configured listener address; listeners are bound to literals and paths only.
    init(_ address: Address) {
        switch address {
        case .unix(let path): self = .unix(path)
        case .tcp(.literal(let ip), let port): self = SocketAddress(mapped: ip.high, ip.low, port: port)
        case .tcp(.name, let port): self = .v4(0x7f00_0001, port: port)
        }
    }
}
