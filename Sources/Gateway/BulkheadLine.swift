import Exchanges
import Reactor

/// One worker's exchanges in the line of a cluster's bulkhead, and when they give up. All of them wait
/// equally long, so the first is always the next.
final class BulkheadLine: Source {
    private struct Entry {
        let ticket: Ticket
        let untilMS: UInt64
    }
    private let worker: Worker
    private let bulkhead: Bulkhead
    private let patienceMS: UInt64
    private var entries: [Entry] = []

    init(_ bulkhead: Bulkhead, patienceMS: UInt32, worker: Worker) {
        self.bulkhead = bulkhead
        self.patienceMS = UInt64(patienceMS)
        self.worker = worker
        super.init()
        _ = worker.loop.register(self, descriptor: nil)
    }

    func add(_ ticket: Ticket) {
        entries.append(Entry(ticket: ticket, untilMS: worker.loop.nowMS + patienceMS))
        if entries.count == 1 { worker.loop.setDeadline(self, afterMS: max(1, patienceMS)) }
    }

    /// The exchange has its place.
    func admitted(_ ticket: Ticket) {
        if let place = entries.firstIndex(where: { $0.ticket == ticket }) { entries.remove(at: place) }
    }

    /// Those whose exchanges have ended otherwise (their clients left) wait no more.
    /// - Returns: true when there were any.
    func dropGone() -> Bool {
        let length = entries.count
        entries.removeAll { entry in
            guard worker.exchange(entry.ticket) == nil else { return false }
            _ = bulkhead.forget(entry.ticket)
            return true
        }
        return entries.count < length
    }

    override func deadlinePassed() {
        let late = entries.prefix { $0.untilMS <= worker.loop.nowMS }
        entries.removeFirst(late.count)
        if let next = entries.first { worker.loop.setDeadline(self, afterMS: next.untilMS - worker.loop.nowMS) }
        for entry in late {
            // A place may be on its way already; it finds the exchange gone, and goes on to the next.
            _ = bulkhead.forget(entry.ticket)
            if let exchange = worker.exchange(entry.ticket) { worker.refuse(exchange, .bulkheadFull) }
        }
    }

    func retire() { worker.loop.unregister(self) }
}
