import Exchanges
import Reactor

/// An exchange that waits before its next attempt. It holds no connection and no place; when its client
/// has left meanwhile, nothing is sent.
final class Backoff: Source {
    private let worker: Worker
    private var ticket = Ticket(worker: 0, slot: 0, generation: 0)
    private var cluster: Cluster?
    private var avoided: Endpoint?

    init(_ worker: Worker) {
        self.worker = worker
        super.init()
        _ = worker.loop.register(self, descriptor: nil)
    }

    /// - Parameter afterMS: at least 1.
    func wait(_ ticket: Ticket, for cluster: Cluster, avoiding endpoint: Endpoint, afterMS: UInt64) {
        self.ticket = ticket
        self.cluster = cluster
        avoided = endpoint
        worker.loop.setDeadline(self, afterMS: afterMS)
    }

    override func deadlinePassed() {
        guard let cluster else { return }
        let endpoint = avoided
        self.cluster = nil
        avoided = nil
        worker.idleBackoffs.append(self)
        if let exchange = worker.unanswered(ticket) { worker.proxy(exchange, by: cluster, avoiding: endpoint) }
    }
}
