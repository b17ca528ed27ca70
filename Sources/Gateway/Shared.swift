import EventCore
import Exchanges
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
    /// Makes limit keys of addresses.
    let hash = KeyedHash()
    let core: EventLog
    /// Ready for traffic: recovered, listening, not draining.
    let ready = Atomic<Bool>(false)
    let listeners: [ListenerShare]

    init(
        meters: Meters, log: Log, accessLog: RequestLogWriter?, service: String, traceThreshold: UInt64,
        limits: LimitTable, core: EventLog, listeners: [ListenerShare]
    ) {
        self.meters = meters
        self.log = log
        self.accessLog = accessLog
        self.service = service
        self.traceThreshold = traceThreshold
        self.limits = limits
        self.core = core
        self.listeners = listeners
    }
}

/// A listener's bound over all workers.
final class ListenerShare: Sendable {
    let settings: Settings.Listener
    private let open = Atomic<Int>(0)

    init(_ settings: Settings.Listener) { self.settings = settings }

    /// Takes a place for one more connection; false = the bound is reached.
    func enter() -> Bool {
        if open.add(1, ordering: .relaxed).newValue <= settings.maxConnections { return true }
        open.subtract(1, ordering: .relaxed)
        return false
    }

    func leave() { open.subtract(1, ordering: .relaxed) }
}
