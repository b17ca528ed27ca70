import CSQLite
import Glibc
import Stores
import Testing
import Topics
import WireMQTT

/// What the store has, as lines that can be compared.
private func lines(_ store: SQLiteSessionStore) throws -> [String] {
    var lines: [String] = []
    try store.load { lines.append(line($0)) }
    return lines
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

private func line(_ message: Message) -> String {
    "\(text(message.topic)) \(text(message.payload)) \(message.qos) \(message.isRetained) \(message.properties) \(message.expiresMS)"
}

private func line(_ change: SessionChange) -> String {
    switch change {
    case .session(let session):
        let will = session.will.map { " will \(line($0.message)) \($0.delay) \($0.standing)" } ?? ""
        return "session \(session.number) \(text(session.clientID)) \(text(session.owner)) \(session.incarnation)"
            + " \(session.sessionExpiry) \(session.leftMS)\(will)"
    case .subscribe(let session, let subscription):
        return "subscribe \(session) \(subscription.filter.share.map(text) ?? "") \(text(subscription.filter.text))"
            + " \(subscription.options) \(subscription.identifier)"
    case .message(let number, let message): return "message \(number) \(line(message))"
    default: return "\(change)"
    }
}

private func session(_ number: UInt64, will: Will? = nil, leftMS: UInt64 = 0) -> StoredSession {
    StoredSession(
        number: number, clientID: Array("device-\(number)".utf8), owner: Array("service\u{0}issuer\u{0}\(number)".utf8),
        incarnation: .max - number, sessionExpiry: .max, leftMS: leftMS, will: will)
}

private func message(_ topic: String, _ payload: [UInt8] = [1, 0, 255]) -> Message {
    Message(topic: Array(topic.utf8), payload: payload, qos: .exactlyOnce, isRetained: true, properties: [3, 0, 1, 97])
}

private func filter(_ text: String) throws -> TopicFilter {
    let parsed = TopicFilter(Array(text.utf8).span, mostLevels: 100)
    return try #require(parsed)
}

private func refused(_ topic: String, payload: [UInt8] = []) -> RefusedMessage {
    RefusedMessage(
        topic: Array(topic.utf8), payload: payload, clientID: [1], subject: Array("élodie".utf8), qos: .atLeastOnce,
        code: "VALIDATION_ERROR", reason: "quantity: not a number", atMS: 1_700_000_000_123, owner: [3, 105, 0, 97], standing: [1, 0, 255],
        properties: [3, 0, 1, 97], isRetained: true, expiresMS: .max - 1, mark: .max - 2, isCut: true)
}

/// The fault's text; nil when there is none.
private func fault(_ body: () throws(SessionStoreFault) -> Void) -> String? {
    do throws(SessionStoreFault) {
        try body()
        return nil
    } catch {
        return error.text
    }
}

/// A file of its own, removed afterwards.
private final class Place {
    let shop: Workshop
    var path: String { SQLiteSessionStore.path(ofEvents: shop.path) }

    init(named name: String = "sessions") throws { shop = try Workshop(named: name) }

    deinit { for end in ["", "-wal", "-shm", ".lock"] { unlink(path + end) } }

    /// A process that another test starts at this moment holds our files, and so their lock, until it becomes itself.
    func open() throws(SessionStoreFault) -> SQLiteSessionStore {
        for _ in 0..<6000 {
            do throws(SessionStoreFault) {
                return try SQLiteSessionStore(path: path)
            } catch {
                guard error.text.contains("another process") else { throw error }
                usleep(10_000)
            }
        }
        return try SQLiteSessionStore(path: path)
    }

    func change(_ sql: String) {
        var database: OpaquePointer?
        #expect(sqlite3_open(path, &database) == SQLITE_OK)
        #expect(sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK)
        sqlite3_close(database)
    }
}

@Suite(.timeLimit(.minutes(10))) struct SessionStoreTests {
    @Test func everythingComesBack() throws {
        let place = try Place()
        let store = try place.open()
        let options = SubscriptionOptions(qos: .atLeastOnce, noLocal: true, retainAsPublished: true, retainHandling: .doNotSend)
        // In the order in which they are read.
        let all: [SessionChange] = [
            .session(session(1, will: Will(message("gone/1"), delay: 30, standing: [1, 0, 255]), leftMS: 77)),
            .session(session(2)),
            .subscribe(session: 1, Subscription(filter: try filter("$share/group/a/+/#"), options: options, identifier: 268_435_455)),
            .subscribe(session: 1, Subscription(filter: try filter("b/é/+"), options: SubscriptionOptions(qos: .atMostOnce))),
            .incoming(session: 1, packetID: 65_535),
            .message(number: 5, message("a/b/c")),
            .message(number: 6, Message(topic: [97], payload: [], qos: .atMostOnce, expiresMS: 9)),
            .queue(session: 1, sequence: 1, message: 5, qos: .exactlyOnce, retain: true, identifiers: [1, .max]),
            .sent(session: 1, sequence: 1, packetID: 9),
            .received(session: 1, sequence: 1),
            .queue(
                session: 1, sequence: 2, message: 6, qos: .atLeastOnce, retain: false, identifiers: [],
                share: Array("$share/group/a/+/#".utf8)),
            .queue(session: 2, sequence: 1, message: 5, qos: .atLeastOnce, retain: false, identifiers: []),
            .sent(session: 2, sequence: 1, packetID: 1),
            .retain(topic: Array("a/b/c".utf8), message: 5),
        ]
        try store.commit(all)
        #expect(try lines(store) == all.map(line))
        store.close()
        let again = try place.open()
        #expect(try lines(again) == all.map(line))
        // Said again, it is what it is.
        try again.commit(all)
        #expect(try lines(again) == all.map(line))
        var status = stat()
        #expect(stat(place.path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    @Test func everythingGoes() throws {
        let place = try Place()
        let store = try place.open()
        let plain = SubscriptionOptions(qos: .atMostOnce)
        try store.commit([
            .session(session(1, will: Will(message("w")))), .session(session(2, will: Will(message("w")))),
            .subscribe(session: 1, Subscription(filter: try filter("a"), options: plain)),
            .subscribe(session: 2, Subscription(filter: try filter("a"), options: plain)),
            .subscribe(session: 2, Subscription(filter: try filter("$share/g/a"), options: plain)),
            .message(number: 1, message("a")), .message(number: 2, message("b")),
            .queue(session: 1, sequence: 1, message: 1, qos: .atLeastOnce, retain: false, identifiers: []),
            .queue(session: 2, sequence: 1, message: 1, qos: .atLeastOnce, retain: false, identifiers: []),
            .incoming(session: 1, packetID: 1), .incoming(session: 2, packetID: 1), .incoming(session: 2, packetID: 2),
            .retain(topic: [1], message: 1), .retain(topic: [2], message: 2), .retain(topic: [2], message: 1),
        ])
        // Of one session all goes, of the other nothing.
        try store.commit([.endSession(1)])
        #expect(try lines(store).count == 10 && !lines(store).contains { $0.contains("session 1") || $0.contains("session: 1") })
        try store.commit([
            .session(session(2)), .unsubscribe(session: 2, try filter("$share/g/a")), .done(session: 2, sequence: 1),
            .released(session: 2, packetID: 2), .unretain(topic: [1]), .forgetMessage(number: 2),
            // What is not there is no matter.
            .done(session: 9, sequence: 9), .sent(session: 9, sequence: 9, packetID: 1), .unretain(topic: [9]), .endSession(9),
        ])
        #expect(try lines(store) == [
            line(.session(session(2))), line(.subscribe(session: 2, Subscription(filter: filter("a"), options: plain))),
            line(.incoming(session: 2, packetID: 1)), line(.message(number: 1, message("a"))), line(.retain(topic: [2], message: 1)),
        ])
    }

    @Test func refusedMessagesAreReadFromTheNewest() throws {
        let place = try Place()
        let store = try place.open()
        try store.commit((1...5).map { .refuse(number: $0, refused("t/\($0)", payload: [UInt8](repeating: 1, count: 1000))) })
        #expect(try store.refused(before: .max, limit: 2).map(\.number) == [5, 4])
        #expect(try store.refused(before: 4, limit: 100).map { text($0.message.topic) } == ["t/3", "t/2", "t/1"])
        #expect(try store.refused(before: .max, limit: 1).first?.message == refused("t/5", payload: [UInt8](repeating: 1, count: 1000)))
        try store.commit([.dropRefused(through: 2), .forgetRefused(number: 4)])
        #expect(try store.refused(before: .max, limit: 100).map(\.number) == [5, 3])
        #expect(try store.refused(before: .max, limit: -1).isEmpty)
    }

    @Test func anotherProcessIsRefused() throws {
        let place = try Place()
        let store = try place.open()
        #expect(fault { () throws(SessionStoreFault) in _ = try SQLiteSessionStore(path: place.path) }?.contains("another process") == true)
        store.close()
        #expect(fault { () throws(SessionStoreFault) in try store.commit([.endSession(1)]) } == "\(place.path) is closed")
        _ = try place.open()
    }

    /// What the second format has more than the first one.
    private static let toTheFirstFormat = """
        ALTER TABLE queue DROP COLUMN share;
        ALTER TABLE wills DROP COLUMN standing; ALTER TABLE refused DROP COLUMN owner; ALTER TABLE refused DROP COLUMN standing;
        ALTER TABLE refused DROP COLUMN properties; ALTER TABLE refused DROP COLUMN retained; ALTER TABLE refused DROP COLUMN expires_ms;
        ALTER TABLE refused DROP COLUMN mark; ALTER TABLE refused DROP COLUMN cut; PRAGMA user_version = 1
        """

    @Test func aFileOfTheFormerFormatIsRead() throws {
        let place = try Place()
        let store = try place.open()
        try store.commit([
            .session(session(1, will: Will(message("w"), delay: 3, standing: [9]))), .refuse(number: 4, refused("t")),
        ])
        #expect(try store.refusedCount() == 1)
        #expect(try store.marks() == [.max - 1, .max - 2])
        store.close()
        place.change(SessionStoreTests.toTheFirstFormat)
        let again = try place.open()
        let found = try #require(try again.refused(before: .max, limit: 1).first)
        #expect(found.number == 4 && found.message.owner.isEmpty && found.message.isCut && found.message.expiresMS == .max)
        var standing: [UInt8]?
        try again.load { if case .session(let session) = $0 { standing = session.will?.standing } }
        #expect(standing == [])
    }

    @Test func whatIsNotOursIsRefused() throws {
        let place = try Place()
        try place.open().close()
        place.change("PRAGMA user_version = 99")
        #expect(fault { () throws(SessionStoreFault) in _ = try place.open() }
            == "\(place.path): this is a store of MQTT sessions of format 99; this program knows 2")
        place.change("PRAGMA user_version = 2; PRAGMA application_id = 7")
        #expect(fault { () throws(SessionStoreFault) in _ = try place.open() }
            == "\(place.path): this is not a store of MQTT sessions")
    }

    @Test func anOlderFileBecomesAPresentOne() throws {
        let place = try Place()
        let store = try place.open()
        let queued = SessionChange.queue(session: 1, sequence: 1, message: 5, qos: .atLeastOnce, retain: false, identifiers: [7])
        try store.commit([.session(session(1)), .message(number: 5, message("a")), queued])
        store.close()
        place.change(SessionStoreTests.toTheFirstFormat)
        #expect(try lines(place.open()) == [line(.session(session(1))), line(.message(number: 5, message("a"))), line(queued)])
    }

    @Test func aDamagedFileIsRefused() throws {
        let place = try Place()
        let store = try place.open()
        for i in 1...50 as ClosedRange<UInt64> { try store.commit([.message(number: i, message("a", [UInt8](repeating: 7, count: 3000)))]) }
        store.close()
        let file = Glibc.open(place.path, O_WRONLY)
        for page in 5..<40 { pwrite(file, [UInt8](repeating: 0xA5, count: 100), 100, page * 4096) }
        close(file)
        #expect(fault { () throws(SessionStoreFault) in _ = try place.open() }?.contains("damaged") == true)
    }

    /// A damaged frame in the middle would take all that was acknowledged after it.
    @Test func aDamagedWALIsRefused() throws {
        let place = try Place()
        let store = try place.open()
        for i in 1...50 as ClosedRange<UInt64> { try store.commit([.incoming(session: 1, packetID: UInt16(i))]) }
        let copy = try Place(named: "damaged")
        for end in ["", "-wal"] { try copyFile(place.path + end, copy.path + end) }
        let file = Glibc.open(copy.path + "-wal", O_WRONLY)
        pwrite(file, [0xA5], 1, 32 + 20 * (24 + 4096) + 1000)
        close(file)
        #expect(fault { () throws(SessionStoreFault) in _ = try copy.open() }?.contains("write-ahead log is damaged") == true)
    }

    /// A row that no version of the program has written.
    @Test(arguments: [
        "UPDATE subscriptions SET qos = 3", "UPDATE subscriptions SET filter = 'a/#/b'", "UPDATE subscriptions SET identifier = -1",
        "UPDATE messages SET qos = 1000", "UPDATE queue SET packet = 65536", "UPDATE queue SET identifiers = x'01'",
        "UPDATE incoming SET packet = -1", "UPDATE sessions SET expiry = -1",
    ]) func anImpossibleRowIsRefused(_ sql: String) throws {
        let place = try Place()
        let store = try place.open()
        try store.commit([
            .session(session(1)), .subscribe(session: 1, Subscription(filter: try filter("a"), options: SubscriptionOptions(qos: .atMostOnce))),
            .message(number: 1, message("a")), .incoming(session: 1, packetID: 1),
            .queue(session: 1, sequence: 1, message: 1, qos: .atLeastOnce, retain: false, identifiers: []),
        ])
        place.change(sql)
        #expect(fault { () throws(SessionStoreFault) in try store.load { _ in } }?.hasSuffix("a row cannot be read") == true)
    }
}

extension FaultTests {
    /// A commit that was refused is not there, also not after the next start.
    @Test func aSessionStoreSurvivesAFailingDisk() throws {
        #expect(FaultyDisk.installed)
        let place = try Place(named: "faulty-sessions")
        let store = try place.open()
        var kept: [UInt64] = []
        for number in 1...60 as ClosedRange<UInt64> {
            if number % 3 == 0 { FaultyDisk.fail(number % 2 == 0 ? 1 : 1000, alsoWrites: number % 4 == 0) }
            let failure = fault { () throws(SessionStoreFault) in
                try store.commit([.session(session(number)), .message(number: number, message("a", [UInt8](repeating: 1, count: 5000)))])
            }
            FaultyDisk.fail(0)
            if failure == nil { kept.append(number) } else { #expect(failure?.contains("I/O") == true) }
        }
        #expect(kept.count >= 40 && kept.count < 60)
        let there = try lines(store)
        #expect(there.count == 2 * kept.count)
        store.close()
        #expect(try lines(place.open()) == there)
    }

    /// As after a power failure: the files as they are while the process still runs.
    @Test func aFailedCommitDoesNotTurnUpLater() throws {
        #expect(FaultyDisk.installed)
        let place = try Place(named: "faulty-late")
        let store = try place.open()
        try store.commit([.session(session(1))])
        for pages in [40, 20] {
            FaultyDisk.fail(1)
            let large = message("a", [UInt8](repeating: 7, count: 4096 * pages))
            #expect(fault { () throws(SessionStoreFault) in try store.commit([.session(session(2)), .message(number: 2, large)]) } != nil)
            FaultyDisk.fail(0)
        }
        try store.commit([.session(session(3))])
        let copy = try Place(named: "copy")
        for end in ["", "-wal"] { try copyFile(place.path + end, copy.path + end) }
        let expected = [line(.session(session(1))), line(.session(session(3)))]
        #expect(try lines(copy.open()) == expected && lines(store) == expected)
    }
}

private func copyFile(_ from: String, _ to: String) throws {
    let source = try #require(fopen(from, "r"))
    let target = try #require(fopen(to, "w"))
    defer { fclose(target); fclose(source) }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&chunk, 1, chunk.count, source), count > 0 { fwrite(chunk, 1, count, target) }
}

extension CrashTests {
    /// Each commit moves a message from one queue to the other: it is in exactly one of them, and none that was
    /// acknowledged is gone.
    @Test func killedAtAnyMomentSessionsAreWhole() throws {
        let place = try Place()
        var moved: UInt64 = 0
        for round in 0..<300 where round < 12 || moved <= 50 {
            let printed = try KilledProgram("sessions", path: place.path).kill(after: .random(upTo: 100, in: round))
            let last = try printed.last.map { try #require(UInt64($0)) } ?? moved
            let store = try place.open()
            var queued: [UInt64: Int] = [:]
            var messages: Set<UInt64> = []
            try store.load { change in
                switch change {
                case .message(let number, _): messages.insert(number)
                case .queue(_, _, let message, _, _, _, _): queued[message, default: 0] += 1
                default: break
                }
            }
            store.close()
            let newest = messages.max() ?? 0
            #expect(newest >= last && newest >= moved)
            #expect(messages == Set((newest > 20 ? newest - 19 : 1)...max(newest, 1)))
            #expect(Set(queued.keys) == messages && queued.values.allSatisfy { $0 == 1 })
            moved = newest
        }
        #expect(moved > 50)
    }
}
