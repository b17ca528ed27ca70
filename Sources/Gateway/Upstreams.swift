import Reactor
import Settings
import Synchronization

/// What all workers share about upstreams: the state of each cluster, by name.
final class Upstreams: Sendable {
    private struct Entry { weak var state: ClusterState? }
    private let clusters = Mutex<[String: Entry]>([:])

    /// The cluster's state; the same for all workers and generations that use the name at one time.
    func cluster(_ name: String) -> ClusterState {
        clusters.withLock { clusters in
            if let known = clusters[name]?.state { return known }
            clusters = clusters.filter { $0.value.state != nil }
            let state = ClusterState(name)
            clusters[name] = Entry(state: state)
            return state
        }
    }

    /// Every cluster in use, by name.
    var all: [ClusterState] {
        clusters.withLock { $0.values.compactMap(\.state) }.sorted { $0.name < $1.name }
    }
}

/// What all workers know of one cluster.
final class ClusterState: Sendable {
    let name: String
    /// Moves whenever a choice made before may be wrong now.
    let version = Atomic<UInt64>(0)
    let ejections = Atomic<UInt64>(0)
    let checksPassed = Atomic<UInt64>(0)
    let checksFailed = Atomic<UInt64>(0)
    let retriesRefused = Atomic<UInt64>(0)
    let breakerOpened = Atomic<UInt64>(0)
    /// Used only by clusters that have one: a lock that is hardly ever waited for, twice an attempt.
    let breaker = Mutex(CircuitBreaker())
    let bulkhead = Bulkhead()
    private struct Entry { weak var state: EndpointState? }
    private struct WeakGauge { weak var gauge: RetryGauge? }
    private let gauges = Mutex<[WeakGauge]>([])
    /// As the newest generation says; for reports.
    private let latest = Mutex<Settings.Cluster?>(nil)
    private let endpoints = Mutex<[SocketAddress: Entry]>([:])

    init(_ name: String) { self.name = name }

    func endpoint(_ address: SocketAddress, nowMS: UInt64) -> EndpointState {
        endpoints.withLock { endpoints in
            if let known = endpoints[address]?.state { return known }
            endpoints = endpoints.filter { $0.value.state != nil }
            let state = EndpointState(address, nowMS: nowMS)
            endpoints[address] = Entry(state: state)
            return state
        }
    }

    /// A worker has made its pools for the cluster.
    func joined(_ settings: Settings.Cluster, _ gauge: RetryGauge) {
        latest.withLock { $0 = settings }
        gauges.withLock { gauges in
            gauges.removeAll { $0.gauge == nil }
            gauges.append(WeakGauge(gauge: gauge))
        }
    }

    var settings: Settings.Cluster? { latest.withLock { $0 } }

    /// Requests and retries of the last seconds, over all workers.
    var budgets: (requests: UInt64, retries: UInt64) {
        gauges.withLock { gauges in
            gauges.reduce(into: (requests: UInt64(0), retries: UInt64(0))) { sum, entry in
                sum.requests += entry.gauge?.requests.load(ordering: .relaxed) ?? 0
                sum.retries += entry.gauge?.retries.load(ordering: .relaxed) ?? 0
            }
        }
    }

    /// Every endpoint in use.
    var allEndpoints: [EndpointState] {
        endpoints.withLock { $0.values.compactMap(\.state) }
            .sorted { $0.address.description < $1.address.description }
    }

    /// An active check was made.
    func checked(_ passed: Bool) {
        if passed { checksPassed.add(1, ordering: .relaxed) } else { checksFailed.add(1, ordering: .relaxed) }
    }

    func changed() { version.add(1, ordering: .relaxed) }

    /// An attempt at `endpoint` failed; too many in a row leave it out, unless too many are left out already.
    /// - Parameter count: endpoints of the cluster.
    /// - Returns: true when that left it out.
    func failed(_ endpoint: EndpointState, _ rule: Settings.Cluster.Ejection, of count: Int, nowMS: UInt64) -> Bool {
        guard endpoint.failed() >= rule.consecutive else { return false }
        // One at a time, so that two workers do not both take the last place that is left.
        let ejected = endpoints.withLock { endpoints in
            let out = endpoints.values.count { ($0.state?.standing.ejectedUntilMS ?? 0) > nowMS }
            guard endpoint.standing.ejectedUntilMS <= nowMS, (out + 1) * 100 <= rule.maxPercent * count else { return false }
            endpoint.eject(rule, nowMS: nowMS)
            return true
        }
        guard ejected else { return false }
        ejections.add(1, ordering: .relaxed)
        changed()
        return true
    }
}
