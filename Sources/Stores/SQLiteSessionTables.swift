import CSQLite
import EventCore
import Topics
import WireMQTT

/// One connection to the database of MQTT sessions, and the statements that change it. Used by one thread at a time.
final class SQLiteSessionTables {
    let connection: SQLiteConnection
    private let begin: SQLiteStatement
    private let end: SQLiteStatement
    private let rollback: SQLiteStatement
    private let putSession: SQLiteStatement
    private let putWill: SQLiteStatement
    private let deleteWill: SQLiteStatement
    /// All that a session has.
    private let endSession: [SQLiteStatement]
    private let putSubscription: SQLiteStatement
    private let deleteSubscription: SQLiteStatement
    private let putMessage: SQLiteStatement
    private let deleteMessage: SQLiteStatement
    private let putQueued: SQLiteStatement
    private let markSent: SQLiteStatement
    private let markReceived: SQLiteStatement
    private let deleteQueued: SQLiteStatement
    private let putRetained: SQLiteStatement
    private let deleteRetained: SQLiteStatement
    private let putIncoming: SQLiteStatement
    private let deleteIncoming: SQLiteStatement
    private let putRefused: SQLiteStatement
    private let dropRefused: SQLiteStatement
    private let deleteRefused: SQLiteStatement
    let readRefused: SQLiteStatement
    /// A commit has failed that may have left something at the end of the WAL.
    private var isUnsettled = false

    init(path: String, checked: Bool) throws(StoreError) {
        connection = try SQLiteConnection(path: path, role: .writer)
        try connection.execute("PRAGMA synchronous = FULL")
        guard try connection.text("PRAGMA journal_mode = WAL") == "wal" else {
            throw .unusable("the file system does not support a write-ahead log")
        }
        try connection.execute("PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;")
        try SQLiteSessionSchema.prepare(connection)
        if checked, let found = try connection.text("PRAGMA quick_check(1)"), found != "ok" {
            throw .unusable("the store of MQTT sessions is damaged: \(found)")
        }
        begin = try connection.prepare("BEGIN IMMEDIATE")
        end = try connection.prepare("COMMIT")
        rollback = try connection.prepare("ROLLBACK")
        putSession = try connection.prepare("REPLACE INTO sessions (session, client, owner, incarnation, expiry, left_ms) VALUES (?, ?, ?, ?, ?, ?)")
        putWill = try connection.prepare(
            "REPLACE INTO wills (session, topic, payload, qos, retained, properties, expires_ms, delay, standing) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        deleteWill = try connection.prepare("DELETE FROM wills WHERE session = ?")
        var all: [SQLiteStatement] = []
        for table in ["sessions", "wills", "subscriptions", "queue", "incoming"] {
            all.append(try connection.prepare("DELETE FROM \(table) WHERE session = ?"))
        }
        endSession = all
        putSubscription = try connection.prepare(
            """
            REPLACE INTO subscriptions (session, filter, qos, no_local, retain_as_published, retain_handling, identifier)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """)
        deleteSubscription = try connection.prepare("DELETE FROM subscriptions WHERE session = ? AND filter = ?")
        putMessage = try connection.prepare(
            "REPLACE INTO messages (message, topic, payload, qos, retained, properties, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)")
        deleteMessage = try connection.prepare("DELETE FROM messages WHERE message = ?")
        putQueued = try connection.prepare(
            "REPLACE INTO queue (session, sequence, message, qos, retained, identifiers, share) VALUES (?, ?, ?, ?, ?, ?, ?)")
        markSent = try connection.prepare("UPDATE queue SET packet = ? WHERE session = ? AND sequence = ?")
        markReceived = try connection.prepare("UPDATE queue SET received = 1 WHERE session = ? AND sequence = ?")
        deleteQueued = try connection.prepare("DELETE FROM queue WHERE session = ? AND sequence = ?")
        putRetained = try connection.prepare("REPLACE INTO retained (topic, message) VALUES (?, ?)")
        deleteRetained = try connection.prepare("DELETE FROM retained WHERE topic = ?")
        putIncoming = try connection.prepare("REPLACE INTO incoming (session, packet) VALUES (?, ?)")
        deleteIncoming = try connection.prepare("DELETE FROM incoming WHERE session = ? AND packet = ?")
        putRefused = try connection.prepare(
            """
            REPLACE INTO refused (number, topic, payload, client, subject, qos, code, reason, at_ms, owner, standing, properties,
              retained, expires_ms, mark, cut)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        dropRefused = try connection.prepare("DELETE FROM refused WHERE number <= ?")
        deleteRefused = try connection.prepare("DELETE FROM refused WHERE number = ?")
        readRefused = try connection.prepare(
            """
            SELECT number, topic, payload, client, subject, qos, code, reason, at_ms, owner, standing, properties, retained,
              expires_ms, mark, cut
            FROM refused
            WHERE number < ? ORDER BY number DESC LIMIT ?
            """)
    }

    /// After a failed commit: it could not be taken back.
    var isInTransaction: Bool { connection.inTransaction }

    func commit(_ changes: [SessionChange]) throws(StoreError) {
        do throws(StoreError) {
            try settle()
            try begin.run()
            for change in changes { try apply(change) }
            try end.run()
        } catch {
            // SQLite has sometimes rolled back by itself (full disk).
            if connection.inTransaction { try? rollback.run() }
            if case .io = error { isUnsettled = true }
            throw error
        }
    }

    /// To this connection the WAL ends where it ended before the failed commit: that much goes into the database, and what is
    /// behind it is cut off. So nothing of it turns up later, and a look at the WAL does not take it for damage.
    private func settle() throws(StoreError) {
        guard isUnsettled else { return }
        let result = sqlite3_wal_checkpoint_v2(connection.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        guard result == SQLITE_OK else { throw connection.error(result) }
        isUnsettled = false
    }

    private func apply(_ change: SessionChange) throws(StoreError) {
        switch change {
        case .session(let session): try put(session)
        case .endSession(let session):
            for statement in endSession { try run(statement, session) }
        case .subscribe(let session, let subscription): try put(subscription, of: session)
        case .unsubscribe(let session, let filter):
            deleteSubscription.bind(2, text: filter.whole)
            try run(deleteSubscription, session)
        case .message(let number, let message):
            bind(putMessage, message)
            try run(putMessage, number)
        case .forgetMessage(let number): try run(deleteMessage, number)
        case .queue(let session, let sequence, let message, let qos, let retain, let identifiers, let share):
            putQueued.bind(3, bits: message)
            putQueued.bind(4, Int64(qos.rawValue))
            putQueued.bind(5, retain ? 1 : 0)
            putQueued.bind(6, blob: identifiers.flatMap { identifier in (0..<4).map { UInt8(truncatingIfNeeded: identifier >> (8 * $0)) } })
            putQueued.bind(7, blob: share)
            try run(putQueued, session, sequence)
        case .sent(let session, let sequence, let packetID):
            markSent.bind(1, Int64(packetID))
            markSent.bind(2, bits: session)
            markSent.bind(3, bits: sequence)
            try markSent.run()
        case .received(let session, let sequence): try run(markReceived, session, sequence)
        case .done(let session, let sequence): try run(deleteQueued, session, sequence)
        case .retain(let topic, let message):
            putRetained.bind(1, blob: topic)
            putRetained.bind(2, bits: message)
            try putRetained.run()
        case .unretain(let topic):
            deleteRetained.bind(1, blob: topic)
            try deleteRetained.run()
        case .incoming(let session, let packetID): try run(putIncoming, session, UInt64(packetID))
        case .released(let session, let packetID): try run(deleteIncoming, session, UInt64(packetID))
        case .refuse(let number, let message): try put(message, number)
        case .dropRefused(let number): try run(dropRefused, number)
        case .forgetRefused(let number): try run(deleteRefused, number)
        }
    }

    private func run(_ statement: SQLiteStatement, _ first: UInt64, _ second: UInt64? = nil) throws(StoreError) {
        statement.bind(1, bits: first)
        if let second { statement.bind(2, bits: second) }
        try statement.run()
    }

    private func put(_ session: StoredSession) throws(StoreError) {
        putSession.bind(2, blob: session.clientID)
        putSession.bind(3, blob: session.owner)
        putSession.bind(4, bits: session.incarnation)
        putSession.bind(5, Int64(session.sessionExpiry))
        putSession.bind(6, bits: session.leftMS)
        try run(putSession, session.number)
        guard let will = session.will else { return try run(deleteWill, session.number) }
        bind(putWill, will.message)
        putWill.bind(8, Int64(will.delay))
        putWill.bind(9, blob: will.standing)
        try run(putWill, session.number)
    }

    private func put(_ subscription: Subscription, of session: UInt64) throws(StoreError) {
        let options = subscription.options
        putSubscription.bind(2, text: subscription.filter.whole)
        putSubscription.bind(3, Int64(options.qos.rawValue))
        putSubscription.bind(4, options.noLocal ? 1 : 0)
        putSubscription.bind(5, options.retainAsPublished ? 1 : 0)
        putSubscription.bind(6, Int64(options.retainHandling.rawValue))
        putSubscription.bind(7, Int64(subscription.identifier))
        try run(putSubscription, session)
    }

    /// From the second parameter on.
    private func bind(_ statement: SQLiteStatement, _ message: Message) {
        statement.bind(2, blob: message.topic)
        statement.bind(3, blob: message.payload)
        statement.bind(4, Int64(message.qos.rawValue))
        statement.bind(5, message.isRetained ? 1 : 0)
        statement.bind(6, blob: message.properties)
        statement.bind(7, bits: message.expiresMS)
    }

    private func put(_ message: RefusedMessage, _ number: UInt64) throws(StoreError) {
        putRefused.bind(2, blob: message.topic)
        putRefused.bind(3, blob: message.payload)
        putRefused.bind(4, blob: message.clientID)
        putRefused.bind(5, blob: message.subject)
        putRefused.bind(6, Int64(message.qos.rawValue))
        putRefused.bind(7, text: message.code)
        putRefused.bind(8, text: message.reason)
        putRefused.bind(9, bits: message.atMS)
        putRefused.bind(10, blob: message.owner)
        putRefused.bind(11, blob: message.standing)
        putRefused.bind(12, blob: message.properties)
        putRefused.bind(13, message.isRetained ? 1 : 0)
        putRefused.bind(14, bits: message.expiresMS)
        putRefused.bind(15, bits: message.mark)
        putRefused.bind(16, message.isCut ? 1 : 0)
        try run(putRefused, number)
    }
}

extension SQLiteStatement {
    fileprivate func bind(_ i: Int32, bits: UInt64) { bind(i, Int64(bitPattern: bits)) }
}
