import CSQLite
import EventCore

/// One connection to the consumers' database, and its statements. Used by one thread at a time.
final class SQLiteConsumerTables {
    private let connection: SQLiteConnection
    private let begin: SQLiteStatement
    private let commit: SQLiteStatement
    private let rollback: SQLiteStatement
    private let findConsumer: SQLiteStatement
    private let moveConsumer: SQLiteStatement
    private let readRows: SQLiteStatement
    private let readRow: SQLiteStatement
    private let putRow: SQLiteStatement
    private let deleteRow: SQLiteStatement

    init(path: String, checked: Bool) throws(StoreError) {
        connection = try SQLiteConnection(path: path, role: .writer)
        // A commit is written but not synced; a checkpoint syncs the WAL first, then the database. So a power
        // failure may take the latest commits, and never leaves half of one.
        try connection.execute("PRAGMA synchronous = NORMAL")
        guard try connection.text("PRAGMA journal_mode = WAL") == "wal" else {
            throw .unusable("the file system does not support a write-ahead log")
        }
        try connection.execute("PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;")
        try SQLiteConsumerSchema.prepare(connection)
        if checked, let found = try connection.text("PRAGMA quick_check(1)"), found != "ok" {
            throw .unusable("the store of consumers is damaged: \(found)")
        }
        begin = try connection.prepare("BEGIN IMMEDIATE")
        commit = try connection.prepare("COMMIT")
        rollback = try connection.prepare("ROLLBACK")
        findConsumer = try connection.prepare("SELECT consumer, position FROM consumers WHERE name = ?")
        moveConsumer = try connection.prepare(
            """
            INSERT INTO consumers (name, position) VALUES (?, ?)
            ON CONFLICT (name) DO UPDATE SET position = max(position, excluded.position)
            """)
        readRows = try connection.prepare("SELECT key, value FROM rows WHERE consumer = ? AND key > ? ORDER BY key LIMIT ?")
        readRow = try connection.prepare("SELECT value FROM rows WHERE consumer = ? AND key = ?")
        putRow = try connection.prepare(
            """
            INSERT INTO rows (consumer, key, value) VALUES (?, ?, ?)
            ON CONFLICT (consumer, key) DO UPDATE SET value = excluded.value
            """)
        deleteRow = try connection.prepare("DELETE FROM rows WHERE consumer = ? AND key = ?")
    }

    private func find(_ consumer: String) throws(StoreError) -> (key: Int64, position: UInt64)? {
        findConsumer.bind(1, text: consumer)
        guard try findConsumer.step() else { return nil }
        defer { findConsumer.reset() }
        return (findConsumer.integer(0), UInt64(max(0, findConsumer.integer(1))))
    }

    func checkpoint(of consumer: String) throws(StoreError) -> UInt64 { try find(consumer)?.position ?? 0 }

    func rows(of consumer: String, after: String?, limit: Int) throws(StoreError) -> [ConsumerRow] {
        guard limit > 0, let found = try find(consumer) else { return [] }
        readRows.bind(1, found.key)
        readRows.bind(2, text: after ?? "")
        readRows.bind(3, Int64(limit))
        defer { readRows.reset() }
        var rows: [ConsumerRow] = []
        while try readRows.step() {
            rows.append(ConsumerRow(key: readRows.text(0) ?? "", value: readRows.bytes(1)))
        }
        return rows
    }

    func row(_ key: String, of consumer: String) throws(StoreError) -> ConsumerRow? {
        guard let found = try find(consumer) else { return nil }
        readRow.bind(1, found.key)
        readRow.bind(2, text: key)
        guard try readRow.step() else { return nil }
        defer { readRow.reset() }
        return ConsumerRow(key: key, value: readRow.bytes(0))
    }

    func commit(_ consumer: String, through position: UInt64, _ changes: [RowChange]) throws(StoreError) {
        do throws(StoreError) {
            try begin.run()
            moveConsumer.bind(1, text: consumer)
            moveConsumer.bind(2, Int64(clamping: position))
            try moveConsumer.run()
            let key = try find(consumer)?.key ?? 0
            for change in changes {
                switch change {
                case .put(let row):
                    putRow.bind(1, key)
                    putRow.bind(2, text: row.key)
                    putRow.bind(3, blob: row.value)
                    try putRow.run()
                case .delete(let name):
                    deleteRow.bind(1, key)
                    deleteRow.bind(2, text: name)
                    try deleteRow.run()
                }
            }
            try commit.run()
        } catch {
            // SQLite has sometimes rolled back by itself (full disk).
            if connection.inTransaction { try? rollback.run() }
            throw error
        }
    }
}
