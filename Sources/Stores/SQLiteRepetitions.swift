import EventCore
import Exchanges

/// The table of records of requests: its statements, and its rows.
///
/// A row holds many records one after the other, because a row costs far more than the bytes in it: those of a group
/// that have come together. It has the position of the last of them for its key, so it leaves when its last one does.
struct SQLiteRepetitions {
    /// A row is closed when it has so many bytes: enough that it costs nothing for each record, and little to read for one of them.
    private static let fullRow = 8 << 10
    /// Digests, time, kind, and the length of the outcome.
    private static let head = 16 + 16 + 8 + 1 + 4
    static let read = "SELECT first, last, records FROM repetition_groups WHERE last > ? ORDER BY last"

    private let insert: SQLiteStatement
    private let delete: SQLiteStatement
    private var row: [UInt8] = []

    init(_ connection: SQLiteConnection) throws(StoreError) {
        insert = try connection.prepare("INSERT INTO repetition_groups (last, first, records) VALUES (?, ?, ?)")
        delete = try connection.prepare("DELETE FROM repetition_groups WHERE last <= ?")
    }

    /// In the writer's transaction.
    /// - Parameter last: position of the last record there is.
    mutating func write(_ changes: RepetitionChanges, after last: UInt64) throws(StoreError) {
        if let first = changes.records.first, first.position <= last { throw .invalid("a record of a request whose place is taken") }
        try write(changes.records)
        guard changes.forgetsThrough > 0 else { return }
        delete.bind(1, Int64(changes.forgetsThrough))
        try delete.run()
    }

    private mutating func write(_ records: [RepetitionRecord]) throws(StoreError) {
        var first = 0
        for (i, record) in records.enumerated() {
            row.append(head: record)
            row += record.outcome
            guard row.count >= Self.fullRow || i == records.count - 1 else { continue }
            insert.bind(1, Int64(record.position))
            insert.bind(2, Int64(records[first].position))
            insert.bind(3, blob: row)
            row.removeAll(keepingCapacity: row.count <= 64 * Self.fullRow)
            first = i + 1
            try insert.run()
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
                guard bytes.count - place >= head, let kind = RepetitionRecord.Kind(rawValue: bytes[place + 40]),
                    case let length = Int(bytes.number(at: place + 41, bytes: 4)), bytes.count - place - head >= length
                else { throw .unusable("record \(next) of a request cannot be read") }
                if next > position, found.count < limit {
                    found.append(
                        RepetitionRecord(
                            position: next, identity: bytes.digest(at: place), fingerprint: bytes.digest(at: place + 16),
                            time: Timestamp(microseconds: Int64(bitPattern: bytes.number(at: place + 32, bytes: 8))), kind: kind,
                            outcome: Array(bytes[place + head..<place + head + length])))
                }
                place += head + length
                next += 1
            }
            guard next == last + 1 else { throw .unusable("records of requests are missing before \(last + 1)") }
        }
        return found
    }

    /// Rows of format 2, which had one record each.
    static func takeOver(_ connection: SQLiteConnection) throws(StoreError) {
        let old = try connection.prepare("SELECT position, identity, fingerprint, time, kind, outcome FROM repetitions ORDER BY position")
        var table = try SQLiteRepetitions(connection)
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
                try table.write(records)
                records.removeAll(keepingCapacity: true)
            }
        }
        try table.write(records)
    }
}

extension MutableSpan<UInt8> {
    /// Little-endian.
    fileprivate mutating func put(_ value: UInt64, bytes: Int, at place: Int) {
        for i in 0..<bytes { self[place + i] = UInt8(truncatingIfNeeded: value >> UInt64(8 * i)) }
    }
}

extension [UInt8] {
    /// All of a record but its outcome: 45 bytes, put in their places.
    fileprivate mutating func append(head record: RepetitionRecord) {
        let start = count
        append(contentsOf: repeatElement(0, count: 45))
        var span = mutableSpan
        span.put(record.identity.high, bytes: 8, at: start)
        span.put(record.identity.low, bytes: 8, at: start + 8)
        span.put(record.fingerprint.high, bytes: 8, at: start + 16)
        span.put(record.fingerprint.low, bytes: 8, at: start + 24)
        span.put(UInt64(bitPattern: record.time.microseconds), bytes: 8, at: start + 32)
        span[start + 40] = record.kind.rawValue
        span.put(UInt64(record.outcome.count), bytes: 4, at: start + 41)
    }

    fileprivate func number(at place: Int, bytes: Int) -> UInt64 {
        var value: UInt64 = 0
        for i in 0..<bytes { value |= UInt64(self[place + i]) << UInt64(8 * i) }
        return value
    }

    fileprivate func digest(at place: Int) -> RepeatKey.Digest {
        RepeatKey.Digest(high: number(at: place, bytes: 8), low: number(at: place + 8, bytes: 8))
    }
}
