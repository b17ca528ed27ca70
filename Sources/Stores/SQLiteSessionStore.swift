import EventCore
import Synchronization
public import Topics

/// MQTT sessions, their queues, retained and refused messages, in a SQLite file of its own beside the event store: one
/// transaction and one fsync a commit.
///
/// One process uses a file at a time; the second is refused. The file may be deleted while the program is down: then there
/// are no sessions, and clients make them again.
public final class SQLiteSessionStore: SessionStore {
    private enum Side {
        case open(SQLiteSessionTables)
        /// A transaction could not be taken back; until the file can be opened again.
        case broken
        case closed
    }

    /// A database up to this size is looked over completely when it is opened.
    private static let checkUpToBytes = 256 << 20
    /// Refused messages in one answer.
    private static let mostRefused = 1000

    private let path: String
    private let side: Mutex<Side>
    /// Held for its lock on the files.
    private let files: Mutex<StoreFiles?>

    /// Where it is when nothing else is said.
    public static func path(ofEvents path: String) -> String { path + ".mqtt" }

    /// Opens the store, making it (and its directories) when it is not there.
    public init(path: String) throws(SessionStoreFault) {
        do throws(StoreError) {
            let files = try StoreFiles(path: path)
            try WALCheck.check(database: path)
            let tables = try SQLiteSessionTables(path: path, checked: files.bytes <= Self.checkUpToBytes)
            try files.syncDirectory()
            self.path = path
            self.files = Mutex(files)
            side = Mutex(.open(tables))
        } catch {
            throw Self.fault(error, path)
        }
    }

    /// Moves the WAL into the database and gives the files free.
    public func close() {
        side.withLock { $0 = .closed }
        files.withLock { $0 = nil }
    }

    deinit { close() }

    public func load(_ take: (SessionChange) -> Void) throws(SessionStoreFault) {
        try using { tables throws(StoreError) in try tables.load(take) }
    }

    public func commit(_ changes: [SessionChange]) throws(SessionStoreFault) {
        guard !changes.isEmpty else { return }
        try using { tables throws(StoreError) in try tables.commit(changes) }
    }

    public func refused(before: UInt64, limit: Int) throws(SessionStoreFault) -> [(number: UInt64, message: RefusedMessage)] {
        try using { tables throws(StoreError) in
            try tables.refused(before: before, limit: max(0, min(limit, Self.mostRefused)))
        }
    }

    public func refusedCount() throws(SessionStoreFault) -> Int {
        try using { tables throws(StoreError) in try tables.refusedCount() }
    }

    /// All under which the event log may remember messages: of sessions, and of refused messages that were sent again.
    public func marks() throws(SessionStoreFault) -> Set<UInt64> {
        try using { tables throws(StoreError) in try tables.marks() }
    }

    /// One caller at a time.
    ///
    /// After a failed commit the connection stays, and cuts off what may be on disk of it before it writes again. Only where
    /// the transaction could not even be taken back the file is closed, and opened again by whoever comes next.
    private func using<R: Sendable>(_ body: (SQLiteSessionTables) throws(StoreError) -> R) throws(SessionStoreFault) -> R {
        do throws(StoreError) {
            return try side.withLock { side throws(StoreError) in
                let tables = try open(&side)
                do throws(StoreError) {
                    return try body(tables)
                } catch {
                    if tables.isInTransaction { side = .broken }
                    throw error
                }
            }
        } catch {
            throw Self.fault(error, path)
        }
    }

    private func open(_ side: inout Side) throws(StoreError) -> SQLiteSessionTables {
        switch side {
        case .open(let tables): return tables
        case .closed: throw .closed
        case .broken:
            let tables = try SQLiteSessionTables(path: path, checked: true)
            side = .open(tables)
            return tables
        }
    }

    private static func fault(_ error: StoreError, _ path: String) -> SessionStoreFault {
        switch error {
        case .full: SessionStoreFault("\(path): the disk is full")
        case .io(let text, _), .locked(let text), .unusable(let text), .invalid(let text): SessionStoreFault("\(path): \(text)")
        case .closed: SessionStoreFault("\(path) is closed")
        case .conflict, .duplicateEventId: SessionStoreFault("\(path): \(error)")
        }
    }
}
