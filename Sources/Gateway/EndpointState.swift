import Reactor
import Settings
import Synchronization

/// What all workers know of one endpoint of a cluster. It lives as long as a worker has the endpoint, so
/// a reload that keeps the endpoint keeps what is known of it.
///
/// The request path only reads: one load for an answer that went well. Writing is for failures and for
/// changes of state.
final class EndpointState: Sendable {
    let address: SocketAddress
    private let unhealthy = Atomic<Bool>(false)
    private let ejectedUntilMS = Atomic<UInt64>(0)
    private let sinceMS: Atomic<UInt64>
    /// Failures in a row, over all workers.
    private let failures = Atomic<UInt32>(0)
    private let ejection = Mutex(EjectionRecord())
    private let loads = Mutex<[WeakLoad]>([])

    private struct WeakLoad { weak var load: EndpointLoad? }

    init(_ address: SocketAddress, nowMS: UInt64) {
        self.address = address
        sinceMS = Atomic(nowMS)
    }

    var standing: Standing {
        Standing(
            isHealthy: !unhealthy.load(ordering: .relaxed), ejectedUntilMS: ejectedUntilMS.load(ordering: .relaxed),
            sinceMS: sinceMS.load(ordering: .relaxed))
    }

    // MARK: - Answers

    /// An answer that went well ends the row of failures.
    @inline(__always) func succeeded() {
        if failures.load(ordering: .relaxed) != 0 { failures.store(0, ordering: .relaxed) }
    }

    /// The number of failures in a row.
    func failed() -> Int { Int(failures.add(1, ordering: .relaxed).newValue) }

    /// Leaves it out for a while.
    func eject(_ rule: Settings.Cluster.Ejection, nowMS: UInt64) {
        let until = ejection.withLock { $0.eject(rule, nowMS: nowMS) }
        ejectedUntilMS.store(until, ordering: .relaxed)
        failures.store(0, ordering: .relaxed)
    }

    // MARK: - Checks

    /// What active checks have come to. True = that is news.
    func setHealthy(_ healthy: Bool, nowMS: UInt64) -> Bool {
        guard unhealthy.exchange(!healthy, ordering: .relaxed) == healthy else { return false }
        if healthy {
            sinceMS.store(nowMS, ordering: .relaxed)
            // Checks have seen it well: an ejection from before says nothing any more.
            ejectedUntilMS.store(0, ordering: .relaxed)
            failures.store(0, ordering: .relaxed)
        }
        return true
    }

    // MARK: - Load

    /// A worker's share of the load, from now until it lets go of `load`.
    func add(_ load: EndpointLoad) {
        loads.withLock { loads in
            loads.removeAll { $0.load == nil }
            loads.append(WeakLoad(load: load))
        }
    }

    /// Over all workers: exchanges in progress, connections.
    var load: (active: Int, open: Int) {
        loads.withLock { loads in
            loads.reduce(into: (0, 0)) { sum, entry in
                sum.0 += entry.load?.active.load(ordering: .relaxed) ?? 0
                sum.1 += entry.load?.open.load(ordering: .relaxed) ?? 0
            }
        }
    }
}

/// One worker's load on one endpoint. Written by that worker with plain stores, read by reports.
final class EndpointLoad: Sendable {
    let active = Atomic<Int>(0)
    let open = Atomic<Int>(0)
}

/// How often an endpoint has been ejected, and so how long it is next time.
struct EjectionRecord {
    private var times = 0
    private var untilMS: UInt64 = 0

    /// The end of the ejection that begins now: `time` for the first, n times that for the nth, `maxTime` at
    /// most. Every `time` it has been in use since the last one takes one off.
    mutating func eject(_ rule: Settings.Cluster.Ejection, nowMS: UInt64) -> UInt64 {
        if nowMS > untilMS { times -= min(times, Int((nowMS - untilMS) / UInt64(rule.time))) }
        times = min(times + 1, 10_000)
        untilMS = nowMS + min(UInt64(rule.time) * UInt64(times), UInt64(rule.maxTime))
        return untilMS
    }
}
