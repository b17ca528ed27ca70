import EventCore
import Exchanges

/// The table of records of requests: its statements, and its rows.
///
/// A row holds many records one after the other, because a row costs far more than the bytes in it: those of a group
/// that have come together. It has the position of the last of them for its key, so it leaves when its last one does.
struct SQLiteRepetitions {
    /// A row is closed when it has so many bytes: enough that it costs nothing for each record, and little to read for one of them.
    private static let fullRow = 8 << 10
    static let read = "SELECT first, last, records FROM repetition_groups WHERE last > ? ORDER BY last"

    private let insert: SQLiteStatement
    private let delete: SQLiteStatement

    init(_ connection: SQLiteConnection) throws(StoreError) {
        insert = try connection.prepare("INSERT INTO repetition_groups (last, first, records) VALUES (?, ?, ?)")
        delete = try connection.prepare("DELETE FROM repetition_groups WHERE last <= ?")
    }

    /// In the writer's transaction.
    /// - Parameter last: position of the last record there is.
    func write(_ changes: RepetitionChanges, after last: UInt64) throws(StoreError) {
        if changes.count > 0, changes.first <= last { throw .invalid("a record of a request whose place is taken") }
        try write(changes)
        guard changes.forgetsThrough > 0 else { return }
        delete.bind(1, Int64(changes.forgetsThrough))
        try delete.run()
    }

    private func write(_ changes: RepetitionChanges) throws(StoreError) {
        var (first, start) = (0, 0)
        for (i, end) in changes.ends.enumerated() where end - start >= Self.fullRow || i == changes.count - 1 {
            insert.bind(1, Int64(changes.first) + Int64(i))
            insert.bind(2, Int64(changes.first) + Int64(first))
            insert.bind(3, blob: changes.packed[start..<end])
            try insert.run()
            (first, start) = (i + 1, end)
        }
    }

    /// Records after a position, from rows of the statement `read`.
    static func records(_ statement: SQLiteStatement, after position: UInt64, limit: Int) throws(StoreError) -> [RepetitionRecord] {
        defer { statement.reset() }
        statement.bind(1, Int64(clamping: position))
        var found: [RepetitionRecord] = []
        while found.count < limit, try statement.step() {
            var next = UInt64(bitPattern: statement.integer(0))
            let (last, bytes) = (UInt64(bitPattern: statement.integer(1)), statement.bytes(2))
            var place = 0
            while place < bytes.count {
                guard let length = RepetitionRecord.packedBytes(bytes, at: place) else {
                    throw .unusable("record \(next) of a request cannot be read")
                }
                if next > position, found.count < limit, let record = RepetitionRecord(packed: bytes, at: place, position: next) {
                    found.append(record)
                }
                place += length
                next += 1
            }
            guard next == last + 1 else { throw .unusable("records of requests are missing before \(last + 1)") }
        }
        return found
    }

    /// Rows of format 2, which had one record each.
    static func takeOver(_ connection: SQLiteConnection) throws(StoreError) {
        let old = try connection.prepare("SELECT position, identity, fingerprint, time, kind, outcome FROM repetitions ORDER BY position")
        let table = try SQLiteRepetitions(connection)
        var records: [RepetitionRecord] = []
        while try old.step() {
            guard let identity = old.digest(1), let fingerprint = old.digest(2),
                let kind = UInt8(exactly: old.integer(4)).flatMap(RepetitionRecord.Kind.init)
            else { throw .unusable("record \(old.integer(0)) of a request cannot be read") }
            records.append(
                RepetitionRecord(
                    position: UInt64(old.integer(0)), identity: identity, fingerprint: fingerprint,
                    time: Timestamp(microseconds: old.integer(3)), kind: kind, outcome: old.bytes(5)))
            if records.count == 256 {
                try table.write(RepetitionChanges(records))
                records.removeAll(keepingCapacity: true)
            }
        }
        try table.write(RepetitionChanges(records))
    }
}
