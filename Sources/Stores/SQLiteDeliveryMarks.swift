import EventCore

/// The table of messages that may come again: its statements.
struct SQLiteDeliveryMarks {
    private static let columns = "SELECT session, slot, packet, fingerprint, sequence FROM delivery_marks"
    static let all = "\(columns) WHERE (session, slot) > (?, ?) ORDER BY session, slot LIMIT ?"
    static let ofSession = "\(columns) WHERE session = ? ORDER BY slot"

    private let put: SQLiteStatement
    private let release: SQLiteStatement
    private let forget: SQLiteStatement

    init(_ connection: SQLiteConnection) throws(StoreError) {
        put = try connection.prepare(
            "REPLACE INTO delivery_marks (session, slot, packet, fingerprint, sequence) VALUES (?, ?, ?, ?, ?)")
        release = try connection.prepare("DELETE FROM delivery_marks WHERE session = ? AND slot = ?")
        forget = try connection.prepare("DELETE FROM delivery_marks WHERE session = ?")
    }

    /// In the writer's transaction.
    func write(_ changes: [DeliveryChange]) throws(StoreError) {
        for change in changes {
            switch change {
            case .put(let record):
                put.bind(1, Int64(bitPattern: record.session))
                put.bind(2, Int64(record.slot))
                put.bind(3, Int64(record.packetID))
                put.bind(4, Int64(bitPattern: record.fingerprint))
                put.bind(5, Int64(bitPattern: record.sequence))
                try put.run()
            case .release(let session, let packetID):
                release.bind(1, Int64(bitPattern: session))
                release.bind(2, Int64(DeliveryRecord.firstHeld) + Int64(packetID))
                try release.run()
            case .forget(let session):
                forget.bind(1, Int64(bitPattern: session))
                try forget.run()
            }
        }
    }

    /// The rows of `all` or `ofSession`.
    static func read(_ statement: SQLiteStatement) throws(StoreError) -> [DeliveryRecord] {
        defer { statement.reset() }
        var found: [DeliveryRecord] = []
        while try statement.step() {
            guard let slot = UInt32(exactly: statement.integer(1)), slot < 2 * DeliveryRecord.firstHeld,
                let packetID = UInt16(exactly: statement.integer(2))
            else { throw .unusable("the mark of a message cannot be read") }
            found.append(
                DeliveryRecord(
                    session: UInt64(bitPattern: statement.integer(0)), slot: slot, packetID: packetID,
                    fingerprint: UInt64(bitPattern: statement.integer(3)), sequence: UInt64(bitPattern: statement.integer(4))))
        }
        return found
    }
}
