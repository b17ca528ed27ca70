import Synchronization

/// What a bridge's thread shares with others.
final class LinkState: Sendable {
    let wakeup: Wakeup
    let outbox: Outbox
    private let closing = Atomic<Bool>(false)
    private let counters = Mutex(BridgeFigures())
    private let batch = Mutex<Batch?>(nil)

    init(_ wakeup: Wakeup, outbox: Outbox) {
        self.wakeup = wakeup
        self.outbox = outbox
    }

    var isClosing: Bool { closing.load(ordering: .acquiring) }

    func close() {
        closing.store(true, ordering: .releasing)
        wakeup.ring()
    }

    func count(_ change: (inout sending BridgeFigures) -> Void) { counters.withLock { change(&$0) } }

    /// The newest batch: what of it is unsettled shows in the figures.
    func hold(_ batch: Batch) { self.batch.withLock { $0 = batch } }

    var figures: BridgeFigures {
        var figures = counters.withLock { $0 }
        let batch = batch.withLock { $0 }
        figures.unsettled = batch?.unsettled ?? 0
        figures.atRisk = batch?.atRisk ?? 0
        figures.publishing = outbox.count
        return figures
    }
}
