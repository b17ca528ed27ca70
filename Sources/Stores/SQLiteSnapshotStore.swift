import CSQLite
public import EventCore
import Glibc
import Synchronization

/// Snapshots in a SQLite file of their own, beside the events' (docs/event-store.md says why not in it).
///
/// The file holds nothing that the events do not: when it is damaged, it is removed and begun anew. It is not
/// synced at each commit. Open it after the event store of the same place, which keeps other processes out.
public final class SQLiteSnapshotStore: SnapshotStore {
    /// "NXSN".
    static let applicationId: Int64 = 0x4E58_534E

    private let path: String
    /// The log's thread reads while the thread beside it writes.
    private let writer: Mutex<SnapshotFile?>
    private let reader: Mutex<SnapshotFile?>
    /// Somebody met damage: the next writing begins anew.
    private let isDamaged = Atomic<Bool>(false)

    /// Where the snapshots of an event store are.
    public static func path(ofEvents path: String) -> String { path + ".snapshots" }

    /// Opens the file, making it where there is none, and anew where it is damaged. When the disk does not let it,
    /// the next `keep` tries again.
    /// - Throws: `unusable` when it is another program's.
    public init(path: String) throws(StoreError) {
        self.path = path
        var file: SnapshotFile?
        do throws(StoreError) {
            file = try SQLiteSnapshotStore.open(path)
        } catch {
            if case .unusable(SnapshotFile.notOurs) = error { throw error }
        }
        writer = Mutex(file)
        reader = Mutex(nil)
    }

    public func newest(of aggregate: AggregateKey, before version: UInt64) throws(StoreError) -> FoundSnapshot {
        try reader.withLock { reader throws(StoreError) in
            do throws(StoreError) {
                if reader == nil { reader = try SnapshotFile(path: path, role: .reader) }
                return try reader?.newest(of: aggregate, before: version) ?? .none
            } catch {
                reader = nil
                if case .unusable = error { isDamaged.store(true, ordering: .relaxed) }
                throw error
            }
        }
    }

    public func keep(_ snapshots: [Snapshot]) throws(StoreError) {
        try writer.withLock { writer throws(StoreError) in
            do throws(StoreError) {
                if isDamaged.exchange(false, ordering: .relaxed) {
                    writer = nil
                    reader.withLock { $0 = nil }
                    SQLiteSnapshotStore.remove(path)
                }
                if writer == nil { writer = try SQLiteSnapshotStore.open(path) }
                try writer?.keep(snapshots)
            } catch {
                writer = nil
                if case .unusable = error { isDamaged.store(true, ordering: .relaxed) }
                throw error
            }
        }
    }

    public func close() {
        reader.withLock { $0 = nil }
        writer.withLock { $0 = nil }
    }

    private static func open(_ path: String) throws(StoreError) -> SnapshotFile {
        do throws(StoreError) {
            try StoreFiles.make(path)
            let file = try SnapshotFile(path: path, role: .writer)
            try file.prepare()
            return file
        } catch {
            guard case .unusable(let what) = error, what != SnapshotFile.notOurs else { throw error }
        }
        remove(path)
        try StoreFiles.make(path)
        let file = try SnapshotFile(path: path, role: .writer)
        try file.prepare()
        return file
    }

    private static func remove(_ path: String) {
        for suffix in ["-wal", "-shm", ""] { unlink(path + suffix) }
    }
}

/// One connection to the file. Used by one thread at a time.
private final class SnapshotFile {
    static let notOurs = "this is not a file of snapshots"
    private static let format: Int64 = 1

    private let connection: SQLiteConnection
    /// By their text; made when first used, because the table may have to be made first.
    private var statements: [String: SQLiteStatement] = [:]

    init(path: String, role: SQLiteConnection.Role) throws(StoreError) {
        connection = try SQLiteConnection(path: path, role: role)
        try connection.execute("PRAGMA cache_size = -1024")
    }

    /// Makes the table where there is none.
    func prepare() throws(StoreError) {
        let owner = try connection.integer("PRAGMA application_id")
        let format = try connection.integer("PRAGMA user_version")
        let isEmpty = try connection.integer("SELECT count(*) FROM sqlite_schema") == 0
        guard owner == SQLiteSnapshotStore.applicationId || (owner == 0 && isEmpty) else {
            throw .unusable(SnapshotFile.notOurs)
        }
        // Another version's are as good as damaged.
        guard isEmpty || format == SnapshotFile.format else { throw .unusable("format \(format)") }
        // Losing the last ones to a power failure costs a longer load, so no commit waits for the disk.
        try connection.execute(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            PRAGMA journal_size_limit = 67108864;
            """)
        guard isEmpty else { return }
        try connection.execute(
            """
            BEGIN IMMEDIATE;
            CREATE TABLE snapshots (
              aggregate_type TEXT NOT NULL,
              aggregate_id TEXT NOT NULL,
              version INTEGER NOT NULL,
              last_event BLOB NOT NULL,
              form INTEGER NOT NULL,
              taken INTEGER NOT NULL, -- microseconds since 1970, UTC
              checksum INTEGER NOT NULL,
              state TEXT NOT NULL
            ) STRICT;
            CREATE UNIQUE INDEX snapshots_by_version ON snapshots (aggregate_id, aggregate_type, version);
            PRAGMA application_id = \(SQLiteSnapshotStore.applicationId);
            PRAGMA user_version = \(SnapshotFile.format);
            COMMIT;
            """)
    }

    func newest(of aggregate: AggregateKey, before version: UInt64) throws(StoreError) -> FoundSnapshot {
        let find = try statement(
            """
            SELECT version, last_event, form, taken, checksum, state FROM snapshots
            WHERE aggregate_id = ? AND aggregate_type = ? AND version < ? ORDER BY version DESC LIMIT 1
            """)
        defer { find.reset() }
        find.bind(1, text: aggregate.id.bytes)
        find.bind(2, text: aggregate.type)
        find.bind(3, Int64(clamping: version))
        guard try find.step() else { return .none }
        let found = UInt64(clamping: find.integer(0))
        guard let lastEvent = find.eventId(1) else { return .unreadable(version: found) }
        let snapshot = Snapshot(
            aggregate: aggregate, version: found, lastEvent: lastEvent, form: UInt32(clamping: find.integer(2)),
            taken: Timestamp(microseconds: find.integer(3)), state: find.bytes(5))
        return snapshot.checksum == find.integer(4) ? .readable(snapshot) : .unreadable(version: found)
    }

    private func statement(_ sql: String) throws(StoreError) -> SQLiteStatement {
        if let made = statements[sql] { return made }
        let statement = try connection.prepare(sql)
        statements[sql] = statement
        return statement
    }

    func keep(_ snapshots: [Snapshot]) throws(StoreError) {
        let insert = try statement(
            """
            INSERT OR REPLACE INTO snapshots (aggregate_type, aggregate_id, version, last_event, form, taken, checksum, state)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            """)
        let forget = try statement(
            """
            DELETE FROM snapshots WHERE aggregate_id = ?1 AND aggregate_type = ?2 AND (version > ?3 OR version <
              (SELECT version FROM snapshots WHERE aggregate_id = ?1 AND aggregate_type = ?2 AND version <= ?3
               ORDER BY version DESC LIMIT 1 OFFSET 1))
            """)
        do throws(StoreError) {
            try connection.execute("BEGIN IMMEDIATE")
            for snapshot in snapshots {
                insert.bind(1, text: snapshot.aggregate.type)
                insert.bind(2, text: snapshot.aggregate.id.bytes)
                insert.bind(3, Int64(clamping: snapshot.version))
                insert.bind(4, snapshot.lastEvent)
                insert.bind(5, Int64(snapshot.form))
                insert.bind(6, snapshot.taken.microseconds)
                insert.bind(7, snapshot.checksum)
                insert.bind(8, text: snapshot.state)
                try insert.run()
                forget.bind(1, text: snapshot.aggregate.id.bytes)
                forget.bind(2, text: snapshot.aggregate.type)
                forget.bind(3, Int64(clamping: snapshot.version))
                try forget.run()
            }
            try connection.execute("COMMIT")
        } catch {
            if connection.inTransaction { try? connection.execute("ROLLBACK") }
            throw error
        }
    }
}

extension Snapshot {
    /// FNV-1a over everything: SQLite does not notice a flipped bit inside a row.
    fileprivate var checksum: Int64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        func add(word: UInt64) {
            for shift in stride(from: UInt64(0), to: 64, by: 8) { add(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        for byte in aggregate.type.utf8 { add(byte) }
        add(UInt8(0))
        for byte in aggregate.id.bytes { add(byte) }
        for number in [version, lastEvent.high, lastEvent.low, UInt64(form), UInt64(bitPattern: taken.microseconds)] {
            add(word: number)
        }
        for byte in state { add(byte) }
        return Int64(bitPattern: hash)
    }
}
