public import EventCore
import Synchronization

/// Which events a consumer has applied (SPEC B-4), for consumers whose deeds cannot be repeated: asked before, noted
/// together with the deed where that is a change of rows, else right after it. The bus's own checkpoint says the
/// same, but a moment later; what it says by now is forgotten here.
public final class AppliedVersions: Sendable {
    private static let prefix = "applied/"
    /// Notes between two looks for what can be forgotten; so many rows at most stay longer than they need to.
    private static let between: UInt64 = 256
    private static let page = 1000

    private let store: any ConsumerStore
    private let consumer: String
    private let notes = Atomic<UInt64>(0)

    /// - Parameter consumer: its name on the bus.
    public init(_ store: any ConsumerStore, of consumer: String) {
        self.store = store
        self.consumer = consumer
    }

    /// Has this event been applied? Of an event that is behind the checkpoint, and not held up, nothing is known here.
    public func includes(_ event: StoredEvent) throws(StoreError) -> Bool {
        try store.row(AppliedVersions.key(event.position), of: consumer) != nil
    }

    /// The change that notes it, for a commit with the rows that the event changes.
    public func noting(_ event: StoredEvent) -> RowChange {
        // Says what keeps it from being forgotten: an operator may have a held event applied long after the checkpoint.
        .put(ConsumerRow(key: AppliedVersions.key(event.position), value: Array(HeldLane.key(event.aggregate).utf8)))
    }

    public func note(_ event: StoredEvent) throws(StoreError) {
        try store.commit(consumer, through: 0, [noting(event)])
        if notes.wrappingAdd(1, ordering: .relaxed).newValue % AppliedVersions.between == 0 { try forget() }
    }

    /// Removes the rows of events that cannot come again: those behind the checkpoint whose aggregate is not held up.
    public func forget() throws(StoreError) {
        let end = AppliedVersions.key(try store.checkpoint(of: consumer) + 1)
        var after = AppliedVersions.prefix
        while true {
            let rows = try store.rows(of: consumer, after: after, limit: AppliedVersions.page)
            let behind = rows.prefix { $0.key.hasPrefix(AppliedVersions.prefix) && $0.key < end }
            var gone: [RowChange] = []
            for row in behind {
                let lane = String(decoding: row.value, as: UTF8.self)
                if try store.row(lane, of: consumer) == nil { gone.append(.delete(key: row.key)) }
            }
            if !gone.isEmpty { try store.commit(consumer, through: 0, gone) }
            guard behind.count == AppliedVersions.page, let last = behind.last else { return }
            after = last.key
        }
    }

    /// In the order of positions: the same number of digits each.
    private static func key(_ position: UInt64) -> String {
        let digits = String(position)
        return prefix + String(repeating: "0", count: 20 - digits.utf8.count) + digits
    }
}
