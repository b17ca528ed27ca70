import Exchanges
import Pipeline
import Reactor
import Settings
import TLS
import Telemetry
import WireHTTP

/// A worker's pools for one cluster: its endpoints, and the exchanges that wait for a connection.
final class Cluster: Source {
    let specification: Settings.Cluster
    let label: LabelTable.ID
    let limits: HTTP1Limits
    let http2: HTTP2Settings
    private(set) var endpoints: [Endpoint] = []
    /// What new connections are made with; nil = plain.
    var tls: TLSClientContext?
    let worker: Worker
    /// What all workers know of this cluster.
    let state: ClusterState
    let requestHash: RequestHash?
    var budget: RetryBudget
    /// Who is chosen (`Cluster+Choosing`), as of which version of `state`.
    var balancer: Balancer
    var seenVersion: UInt64 = 0
    /// On the first worker: active checks of the endpoints.
    var checks: [HealthCheck] = []
    /// Who waits for a place in the bulkhead, if there is one.
    private(set) var line: BulkheadLine?
    /// Exchanges in progress at all endpoints.
    var active = 0
    private var waiting: [Waiting] = []
    private var firstWaiting = 0
    private var byName: [String: [SocketAddress]] = [:]

    private struct Waiting {
        let ticket: Ticket
        let untilMS: UInt64
    }

    init(_ specification: Settings.Cluster, tls: TLSClientContext?, worker: Worker) {
        self.specification = specification
        self.tls = tls
        self.worker = worker
        label = worker.shared.meters.clusters.intern(specification.name)
        limits = HTTP1Limits(specification.limits)
        http2 = HTTP2Settings(specification)
        state = worker.shared.upstreams.cluster(specification.name)
        requestHash = RequestHash(specification.hash)
        budget = RetryBudget(specification.retryBudget, workers: worker.shared.heartbeats.count)
        balancer = Balancer(start: Int(worker.index))
        state.joined(specification, budget.gauge)
        super.init()
        _ = worker.loop.register(self, descriptor: nil)
        line = specification.bulkhead.map { BulkheadLine(state.bulkhead, patienceMS: $0.wait, worker: worker) }
        for name in Set(specification.endpoints.compactMap(\.hostName)) {
            byName[name] = worker.addresses[name] ?? []
        }
        rebuild()
    }

    /// A name's addresses changed. Endpoints that stay keep their connections.
    func resolved(_ name: String, to addresses: [SocketAddress]) {
        guard byName[name] != nil else { return }
        byName[name] = addresses
        rebuild()
        if endpoints.isEmpty && !isResolving { failWaiting(.unresolved) } else { serveWaiting() }
    }

    /// Is there no endpoint yet only because nothing has been heard of a name?
    var isResolving: Bool { endpoints.isEmpty && byName.keys.contains { worker.addresses[$0] == nil } }

    private func rebuild() {
        var wanted: [(SocketAddress, [UInt8])] = []
        for address in specification.endpoints {
            switch address {
            case .unix(let path): wanted.append((.unix(path), Array("localhost".utf8)))
            case .tcp(.literal(let ip), let port):
                wanted.append((SocketAddress(mapped: ip.high, ip.low, port: port), Array(address.description.utf8)))
            case .tcp(.name(let name), let port):
                for found in byName[name] ?? [] {
                    wanted.append((found.withPort(port), Array("\(name):\(port)".utf8)))
                }
            }
        }
        let old = endpoints
        endpoints = wanted.map { address, authority in
            old.first { $0.address == address && $0.authority == authority }
                ?? Endpoint(address, authority: authority, cluster: self, worker: worker)
        }
        for gone in old where !endpoints.contains(where: { $0 === gone }) { gone.retire() }
        endpointsChanged()
    }

    // MARK: - Waiting

    /// Lets an exchange wait for a connection; false = too many wait already.
    func wait(_ exchange: Exchange) -> Bool {
        let most = specification.pool.pending * max(1, endpoints.count)
        if waiting.count - firstWaiting >= most { dropGone() }
        guard waiting.count - firstWaiting < most else { return false }
        let patience = UInt64(exchange.rule.timeouts.queue)
        let untilMS = patience == 0 ? .max : worker.loop.nowMS + patience
        waiting.append(Waiting(ticket: exchange.ticket, untilMS: untilMS))
        worker.watch(exchange)
        // The deadline is that of the first to give up; a newcomer must not put it off.
        if patience > 0 && (deadlineMS == 0 || untilMS < deadlineMS) {
            worker.loop.setDeadline(self, afterMS: patience)
        }
        return true
    }

    /// Places of exchanges that have ended otherwise (their clients left) are free again.
    private func dropGone() {
        waiting = waiting[firstWaiting...].filter { worker.exchange($0.ticket) != nil }
        firstWaiting = 0
    }

    /// A connection became free or may be made: the longest waiting exchange goes first.
    func serveWaiting() {
        while firstWaiting < waiting.count {
            guard firstWithRoom() != nil else { return }
            let next = waiting[firstWaiting]
            firstWaiting += 1
            if firstWaiting == waiting.count {
                waiting.removeAll(keepingCapacity: true)
                firstWaiting = 0
            } else if firstWaiting >= 1024 && firstWaiting * 2 >= waiting.count {
                waiting.removeFirst(firstWaiting)
                firstWaiting = 0
            }
            if let exchange = worker.unanswered(next.ticket) { worker.proxy(exchange, by: self, avoiding: nil) }
        }
    }

    /// Serves who waits in the next turn: for callers that cannot have exchanges started under them.
    func serveWaitingSoon() {
        if firstWaiting < waiting.count { worker.loop.again(self) }
    }

    override func ready(_ readiness: Readiness) { serveWaiting() }

    override func deadlinePassed() {
        var late: [Ticket] = []
        var kept: [Waiting] = []
        for entry in waiting[firstWaiting...] {
            if entry.untilMS <= worker.loop.nowMS { late.append(entry.ticket) } else { kept.append(entry) }
        }
        waiting = kept
        firstWaiting = 0
        if let next = kept.map(\.untilMS).min(), next != .max {
            worker.loop.setDeadline(self, afterMS: max(1, next - worker.loop.nowMS))
        }
        fail(late, endpoints.isEmpty ? .unresolved : .saturated)
    }

    private func failWaiting(_ fault: UpstreamFault) {
        let all = waiting[firstWaiting...].map(\.ticket)
        waiting.removeAll()
        firstWaiting = 0
        fail(all, fault)
    }

    private func fail(_ tickets: [Ticket], _ fault: UpstreamFault) {
        for ticket in tickets {
            if let exchange = worker.exchange(ticket) { worker.fail(exchange, fault) }
        }
    }

    /// No era uses this cluster any more.
    func retire() {
        worker.loop.unregister(self)
        line?.retire()
        stopChecks()
        for endpoint in endpoints { endpoint.retire() }
        endpoints.removeAll()
    }
}

extension Address {
    /// The DNS name, if it is one.
    var hostName: String? {
        if case .tcp(.name(let name), _) = self { name } else { nil }
    }
}
