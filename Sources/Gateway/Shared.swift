import EventCore
import Exchanges
import Identity
import Policies
import Reactor
import Settings
import Synchronization
import Telemetry

/// What all workers share: immutable, or safe from any thread by its own means.
final class Shared: Sendable {
    let meters: Meters
    let log: Log
    let accessLog: RequestLogWriter?
    let service: String
    let traceThreshold: UInt64
    let limits: LimitTable
    /// Numbers of route names, for limits; past the budget routes share one.
    let policies = LabelTable(budget: 65_000)
    /// Makes limit keys of addresses.
    let hash = KeyedHash()
    let core: EventLog
    let desks: Desks
    let flags: FlagBoard
    let issuers: IssuerDirectory
    let revocations: Revocations
    /// One a worker.
    let tallies = Mutex<[IdentityTally]>([])
    let policyAgent: PolicyAgent
    let upstreams = Upstreams()
    /// The way to each worker.
    let mailboxes: [Mailbox<WorkerMessage>]
    /// Ready for traffic: recovered, listening, not draining.
    let ready = Atomic<Bool>(false)
    /// In a drain: somebody inside still has calls to make, so the workers stay.
    let isHeld = Atomic<Bool>(false)
    let listeners: [ListenerShare]
    /// One count a worker, of its turns: what moves is alive.
    let heartbeats: [Heartbeat]

    init(
        meters: Meters, log: Log, accessLog: RequestLogWriter?, service: String, traceThreshold: UInt64,
        limits: LimitTable, core: EventLog, desks: Desks, issuers: IssuerDirectory, policyAgent: PolicyAgent,
        listeners: [ListenerShare],
        mailboxes: [Mailbox<WorkerMessage>]
    ) {
        self.meters = meters
        self.log = log
        self.accessLog = accessLog
        self.service = service
        self.traceThreshold = traceThreshold
        self.limits = limits
        self.core = core
        self.desks = desks
        flags = desks.flags
        self.issuers = issuers
        revocations = desks.revocations
        self.policyAgent = policyAgent
        self.listeners = listeners
        self.mailboxes = mailboxes
        heartbeats = mailboxes.map { _ in Heartbeat() }
    }
}

/// A listener's bound over all workers.
final class ListenerShare: Sendable {
    /// As at the start: the socket, and its name for later generations.
    let settings: Settings.Listener
    /// The socket is a supervisor's: it stays open, and a successor answers there, when this process lets go.
    let isInherited: Bool
    private let open = Atomic<Int>(0)
    private let limit: Atomic<Int>

    init(_ settings: Settings.Listener, isInherited: Bool) {
        self.settings = settings
        self.isInherited = isInherited
        limit = Atomic(settings.maxConnections)
    }

    /// A reload may move the bound; connections that are open stay.
    func adopt(_ configuration: Configuration) {
        guard let now = configuration.allListeners.first(where: { $0.name == settings.name }) else { return }
        limit.store(now.maxConnections, ordering: .relaxed)
    }

    /// Takes a place for one more connection; false = the bound is reached.
    func enter() -> Bool {
        if open.add(1, ordering: .relaxed).newValue <= limit.load(ordering: .relaxed) { return true }
        open.subtract(1, ordering: .relaxed)
        return false
    }

    func leave() { open.subtract(1, ordering: .relaxed) }
}

/// A worker's turns. Written by the worker, read by the watchdog.
final class Heartbeat: Sendable {
    private let turns = Atomic<UInt64>(0)
    func beat() { turns.store(turns.load(ordering: .relaxed) &+ 1, ordering: .relaxed) }
    var count: UInt64 { turns.load(ordering: .relaxed) }
}
