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
    let budgets: BudgetLedger
    /// Numbers of route names, for limits; past the budget routes share one.
    let policies = LabelTable(budget: 65_000)
    /// Makes limit keys of addresses.
    let hash = KeyedHash()
    let core: EventLog
    let desks: Desks
    let issuers: IssuerDirectory
    let revocations: Revocations
    /// One a worker.
    let tallies = Mutex<[IdentityTally]>([])
    let policyAgent: PolicyAgent
    let flags: FlagBoard
    /// What stays on one side of its flag.
    let affinities = AffinityBoard()
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
    /// One a worker: posts of the broker in its mailbox.
    let topicsPosted: [PostCount]

    init(
        meters: Meters, log: Log, accessLog: RequestLogWriter?, service: String, traceThreshold: UInt64,
        limits: LimitTable, budgets: BudgetLedger, core: EventLog, desks: Desks, issuers: IssuerDirectory,
        policyAgent: PolicyAgent, listeners: [ListenerShare],
        mailboxes: [Mailbox<WorkerMessage>], topicsPosted: [PostCount]
    ) {
        self.meters = meters
        self.log = log
        self.accessLog = accessLog
        self.service = service
        self.traceThreshold = traceThreshold
        self.limits = limits
        self.budgets = budgets
        self.core = core
        self.desks = desks
        self.issuers = issuers
        revocations = desks.revocations
        self.policyAgent = policyAgent
        flags = desks.flags
        self.listeners = listeners
        self.mailboxes = mailboxes
        heartbeats = mailboxes.map { _ in Heartbeat() }
        self.topicsPosted = topicsPosted
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
    /// Open connections by address. Counted while there is no limit, too: a reload may bring one.
    private let addresses = ConcurrencyTable(keys: 65_536)
    /// Those that there was no place for in `addresses`, and that no limit keeps out: by key, so that none of them is
    /// let go twice in place of another. No more than there are connections; nearly always none.
    private let uncounted = Mutex<[UInt64: Int]>([:])
    private let hasUncounted = Atomic<Int>(0)
    private let hash = KeyedHash()
    private let limitOfAddress: Atomic<Int>

    init(_ settings: Settings.Listener, isInherited: Bool) {
        self.settings = settings
        self.isInherited = isInherited
        limit = Atomic(settings.maxConnections)
        limitOfAddress = Atomic(settings.maxConnectionsPerAddress)
    }

    /// A reload may move the bounds; connections that are open stay.
    func adopt(_ configuration: Configuration) {
        guard let now = configuration.allListeners.first(where: { $0.name == settings.name }) else { return }
        limit.store(now.maxConnections, ordering: .relaxed)
        limitOfAddress.store(now.maxConnectionsPerAddress, ordering: .relaxed)
    }

    /// Takes a place for one more connection; false = a bound is reached.
    /// - Parameters:
    ///   - peer: its address; zero for a Unix socket, where there are no addresses to tell apart.
    ///   - isTrusted: it is a proxy that brings the connections of many.
    func enter(_ peer: (high: UInt64, low: UInt64), isTrusted: Bool) -> Bool {
        guard open.add(1, ordering: .relaxed).newValue <= limit.load(ordering: .relaxed) else {
            open.subtract(1, ordering: .relaxed)
            return false
        }
        guard peer != (0, 0) else { return true }
        let most = limitOfAddress.load(ordering: .relaxed)
        let isUnlimited = isTrusted || most == 0
        let key = key(peer)
        let decision = addresses.acquire(policy: 0, key: key, limit: isUnlimited ? .max : UInt64(most))
        if decision.isAllowed { return true }
        if isUnlimited {
            uncounted.withLock { $0[key, default: 0] += 1 }
            hasUncounted.add(1, ordering: .relaxed)
            return true
        }
        open.subtract(1, ordering: .relaxed)
        return false
    }

    func leave(_ peer: (high: UInt64, low: UInt64)) {
        open.subtract(1, ordering: .relaxed)
        guard peer != (0, 0) else { return }
        let key = key(peer)
        if hasUncounted.load(ordering: .relaxed) > 0, wasUncounted(key) { return }
        addresses.release(policy: 0, key: key)
    }

    private func wasUncounted(_ key: UInt64) -> Bool {
        let was = uncounted.withLock { counts in
            guard let count = counts[key] else { return false }
            counts[key] = count > 1 ? count - 1 : nil
            return true
        }
        if was { hasUncounted.subtract(1, ordering: .relaxed) }
        return was
    }

    private func key(_ peer: (high: UInt64, low: UInt64)) -> UInt64 {
        var key = LimitKey()
        key.add(address: peer, hash)
        return key.value
    }
}

/// How many posts of one sender stand in a mailbox: that sender's own bound, so that it never takes the place of others.
final class PostCount: Sendable {
    /// For the broker.
    static let most = 4096
    private let count = Atomic<Int>(0)
    /// Takes a place; false = there is none.
    func take() -> Bool {
        if count.add(1, ordering: .relaxed).newValue <= Self.most { return true }
        subtract(1)
        return false
    }
    func subtract(_ n: Int) { count.subtract(n, ordering: .relaxed) }
}

/// A worker's turns. Written by the worker, read by the watchdog.
final class Heartbeat: Sendable {
    private let turns = Atomic<UInt64>(0)
    func beat() { turns.store(turns.load(ordering: .relaxed) &+ 1, ordering: .relaxed) }
    var count: UInt64 { turns.load(ordering: .relaxed) }
}
