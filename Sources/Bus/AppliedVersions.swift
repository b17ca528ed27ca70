public import EventCore

/// Which version of each aggregate a consumer has applied (SPEC B-4), for consumers whose deeds cannot be repeated:
/// asked before, noted together with the deed where that is a change of rows, else right after it. The bus's own
/// checkpoint says the same, but a moment later.
public struct AppliedVersions: Sendable {
    private let store: any ConsumerStore
    private let consumer: String

    public init(_ store: any ConsumerStore, of consumer: String) {
        self.store = store
        self.consumer = consumer
    }

    /// Has this event been applied, or a later one of its aggregate?
    public func includes(_ event: StoredEvent) throws(StoreError) -> Bool {
        guard let row = try store.row(key(event), of: consumer), let text = String(validating: row.value, as: UTF8.self),
            let version = UInt64(text)
        else { return false }
        return event.version <= version
    }

    /// The change that notes it, for a commit with the rows that the event changes.
    public func noting(_ event: StoredEvent) -> RowChange {
        .put(ConsumerRow(key: key(event), value: Array("\(event.version)".utf8)))
    }

    public func note(_ event: StoredEvent) throws(StoreError) {
        try store.commit(consumer, through: 0, [noting(event)])
    }

    private func key(_ event: StoredEvent) -> String { "applied/\(event.aggregate.type)/\(event.aggregate.id)" }
}
