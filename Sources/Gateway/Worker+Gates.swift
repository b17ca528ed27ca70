import Exchanges
import Pipeline
import Reactor
import Settings
import Synchronization

/// Breaker and bulkhead: what stands between an exchange and an attempt at a cluster that has them.
extension Worker {
    /// May the attempt begin? If not, the exchange waits or has been answered.
    /// - Parameter hasPlace: the bulkhead has just given it one.
    func passesGates(_ exchange: Exchange, to cluster: Cluster, hasPlace: Bool) -> Bool {
        let settings = cluster.specification
        guard settings.breaker != nil || settings.bulkhead != nil else { return true }
        if let rule = settings.breaker {
            switch cluster.state.breaker.withLock({ $0.admit(rule, nowMS: loop.nowMS) }) {
            case .admitted(let life): exchange.breakerLife = life
            case .refused(let retryAfterMS):
                if hasPlace { leaveBulkhead(of: cluster) }
                refuse(exchange, .breakerOpen(retryAfterMS: retryAfterMS))
                return false
            }
        }
        guard let rule = settings.bulkhead, !hasPlace else { return true }
        let line = rule.wait == 0 ? 0 : settings.pool.pending * max(1, cluster.endpoints.count)
        var entry = cluster.state.bulkhead.enter(exchange.ticket, most: rule.concurrent, line: line)
        if entry == .full, let waiting = cluster.line, waiting.dropGone() {
            entry = cluster.state.bulkhead.enter(exchange.ticket, most: rule.concurrent, line: line)
        }
        if entry == .inside { return true }
        if let rule = settings.breaker {
            _ = cluster.state.breaker.withLock { $0.ended(exchange.breakerLife, .unknown, rule, nowMS: loop.nowMS) }
        }
        if entry == .waiting {
            cluster.line?.add(exchange.ticket)
            watch(exchange)
        } else {
            refuse(exchange, .bulkheadFull)
        }
        return false
    }

    /// The bulkhead of its cluster has a place for an exchange of this worker.
    func admitted(_ ticket: Ticket, by state: ClusterState, most: Int) {
        guard let exchange = unanswered(ticket), case .upstream(let index) = exchange.target else {
            return pass(state.bulkhead.leave(most: most), by: state, most: most)
        }
        let cluster = era(of: exchange).clusters[Int(index)]
        cluster.line?.admitted(ticket)
        proxy(exchange, by: cluster, avoiding: nil, hasPlace: true)
    }

    /// A place in the bulkhead is free: the next in line has it.
    func leaveBulkhead(of cluster: Cluster) {
        guard let rule = cluster.specification.bulkhead else { return }
        pass(cluster.state.bulkhead.leave(most: rule.concurrent), by: cluster.state, most: rule.concurrent)
    }

    /// Tells the next in line. A mailbox that is full means that nobody can be told: the place goes on.
    private func pass(_ next: Ticket?, by state: ClusterState, most: Int) {
        var next = next
        while let ticket = next, !shared.mailboxes[Int(ticket.worker)].post(.admitted(ticket, state, most: most)) {
            next = state.bulkhead.leave(most: most)
        }
    }
}

extension Cluster {
    /// What the breaker and the bulkhead learn of an attempt that is over.
    func passGates(_ result: AttemptResult, of exchange: Exchange?) {
        if let rule = specification.breaker, let exchange {
            let opened = state.breaker.withLock {
                $0.ended(exchange.breakerLife, result.breakerResult, rule, nowMS: worker.loop.nowMS)
            }
            if opened { state.breakerOpened.add(1, ordering: .relaxed) }
        }
        worker.leaveBulkhead(of: self)
    }
}

extension AttemptResult {
    var breakerResult: CircuitBreaker.Result {
        switch self {
        case .cancelled: .unknown
        case .answered(let status): [500, 502, 503, 504].contains(status) ? .failure : .success
        case .failed(let fault): fault.isEndpointFailure ? .failure : .unknown
        }
    }
}
