public import EventCore
import Synchronization

/// What consumers remember, in a SQLite file of its own beside the event store: its commits are many and need
/// not reach the disk one by one, those of events must.
///
/// A power failure may take the latest commits (the process alone ending takes none), never part of one: consumers
/// then apply again what came after. The file may be deleted while the program is down: then every consumer
/// begins anew, and what was put aside by any of them is tried again in its turn.
///
/// One process uses a file at a time; the second gets `locked`.
public final class SQLiteConsumerStore: ConsumerStore {
    private enum Side {
        case open(SQLiteConsumerTables)
        /// After a failure of the disk, until it can be opened again.
        case broken
        case closed
    }

    private static let longestName = 64
    private static let longestKey = 512
    private static let largestValue = 1 << 20
    /// A database up to this size is looked over completely when it is opened.
    private static let checkUpToBytes = 64 << 20

    private let path: String
    private let side: Mutex<Side>
    /// Held for its lock on the files.
    private let files: Mutex<StoreFiles?>

    /// Opens the store, making it (and its directories) when it is not there.
    public init(path: String) throws(StoreError) {
        let files = try StoreFiles(path: path)
        let tables = try SQLiteConsumerTables(path: path, checked: files.bytes <= Self.checkUpToBytes)
        try files.syncDirectory()
        self.path = path
        self.files = Mutex(files)
        side = Mutex(.open(tables))
    }

    /// Moves the WAL into the database and gives the files free.
    public func close() {
        side.withLock { $0 = .closed }
        files.withLock { $0 = nil }
    }

    public func checkpoint(of consumer: String) throws(StoreError) -> UInt64 {
        try using { tables throws(StoreError) in try tables.checkpoint(of: consumer) }
    }

    public func rows(of consumer: String, after: String?, limit: Int) throws(StoreError) -> [ConsumerRow] {
        try using { tables throws(StoreError) in try tables.rows(of: consumer, after: after, limit: limit) }
    }

    public func row(_ key: String, of consumer: String) throws(StoreError) -> ConsumerRow? {
        try using { tables throws(StoreError) in try tables.row(key, of: consumer) }
    }

    public func commit(_ consumer: String, through position: UInt64, _ changes: [RowChange]) throws(StoreError) {
        guard (1...Self.longestName).contains(consumer.utf8.count) else { throw .invalid("the consumer's name is too long") }
        guard position <= UInt64(Int64.max) else { throw .invalid("there is no such position") }
        for change in changes {
            let key: String
            switch change {
            case .put(let row):
                key = row.key
                guard row.value.count <= Self.largestValue else { throw .invalid("the row is too large") }
            case .delete(let name): key = name
            }
            guard (1...Self.longestKey).contains(key.utf8.count) else { throw .invalid("the row's key is too long") }
        }
        try using { tables throws(StoreError) in try tables.commit(consumer, through: position, changes) }
    }

    /// One caller at a time. After a failure of the disk the file is closed, and opened again by whoever comes next:
    /// what SQLite has in memory may then be ahead of the file.
    private func using<R: Sendable>(_ body: (SQLiteConsumerTables) throws(StoreError) -> R) throws(StoreError) -> R {
        try side.withLock { side throws(StoreError) in
            do throws(StoreError) {
                return try body(try open(&side))
            } catch {
                if case .io = error { side = .broken }
                throw error
            }
        }
    }

    private func open(_ side: inout Side) throws(StoreError) -> SQLiteConsumerTables {
        switch side {
        case .open(let tables): return tables
        case .closed: throw .closed
        case .broken:
            let tables = try SQLiteConsumerTables(path: path, checked: true)
            side = .open(tables)
            return tables
        }
    }
}
