import CSQLite
import EventCore

/// One SQLite connection and its error text. Used by one thread at a time.
final class SQLiteConnection {
    enum Role { case writer, checkpointer, reader }

    let handle: OpaquePointer

    init(path: String, role: Role) throws(StoreError) {
        var handle: OpaquePointer?
        let access = role == .reader ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE
        // The caller's lock keeps threads apart, so SQLite's own would be paid twice.
        let result = sqlite3_open_v2(path, &handle, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, nil)
        guard let handle else { throw .io("out of memory", undecided: false) }
        self.handle = handle
        guard result == SQLITE_OK else { throw error(result) }
        sqlite3_extended_result_codes(handle, 1)
        _ = nx_sqlite_configure(handle, SQLITE_DBCONFIG_DEFENSIVE, 1)
        _ = nx_sqlite_configure(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        _ = nx_sqlite_configure(handle, SQLITE_DBCONFIG_DQS_DML, 0)
        _ = nx_sqlite_configure(handle, SQLITE_DBCONFIG_DQS_DDL, 0)
        sqlite3_busy_timeout(handle, 5000)
    }

    deinit { sqlite3_close_v2(handle) }

    /// Runs statements that answer nothing we need.
    func execute(_ sql: String) throws(StoreError) {
        let result = sqlite3_exec(handle, sql, nil, nil, nil)
        guard result == SQLITE_OK else { throw error(result) }
    }

    func prepare(_ sql: String) throws(StoreError) -> SQLiteStatement {
        var statement: OpaquePointer?
        let result = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard result == SQLITE_OK, let statement else { throw error(result) }
        return SQLiteStatement(statement, on: self)
    }

    /// The first column of the first row, as an integer; 0 when there is none.
    func integer(_ sql: String) throws(StoreError) -> Int64 {
        let statement = try prepare(sql)
        return try statement.step() ? statement.integer(0) : 0
    }

    /// The first column of the first row, as text.
    func text(_ sql: String) throws(StoreError) -> String? {
        let statement = try prepare(sql)
        return try statement.step() ? statement.text(0) : nil
    }

    var inTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// What the result code means to a caller of the store.
    func error(_ result: Int32) -> StoreError {
        let message = String(cString: sqlite3_errmsg(handle)) + " (SQLite \(result))"
        switch result & 0xFF {
        case SQLITE_FULL: return .full
        case SQLITE_BUSY, SQLITE_LOCKED: return .locked(message)
        case SQLITE_CORRUPT, SQLITE_NOTADB: return .unusable(message)
        case SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE: return .invalid(message)
        case SQLITE_CONSTRAINT:
            return message.contains("events.event_id") ? .duplicateEventId : .invalid(message)
        default: return .io(message, undecided: false)
        }
    }
}
