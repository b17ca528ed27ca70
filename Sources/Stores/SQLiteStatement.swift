import CSQLite
import EventCore
import Exchanges

/// A prepared statement, reused: bind, step until false, and it is ready for the next round.
final class SQLiteStatement {
    private let handle: OpaquePointer
    private let connection: SQLiteConnection

    /// "Copy it": the memory bound is only valid for the length of the call.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    init(_ handle: OpaquePointer, on connection: SQLiteConnection) {
        self.handle = handle
        self.connection = connection
    }

    deinit { sqlite3_finalize(handle) }

    // MARK: - In (parameters count from 1)

    func bind(_ i: Int32, _ value: Int64) { sqlite3_bind_int64(handle, i, value) }

    func bind(_ i: Int32, text: [UInt8]) {
        text.withUnsafeBytes { bind(i, $0) }
    }

    func bind(_ i: Int32, text: String?) {
        guard var text else {
            sqlite3_bind_null(handle, i)
            return
        }
        text.withUTF8 { bind(i, UnsafeRawBufferPointer($0)) }
    }

    private func bind(_ i: Int32, _ utf8: UnsafeRawBufferPointer) {
        guard let start = utf8.baseAddress else {
            // An empty text may have no address, and a null address would bind NULL.
            sqlite3_bind_text(handle, i, "", 0, SQLiteStatement.transient)
            return
        }
        sqlite3_bind_text(
            handle, i, start.assumingMemoryBound(to: CChar.self), Int32(clamping: utf8.count),
            SQLiteStatement.transient)
    }

    func bind(_ i: Int32, blob: [UInt8]) { bind(i, blob: blob[...]) }

    func bind(_ i: Int32, blob: ArraySlice<UInt8>) {
        // Without an address it would be NULL.
        guard !blob.isEmpty else {
            sqlite3_bind_zeroblob(handle, i, 0)
            return
        }
        blob.withUnsafeBytes {
            _ = sqlite3_bind_blob(handle, i, $0.baseAddress, Int32(clamping: $0.count), SQLiteStatement.transient)
        }
    }

    func bind(_ i: Int32, _ id: EventId) { bind(i, id.high, id.low) }
    func bind(_ i: Int32, digest: RepeatKey.Digest) { bind(i, digest.high, digest.low) }

    private func bind(_ i: Int32, _ high: UInt64, _ low: UInt64) {
        var bytes = (high.bigEndian, low.bigEndian)
        _ = withUnsafeBytes(of: &bytes) {
            sqlite3_bind_blob(handle, i, $0.baseAddress, 16, SQLiteStatement.transient)
        }
    }

    // MARK: - Run

    /// True when there is a row to read; false at the end, and the statement is reset.
    func step() throws(StoreError) -> Bool {
        let result = sqlite3_step(handle)
        if result == SQLITE_ROW { return true }
        if result == SQLITE_DONE {
            sqlite3_reset(handle)
            return false
        }
        let error = connection.error(result)
        sqlite3_reset(handle)
        throw error
    }

    /// Runs a statement that answers no rows.
    func run() throws(StoreError) {
        while try step() {}
    }

    /// Leaves the remaining rows.
    func reset() { sqlite3_reset(handle) }

    // MARK: - Out (columns count from 0; valid until the next step)

    func integer(_ i: Int32) -> Int64 { sqlite3_column_int64(handle, i) }

    func isNull(_ i: Int32) -> Bool { sqlite3_column_type(handle, i) == SQLITE_NULL }

    func bytes(_ i: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, i) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, i))))
    }

    func text(_ i: Int32) -> String? {
        guard !isNull(i) else { return nil }
        return String(decoding: bytes(i), as: UTF8.self)
    }

    func digest(_ i: Int32) -> RepeatKey.Digest? { eventId(i).map { RepeatKey.Digest(high: $0.high, low: $0.low) } }

    func eventId(_ i: Int32) -> EventId? {
        guard let start = sqlite3_column_blob(handle, i) else { return nil }
        return EventId(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, i))))
    }
}
