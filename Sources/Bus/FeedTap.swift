import EventCore
import Synchronization

/// What the bus does on the log's thread: one look-up an event (none while types repeat), one append for each
/// consumer that wants it, one wake a commit.
final class FeedTap: Sendable {
    /// Consumers at most: a type's consumers are the bits of a word.
    static let most = 64

    private let wanted: [String: UInt64]
    private let buffers: [FeedBuffer]
    /// Position through which all events have been handed over.
    private let through = Atomic<UInt64>(0)

    init(_ consumers: [(types: Set<String>, buffer: FeedBuffer)]) {
        precondition(consumers.count <= FeedTap.most, "more consumers than the feed has bits")
        var wanted: [String: UInt64] = [:]
        for (i, consumer) in consumers.enumerated() {
            for type in consumer.types { wanted[type, default: 0] |= 1 << UInt64(i) }
        }
        self.wanted = wanted
        buffers = consumers.map(\.buffer)
    }

    /// Read it before draining a buffer: then everything through here is in what is drained.
    var position: UInt64 { through.load(ordering: .acquiring) }

    /// On the log's thread.
    func take(_ committed: Committed) {
        var position = committed.first
        var touched: UInt64 = 0
        var lastType = ""
        var lastMask: UInt64 = 0
        // By index: an event is large, and a copy of each would cost more than all the rest.
        for b in committed.batches.indices {
            for i in committed.batches[b].events.indices {
                if committed.batches[b].events[i].type != lastType {
                    lastType = committed.batches[b].events[i].type
                    lastMask = wanted[lastType] ?? 0
                }
                if lastMask != 0 {
                    touched |= lastMask
                    hand(committed.batches[b], i, position, to: lastMask)
                }
                position += 1
            }
        }
        through.store(committed.head, ordering: .releasing)
        if touched != 0 { each(touched) { $0.ring() } }
    }

    private func hand(_ batch: Batch, _ i: Int, _ position: UInt64, to mask: UInt64) {
        let before: UInt64
        switch batch.expected {
        case .exact(let version): before = version
        case .none: before = 0
        // The log never does; then only the store knows the versions.
        case .any: return each(mask) { $0.interrupt() }
        }
        let event = StoredEvent(
            position: position, aggregate: batch.aggregate, version: before + UInt64(i) + 1, event: batch.events[i])
        each(mask) { $0.add(event) }
    }

    private func each(_ mask: UInt64, _ body: (FeedBuffer) -> Void) {
        var left = mask
        while left != 0 {
            body(buffers[left.trailingZeroBitCount])
            left &= left - 1
        }
    }
}
