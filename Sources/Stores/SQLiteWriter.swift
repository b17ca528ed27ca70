import CSQLite
import EventCore

/// The write side: one connection, its statements, and what it knows of the streams.
final class SQLiteWriter {
    private let connection: SQLiteConnection
    private let begin: SQLiteStatement
    private let commit: SQLiteStatement
    private let rollback: SQLiteStatement
    private let insertEvent: SQLiteStatement
    private let findStream: SQLiteStatement
    private let insertStream: SQLiteStatement
    private let insertName: SQLiteStatement
    private let records: SQLiteRepetitions
    private let marks: SQLiteDeliveryMarks
    private var names: [String: Int64] = [:]
    private var streams: [StreamName: Stream] = [:]
    private var nextStream: Int64
    /// Global position of the last event committed.
    private(set) var head: UInt64
    /// Position of the last record of a request committed.
    private(set) var lastRecord: UInt64
    private var quota = Int.max
    /// Frames in the WAL after the last commit; SQLite writes it from `sqlite3_wal_hook`.
    private let frames: UnsafeMutablePointer<Int32>

    private struct StreamName: Hashable {
        var type: Int64
        var id: Identifier
    }

    private struct Stream {
        var key: Int64
        var version: UInt64
    }

    /// Streams remembered; each saves two look-ups an append.
    private static let mostStreams = 100_000
    /// Types and sources come from the code, so there are few; a store must not fill with them.
    private static let mostNames = 1000
    private static let largestPayload = 1 << 20
    private static let wholeCheckBytes: Int64 = 64 << 20

    init(path: String) throws(StoreError) {
        connection = try SQLiteConnection(path: path, role: .writer)
        try connection.execute("PRAGMA synchronous = FULL")
        guard try connection.text("PRAGMA journal_mode = WAL") == "wal" else {
            throw .unusable("the file system does not support a write-ahead log")
        }
        try connection.execute(
            """
            PRAGMA wal_autocheckpoint = 0;
            PRAGMA journal_size_limit = \(Checkpointer.largestWAL);
            PRAGMA cache_size = -65536;
            PRAGMA temp_store = MEMORY;
            """)
        try SQLiteSchema.prepare(connection)
        begin = try connection.prepare("BEGIN IMMEDIATE")
        commit = try connection.prepare("COMMIT")
        rollback = try connection.prepare("ROLLBACK")
        insertEvent = try connection.prepare(
            """
            INSERT INTO events (position, stream, version, event_id, type, timestamp, schema_version, source,
              payload, correlation_id, causation_id, user_id, traceparent)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        findStream = try connection.prepare(
            """
            SELECT s.stream, (SELECT coalesce(max(version), 0) FROM events e WHERE e.stream = s.stream)
            FROM streams s WHERE id = ? AND type = ?
            """)
        insertStream = try connection.prepare("INSERT INTO streams (stream, type, id) VALUES (?, ?, ?)")
        insertName = try connection.prepare("INSERT INTO names (text) VALUES (?)")
        records = try SQLiteRepetitions(connection)
        marks = try SQLiteDeliveryMarks(connection)
        head = 0
        lastRecord = 0
        nextStream = 0
        frames = .allocate(capacity: 1)
        frames.initialize(to: 0)
        sqlite3_wal_hook(
            connection.handle,
            { context, _, _, frames in
                context?.assumingMemoryBound(to: Int32.self).pointee = frames
                return SQLITE_OK
            }, frames)
        try refresh()
    }

    deinit {
        sqlite3_wal_hook(connection.handle, nil, nil)
        frames.deallocate()
    }

    /// Frames (pages) in the WAL after the last commit.
    var walFrames: Int { Int(frames.pointee) }

    /// Copies what the checkpointer has left of the WAL into the database, without waiting for anyone.
    func checkpoint() { _ = sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil) }

    /// Empties the WAL, so that all there is has been written and synced anew.
    func settle() throws(StoreError) {
        let result = sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        guard result == SQLITE_OK else { throw connection.error(result) }
    }

    /// Looks the database over: all of it, or its ends when it is large.
    func check(all: Bool) throws(StoreError) {
        guard try connection.integer("SELECT coalesce(max(position), 0) - coalesce(min(position), 1) + 1 FROM events")
            == Int64(head)
        else { throw .unusable("the event store does not begin with its first event") }
        guard all else { return }
        // The whole check compares the indexes with the tables as well, and takes several times as long.
        let bytes = try connection.integer("PRAGMA page_count") * (try connection.integer("PRAGMA page_size"))
        let check = bytes <= SQLiteWriter.wholeCheckBytes ? "integrity_check" : "quick_check"
        if let finding = try connection.text("PRAGMA \(check)(1)"), finding != "ok" {
            throw .unusable("the event store is damaged: \(finding)")
        }
        guard try connection.integer("SELECT count(*) FROM events") == Int64(head) else {
            throw .unusable("the event store is damaged: positions are missing")
        }
    }

    /// Bounds the database file, in bytes. What is already there stays.
    func limit(to bytes: Int) throws(StoreError) {
        guard bytes != quota else { return }
        let page = try connection.integer("PRAGMA page_size")
        let pages = min(max(Int64(bytes) / page, 1), 4_294_967_294)
        _ = try connection.integer("PRAGMA max_page_count = \(pages)")
        quota = bytes
    }

    // MARK: - Append

    func append(
        _ batches: [Batch], _ repetitions: RepetitionChanges, _ deliveries: [DeliveryChange]
    ) throws(StoreError) -> Appended {
        var position = head
        var versions: [UInt64] = []
        versions.reserveCapacity(batches.count)
        do throws(StoreError) {
            try begin.run()
            for (i, batch) in batches.enumerated() {
                versions.append(try append(batch, index: i, &position))
            }
            try records.write(repetitions, after: lastRecord)
            try marks.write(deliveries)
            try commit.run()
        } catch {
            giveUp()
            throw error
        }
        head = position
        lastRecord = repetitions.last ?? lastRecord
        if streams.count > SQLiteWriter.mostStreams { streams.removeAll(keepingCapacity: true) }
        return Appended(head: head, versions: versions)
    }

    /// After each batch, for an append that turned out to be in the store.
    func versions(of batches: [Batch]) throws(StoreError) -> [UInt64] {
        var following: [AggregateKey: UInt64] = [:]
        var versions: [UInt64] = []
        for batch in batches.reversed() {
            let name = StreamName(type: try name(batch.aggregate.type), id: batch.aggregate.id)
            versions.append(try find(name).version - following[batch.aggregate, default: 0])
            following[batch.aggregate, default: 0] += UInt64(batch.events.count)
        }
        return versions.reversed()
    }

    private func append(_ batch: Batch, index: Int, _ position: inout UInt64) throws(StoreError) -> UInt64 {
        let name = StreamName(type: try self.name(batch.aggregate.type), id: batch.aggregate.id)
        var stream: Stream
        if let known = streams[name] { stream = known } else { stream = try find(name) }
        guard batch.expected.admits(stream.version) else {
            throw .conflict(batch: index, actual: stream.version)
        }
        for event in batch.events {
            guard event.payload.count <= SQLiteWriter.largestPayload else { throw .invalid("the payload is too large") }
            position += 1
            stream.version += 1
            insertEvent.bind(1, Int64(position))
            insertEvent.bind(2, stream.key)
            insertEvent.bind(3, Int64(stream.version))
            insertEvent.bind(4, event.id)
            insertEvent.bind(5, try self.name(event.type))
            insertEvent.bind(6, event.timestamp.microseconds)
            insertEvent.bind(7, Int64(event.schemaVersion))
            insertEvent.bind(8, try self.name(event.metadata.source))
            insertEvent.bind(9, text: event.payload)
            insertEvent.bind(10, text: event.metadata.correlationId)
            insertEvent.bind(11, text: event.metadata.causationId)
            insertEvent.bind(12, text: event.metadata.userId)
            insertEvent.bind(13, text: event.metadata.traceparent)
            try insertEvent.run()
        }
        streams[name] = stream
        return stream.version
    }

    private func find(_ name: StreamName) throws(StoreError) -> Stream {
        findStream.bind(1, text: name.id.bytes)
        findStream.bind(2, name.type)
        if try findStream.step() {
            let stream = Stream(key: findStream.integer(0), version: UInt64(findStream.integer(1)))
            findStream.reset()
            return stream
        }
        insertStream.bind(1, nextStream)
        insertStream.bind(2, name.type)
        insertStream.bind(3, text: name.id.bytes)
        try insertStream.run()
        nextStream += 1
        return Stream(key: nextStream - 1, version: 0)
    }

    private func name(_ text: String) throws(StoreError) -> Int64 {
        if let name = names[text] { return name }
        guard names.count < SQLiteWriter.mostNames && text.utf8.count <= 128 else {
            throw .invalid("too many event types, or too long a name")
        }
        insertName.bind(1, text: text)
        try insertName.run()
        let name = sqlite3_last_insert_rowid(connection.handle)
        names[text] = name
        return name
    }

    /// After a failed append: nothing of it stays, neither in the file nor in memory.
    private func giveUp() {
        // SQLite has sometimes rolled back by itself (full disk).
        if connection.inTransaction { try? rollback.run() }
        streams.removeAll(keepingCapacity: true)
        // When the disk cannot be read either, the next append fails and comes here again.
        try? refresh()
    }

    /// Reads what the writer keeps in memory of the database.
    private func refresh() throws(StoreError) {
        names.removeAll()
        let all = try connection.prepare("SELECT name, text FROM names")
        while try all.step() { names[all.text(1) ?? ""] = all.integer(0) }
        nextStream = try connection.integer("SELECT coalesce(max(stream), 0) + 1 FROM streams")
        head = UInt64(try connection.integer("SELECT coalesce(max(position), 0) FROM events"))
        lastRecord = UInt64(try connection.integer("SELECT coalesce(max(last), 0) FROM repetition_groups"))
    }
}
