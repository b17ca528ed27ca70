public import EventCore
import Synchronization

/// What consumers remember, in memory; it fails on demand.
public final class MemoryConsumerStore: ConsumerStore {
    private struct State {
        var checkpoints: [String: UInt64] = [:]
        /// By bytes: to Swift two spellings of `é` are one text.
        var rows: [String: [[UInt8]: [UInt8]]] = [:]
        var failure: StoreError?
        var commits = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// Everything fails with it until it is nil again.
    public func fail(with error: StoreError?) { state.withLock { $0.failure = error } }

    public var commits: Int { state.withLock { $0.commits } }

    public func checkpoint(of consumer: String) throws(StoreError) -> UInt64 {
        try use { $0.checkpoints[consumer] ?? 0 }
    }

    public func rows(of consumer: String, after: String?, limit: Int) throws(StoreError) -> [ConsumerRow] {
        try use { state in
            let rows = state.rows[consumer] ?? [:]
            let after = Array((after ?? "").utf8)
            let keys = rows.keys.filter { after.lexicographicallyPrecedes($0) }.sorted { $0.lexicographicallyPrecedes($1) }
            return keys.prefix(max(0, limit)).map {
                ConsumerRow(key: String(decoding: $0, as: UTF8.self), value: rows[$0] ?? [])
            }
        }
    }

    public func row(_ key: String, of consumer: String) throws(StoreError) -> ConsumerRow? {
        try use { $0.rows[consumer]?[Array(key.utf8)].map { ConsumerRow(key: key, value: $0) } }
    }

    public func commit(_ consumer: String, through position: UInt64, _ changes: [RowChange]) throws(StoreError) {
        guard (1...64).contains(consumer.utf8.count), position <= UInt64(Int64.max) else { throw .invalid("") }
        for change in changes {
            switch change {
            case .put(let row):
                guard (1...512).contains(row.key.utf8.count), row.value.count <= 1 << 20 else { throw .invalid("") }
            case .delete(let key): guard (1...512).contains(key.utf8.count) else { throw .invalid("") }
            }
        }
        try use { state in
            state.commits += 1
            state.checkpoints[consumer] = max(state.checkpoints[consumer] ?? 0, position)
            for change in changes {
                switch change {
                case .put(let row): state.rows[consumer, default: [:]][Array(row.key.utf8)] = row.value
                case .delete(let key): state.rows[consumer]?[Array(key.utf8)] = nil
                }
            }
        }
    }

    private func use<R: Sendable>(_ body: (inout State) -> R) throws(StoreError) -> R {
        try state.withLock { state throws(StoreError) in
            if let failure = state.failure { throw failure }
            return body(&state)
        }
    }
}
