import EventCore
import Topics
import WireMQTT

/// What a start reads, row by row: as many as there are never stand in memory together. Refused messages, which may be the
/// most, stay where they are until somebody asks for them.
extension SQLiteSessionTables {
    func load(_ take: (SessionChange) -> Void) throws(StoreError) {
        try sessions(take)
        try subscriptions(take)
        try each("SELECT session, packet FROM incoming") { row throws(StoreError) in
            take(.incoming(session: try Self.own(row, 0), packetID: try Self.number(row, 1)))
        }
        try each("SELECT message, topic, payload, qos, retained, properties, expires_ms FROM messages") { row throws(StoreError) in
            take(.message(number: try Self.own(row, 0), try Self.message(row)))
        }
        try queues(take)
        try each("SELECT topic, message FROM retained") { row throws(StoreError) in
            take(.retain(topic: row.bytes(0), message: row.bits(1)))
        }
    }

    /// The newest first.
    func refused(before: UInt64, limit: Int) throws(StoreError) -> [(number: UInt64, message: RefusedMessage)] {
        defer { readRefused.reset() }
        readRefused.bind(1, Int64(clamping: before))
        readRefused.bind(2, Int64(limit))
        var found: [(number: UInt64, message: RefusedMessage)] = []
        while try readRefused.step() { found.append((try Self.own(readRefused, 0), try Self.refused(readRefused))) }
        return found
    }

    func refusedCount() throws(StoreError) -> Int {
        var count = 0
        try each("SELECT count(*) FROM refused") { count = Int($0.integer(0)) }
        return count
    }

    func marks() throws(StoreError) -> Set<UInt64> {
        var found: Set<UInt64> = []
        try each("SELECT incarnation FROM sessions UNION ALL SELECT mark FROM refused") { found.insert($0.bits(0)) }
        return found
    }

    private func each(_ sql: String, _ row: (SQLiteStatement) throws(StoreError) -> Void) throws(StoreError) {
        let statement = try connection.prepare(sql)
        defer { statement.reset() }
        while try statement.step() { try row(statement) }
    }

    private func sessions(_ take: (SessionChange) -> Void) throws(StoreError) {
        let sql = """
            SELECT s.session, topic, payload, qos, retained, properties, expires_ms, delay, client, owner, incarnation, expiry, left_ms,
              standing
            FROM sessions s LEFT JOIN wills USING (session) ORDER BY s.session
            """
        try each(sql) { row throws(StoreError) in
            let will = row.isNull(7) ? nil : Will(try Self.message(row), delay: try Self.number(row, 7), standing: row.bytes(13))
            take(
                .session(
                    StoredSession(
                        number: try Self.own(row, 0), clientID: row.bytes(8), owner: row.bytes(9), incarnation: row.bits(10),
                        sessionExpiry: try Self.number(row, 11), leftMS: row.bits(12), will: will)))
        }
    }

    private func subscriptions(_ take: (SessionChange) -> Void) throws(StoreError) {
        let sql = "SELECT session, filter, qos, no_local, retain_as_published, retain_handling, identifier FROM subscriptions"
        try each(sql) { row throws(StoreError) in
            // It was allowed when it was written, whatever the bounds are now.
            guard let filter = TopicFilter(row.bytes(1).span, mostLevels: .max), let qos = QoS(rawValue: try Self.number(row, 2)),
                let handling = SubscriptionOptions.RetainHandling(rawValue: try Self.number(row, 5))
            else { throw Self.unreadable }
            let options = SubscriptionOptions(
                qos: qos, noLocal: row.integer(3) != 0, retainAsPublished: row.integer(4) != 0, retainHandling: handling)
            take(.subscribe(session: row.bits(0), Subscription(filter: filter, options: options, identifier: try Self.number(row, 6))))
        }
    }

    private func queues(_ take: (SessionChange) -> Void) throws(StoreError) {
        let sql = "SELECT session, sequence, message, qos, retained, identifiers, packet, received, share FROM queue ORDER BY session, sequence"
        try each(sql) { row throws(StoreError) in
            let (session, sequence) = (row.bits(0), try Self.own(row, 1))
            let bytes = row.bytes(5)
            guard let qos = QoS(rawValue: try Self.number(row, 3)), bytes.count % 4 == 0 else { throw Self.unreadable }
            let identifiers = stride(from: 0, to: bytes.count, by: 4).map { place in
                (0..<4).reduce(0) { $0 | UInt32(bytes[place + $1]) << (8 * UInt32($1)) }
            }
            take(
                .queue(
                    session: session, sequence: sequence, message: row.bits(2), qos: qos, retain: row.integer(4) != 0,
                    identifiers: identifiers, share: row.bytes(8)))
            let packetID: UInt16 = try Self.number(row, 6)
            if packetID != 0 { take(.sent(session: session, sequence: sequence, packetID: packetID)) }
            if row.integer(7) != 0 { take(.received(session: session, sequence: sequence)) }
        }
    }

    /// From the second column on.
    private static func message(_ row: SQLiteStatement) throws(StoreError) -> Message {
        guard let qos = QoS(rawValue: try number(row, 3)) else { throw unreadable }
        return Message(
            topic: row.bytes(1), payload: row.bytes(2), qos: qos, isRetained: row.integer(4) != 0, properties: row.bytes(5),
            expiresMS: row.bits(6))
    }

    private static func refused(_ row: SQLiteStatement) throws(StoreError) -> RefusedMessage {
        guard let qos = QoS(rawValue: try number(row, 5)) else { throw unreadable }
        return RefusedMessage(
            topic: row.bytes(1), payload: row.bytes(2), clientID: row.bytes(3), subject: row.bytes(4), qos: qos,
            code: row.text(6) ?? "", reason: row.text(7) ?? "", atMS: row.bits(8), owner: row.bytes(9), standing: row.bytes(10),
            properties: row.bytes(11), isRetained: row.integer(12) != 0, expiresMS: row.bits(13), mark: row.bits(14),
            isCut: row.integer(15) != 0)
    }

    private static func number<N: FixedWidthInteger>(_ row: SQLiteStatement, _ column: Int32) throws(StoreError) -> N {
        guard let number = N(exactly: row.integer(column)) else { throw unreadable }
        return number
    }

    /// A number that was counted up to from 1, and can be counted on from.
    private static func own(_ row: SQLiteStatement, _ column: Int32) throws(StoreError) -> UInt64 {
        let number = row.integer(column)
        guard (1..<Int64.max).contains(number) else { throw unreadable }
        return UInt64(number)
    }

    private static var unreadable: StoreError { .unusable("the store of MQTT sessions is damaged: a row cannot be read") }
}

extension SQLiteStatement {
    fileprivate func bits(_ column: Int32) -> UInt64 { UInt64(bitPattern: integer(column)) }
}
