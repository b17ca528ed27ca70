import Exchanges
import Pipeline
import Reactor

/// The ends of exchanges that wait: for a body, a connection, a bulkhead's place or a retry. Once a connection
/// has them, its streams look at the time themselves.
final class WaitingEnds: Source {
    private struct End {
        let ticket: Ticket
        let byMS: UInt64
    }

    private let worker: Worker
    /// A binary heap, the next end first. Ends of exchanges that wait no more are found when their time comes, or
    /// when they are more than those that live.
    private var heap: [End] = []
    private var most = 64

    init(_ worker: Worker) {
        self.worker = worker
        super.init()
        _ = worker.loop.register(self, descriptor: nil)
    }

    func add(_ ticket: Ticket, byMS: UInt64) {
        if heap.count >= most { dropGone() }
        heap.append(End(ticket: ticket, byMS: byMS))
        rise(heap.count - 1)
        if heap[0].byMS == byMS { arm() }
    }

    override func deadlinePassed() {
        while let next = heap.first, next.byMS <= worker.loop.nowMS {
            heap.swapAt(0, heap.count - 1)
            heap.removeLast()
            sink(0)
            guard let exchange = worker.unanswered(next.ticket), exchange.origin == nil else { continue }
            exchange.wire?.answer(UpstreamFault.timeout.outcome, of: exchange)
        }
        arm()
    }

    private func arm() {
        guard let next = heap.first else { return }
        worker.loop.setDeadline(self, afterMS: next.byMS > worker.loop.nowMS ? next.byMS - worker.loop.nowMS : 1)
    }

    /// Each time at least half of the places is free afterwards, so this costs little for each that is added.
    private func dropGone() {
        let left = heap.filter { worker.unanswered($0.ticket) != nil }
        heap.removeAll(keepingCapacity: true)
        for end in left {
            heap.append(end)
            rise(heap.count - 1)
        }
        most = max(64, left.count * 2)
    }

    private func rise(_ from: Int) {
        var place = from
        while place > 0, heap[place].byMS < heap[(place - 1) / 2].byMS {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    private func sink(_ from: Int) {
        var place = from
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2] where child < heap.count && heap[child].byMS < heap[least].byMS {
                least = child
            }
            guard least != place else { return }
            heap.swapAt(place, least)
            place = least
        }
    }
}
