import EventCore

/// A read side: one connection that sees what is committed and never waits for the writer.
final class SQLiteReader {
    private let connection: SQLiteConnection
    private let byVersion: SQLiteStatement
    private let byTime: SQLiteStatement
    private let byPosition: SQLiteStatement
    private let last: SQLiteStatement
    private let records: SQLiteStatement
    private let marks: SQLiteStatement
    private let marksOfOne: SQLiteStatement
    private let findName: SQLiteStatement
    private let findText: SQLiteStatement
    private var texts: [Int64: String] = [:]
    private var names: [String: Int64] = [:]

    /// Events in one answer; more are for the next call.
    static let mostEvents = 10_000

    // What an index answers, in its own order: nothing is sorted, and only what is asked for is read.
    private static let columns = """
        SELECT position, s.type, s.id, version, event_id, e.type, timestamp, schema_version, source, payload,
          correlation_id, causation_id, user_id, traceparent
        """
    static let byVersion = """
        \(columns) FROM streams s JOIN events e USING (stream)
        WHERE s.id = ? AND s.type = ? AND version BETWEEN ? AND ? ORDER BY version LIMIT ?
        """
    static let byTime = """
        \(columns) FROM events e JOIN streams s USING (stream)
        WHERE e.type = ? AND timestamp >= ? AND timestamp < ? ORDER BY timestamp, position LIMIT ?
        """
    static let byPosition =
        "\(columns) FROM events e JOIN streams s USING (stream) WHERE position > ? ORDER BY position LIMIT ?"

    init(path: String) throws(StoreError) {
        connection = try SQLiteConnection(path: path, role: .reader)
        try connection.execute("PRAGMA cache_size = -8192")
        byVersion = try connection.prepare(SQLiteReader.byVersion)
        byTime = try connection.prepare(SQLiteReader.byTime)
        byPosition = try connection.prepare(SQLiteReader.byPosition)
        last = try connection.prepare("SELECT coalesce(max(position), 0) FROM events")
        records = try connection.prepare(SQLiteRepetitions.read)
        marks = try connection.prepare(SQLiteDeliveryMarks.all)
        marksOfOne = try connection.prepare(SQLiteDeliveryMarks.ofSession)
        findName = try connection.prepare("SELECT name FROM names WHERE text = ?")
        findText = try connection.prepare("SELECT text FROM names WHERE name = ?")
    }

    func read(
        _ aggregate: AggregateKey, from: UInt64, through: UInt64, limit: Int
    ) throws(StoreError) -> [StoredEvent] {
        guard let type = try name(aggregate.type) else { return [] }
        byVersion.bind(1, text: aggregate.id.bytes)
        byVersion.bind(2, type)
        byVersion.bind(3, Int64(clamping: from))
        byVersion.bind(4, Int64(clamping: through))
        byVersion.bind(5, bounded(limit))
        return try events(byVersion)
    }

    func read(type: String, from: Timestamp, until: Timestamp, limit: Int) throws(StoreError) -> [StoredEvent] {
        guard let type = try name(type) else { return [] }
        byTime.bind(1, type)
        byTime.bind(2, from.microseconds)
        byTime.bind(3, until.microseconds)
        byTime.bind(4, bounded(limit))
        return try events(byTime)
    }

    func read(after position: UInt64, limit: Int) throws(StoreError) -> [StoredEvent] {
        byPosition.bind(1, Int64(clamping: position))
        byPosition.bind(2, bounded(limit))
        return try events(byPosition)
    }

    func repetitions(after position: UInt64, limit: Int) throws(StoreError) -> [RepetitionRecord] {
        try SQLiteRepetitions.records(records, after: position, limit: Int(bounded(limit)))
    }

    func deliveries(after place: DeliveryRecord?, limit: Int) throws(StoreError) -> [DeliveryRecord] {
        marks.bind(1, place.map { Int64(bitPattern: $0.session) } ?? .min)
        marks.bind(2, place.map { Int64($0.slot) } ?? -1)
        marks.bind(3, bounded(limit))
        return try SQLiteDeliveryMarks.read(marks)
    }

    func deliveries(of session: UInt64) throws(StoreError) -> [DeliveryRecord] {
        marksOfOne.bind(1, Int64(bitPattern: session))
        return try SQLiteDeliveryMarks.read(marksOfOne)
    }

    func head() throws(StoreError) -> UInt64 {
        defer { last.reset() }
        return try last.step() ? UInt64(last.integer(0)) : 0
    }

    private func bounded(_ limit: Int) -> Int64 { Int64(max(0, min(limit, SQLiteReader.mostEvents))) }

    private func events(_ statement: SQLiteStatement) throws(StoreError) -> [StoredEvent] {
        defer { statement.reset() }
        var events: [StoredEvent] = []
        while try statement.step() {
            guard let aggregateId = Identifier(statement.bytes(2)), let id = statement.eventId(4) else {
                throw .unusable("event \(statement.integer(0)) cannot be read")
            }
            events.append(
                StoredEvent(
                    position: UInt64(statement.integer(0)),
                    aggregate: AggregateKey(type: try text(statement.integer(1)), id: aggregateId),
                    version: UInt64(statement.integer(3)),
                    event: Event(
                        id: id, type: try text(statement.integer(5)),
                        timestamp: Timestamp(microseconds: statement.integer(6)),
                        schemaVersion: UInt32(clamping: statement.integer(7)), payload: statement.bytes(9),
                        metadata: Metadata(
                            correlationId: statement.text(10), causationId: statement.text(11),
                            userId: statement.text(12), source: try text(statement.integer(8)),
                            traceparent: statement.text(13)))))
        }
        return events
    }

    // Names are never changed, so what was once found stays true.

    private func name(_ text: String) throws(StoreError) -> Int64? {
        if let name = names[text] { return name }
        defer { findName.reset() }
        findName.bind(1, text: text)
        guard try findName.step() else { return nil }
        names[text] = findName.integer(0)
        return findName.integer(0)
    }

    private func text(_ name: Int64) throws(StoreError) -> String {
        if let text = texts[name] { return text }
        defer { findText.reset() }
        findText.bind(1, name)
        guard try findText.step(), let text = findText.text(0) else { throw .unusable("name \(name) is missing") }
        texts[name] = text
        return text
    }
}
