import CSQLite
import EventCore
import Glibc
import Testing
import Threads

@testable import Stores

/// The file itself, seen by somebody who opens it with SQLite.
final class Stranger {
    private var handle: OpaquePointer?

    init(_ path: String) { sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nil) }
    deinit { sqlite3_close_v2(handle) }

    /// The error message, nil when it worked.
    func run(_ sql: String) -> String? {
        sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK ? nil : String(cString: sqlite3_errmsg(handle))
    }

    func text(_ sql: String) -> String? {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else { return nil }
        defer { sqlite3_finalize(statement) }
        guard sqlite3_step(statement) == SQLITE_ROW, let text = sqlite3_column_text(statement, 0) else { return nil }
        return String(cString: text)
    }

    /// One column of all rows.
    func column(_ column: Int32, of sql: String) -> [String] {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else { return [] }
        defer { sqlite3_finalize(statement) }
        var texts: [String] = []
        while sqlite3_step(statement) == SQLITE_ROW {
            texts.append(sqlite3_column_text(statement, column).map { String(cString: $0) } ?? "")
        }
        return texts
    }
}

@Suite struct SQLiteTests {
    /// Each read goes by an index from where it begins to where it ends, and sorts nothing: it takes as long as what it
    /// gives back, however much the store holds.
    @Test(arguments: [
        (SQLiteReader.byVersion, ["SEARCH s USING COVERING INDEX sqlite_autoindex_streams_1 (id=? AND type=?)", "SEARCH e USING INDEX events_by_version (stream=? AND version>? AND version<?)"]),
        (SQLiteReader.byTime, ["SEARCH e USING INDEX events_by_time (type=? AND timestamp>? AND timestamp<?)", "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)"]),
        (SQLiteReader.byPosition, ["SEARCH e USING INTEGER PRIMARY KEY (rowid>?)", "SEARCH s USING INTEGER PRIMARY KEY (rowid=?)"]),
    ])
    func readsByAnIndex(_ sql: String, _ plan: [String]) throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        for i in 0..<200 { _ = try store.append([events.batch(try key("u\(i % 9)"))]) }
        #expect(Stranger(shop.path).column(3, of: "EXPLAIN QUERY PLAN " + sql) == plan)
        store.close()
    }

    /// However much is asked for, an answer is bounded; the next call goes on behind it.
    @Test func anAnswerIsBounded() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let cart = try key("u")
        for _ in 0..<3 { _ = try store.append([events.batch(cart, count: 4000)]) }
        let (always, ever) = (Timestamp(microseconds: .min), Timestamp(microseconds: .max))
        #expect(try store.read(cart, from: 1, through: .max, limit: .max).map(\.version) == Array(1...10_000))
        #expect(try store.read(cart, from: 10_001, through: .max, limit: .max).count == 2000)
        #expect(try store.read(after: 0, limit: .max).map(\.position) == Array(1...10_000))
        #expect(try store.read(after: 10_000, limit: .max).count == 2000)
        #expect(try store.read(type: "ItemAdded", from: always, until: ever, limit: .max).count == 10_000)
        #expect(try store.read(type: "ItemAdded", from: Timestamp(microseconds: 11_000_000), until: ever, limit: .max).count == 1001)
        #expect(try store.read(after: .max, limit: 10).isEmpty)
        #expect(try store.read(cart, from: .max, through: .max, limit: 10).isEmpty)
        #expect(try store.read(type: "Other", from: always, until: ever, limit: 10).isEmpty)
        for limit in [0, -1, Int.min] { #expect(try store.read(after: 0, limit: limit).isEmpty) }
        store.close()
    }

    @Test(arguments: [
        "UPDATE events SET payload = '{}'", "DELETE FROM events", "DELETE FROM events WHERE position = 1",
        "UPDATE streams SET id = 'x'", "DELETE FROM streams", "UPDATE names SET text = 'x'", "DELETE FROM names",
        // REPLACE deletes without firing the delete triggers.
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE position = 1",
        """
        INSERT OR REPLACE INTO events SELECT 3, stream, version, randomblob(16), type, timestamp, schema_version,
          source, '{}', NULL, NULL, NULL, NULL FROM events WHERE position = 1
        """,
        """
        INSERT OR REPLACE INTO events SELECT 3, stream, 3, event_id, type, timestamp, schema_version,
          source, '{}', NULL, NULL, NULL, NULL FROM events WHERE position = 1
        """,
        "INSERT OR REPLACE INTO streams SELECT stream, type, 'x' FROM streams",
        "INSERT OR REPLACE INTO names SELECT name, 'x' FROM names",
        "UPDATE OR REPLACE events SET position = 1 WHERE position = 2",
    ])
    func isAppendOnlyForEverybody(_ sql: String) throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let cart = try key("u")
        _ = try store.append([events.batch(cart, .none, count: 2)])
        let before = try store.read(after: 0, limit: 9)
        let stranger = Stranger(shop.path)
        #expect(stranger.run(sql) != nil)
        #expect(try store.read(after: 0, limit: 9) == before)
        // And the well-behaved way still works.
        #expect(try store.append([events.batch(cart, .exact(2))]).head == 3)
    }

    @Test func canBeReadByPeople() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        _ = try store.append([events.batch(try key("u"))])
        let row = Stranger(shop.path).text(
            "SELECT aggregate_type || ' ' || aggregate_id || ' ' || event_type || ' ' || timestamp || ' ' || source FROM log")
        #expect(row == "Cart u ItemAdded 1970-01-01T00:00:00.001000Z test")
    }

    @Test func belongsToItsOwnerAndOneWriter() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        _ = try store.append([events.batch(try key("u"))])
        for suffix in ["", "-wal", "-shm", ".lock"] {
            var status = stat()
            #expect(stat(shop.path + suffix, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600, "\(suffix)")
        }
        #expect(storeError { () throws(StoreError) in _ = try SQLiteEventStore(path: shop.path) }
            == .locked("another process writes to \(shop.path)"))
        store.close()
        #expect(try shop.open().head() == 1)
    }

    /// Its lock is closed once: the second time the number may be somebody else's file.
    @Test func aRefusedOpeningClosesNothingOfOthers() throws {
        let shop = try Workshop()
        let store = try shop.open()
        let path = shop.path
        let refused = NamedThread.required(name: "refused") {
            for _ in 0..<3000 { _ = storeError { () throws(StoreError) in _ = try SQLiteEventStore(path: path) } }
        }
        var lost = 0
        for _ in 0..<20_000 {
            let file = open("/dev/null", O_RDONLY | O_CLOEXEC)
            sched_yield()
            if file < 0 || close(file) != 0 { lost += 1 }
        }
        refused.join()
        #expect(lost == 0)
        store.close()
    }

    @Test func refusesWhatIsNotItsOwn() throws {
        func opening(_ prepare: (Stranger) -> Void) throws -> StoreError? {
            let shop = try Workshop()
            prepare(Stranger(shop.path))
            return refusal { () throws(StoreError) in try SQLiteEventStore(path: shop.path) }
        }
        #expect(try opening { _ = $0.run("CREATE TABLE t (x)") } == .unusable("this is not an event store"))
        #expect(try opening { _ = $0.run("PRAGMA application_id = 1") } == .unusable("this is not an event store"))
        #expect(
            try opening { _ = $0.run("PRAGMA application_id = \(0x4E58_4556); PRAGMA user_version = 99; VACUUM") }
                == .unusable("this is an event store of format 99; this program knows 3"))
        let shop = try Workshop()
        let file = fopen(shop.path, "w")
        fputs(String(repeating: "not a database ", count: 1000), file)
        fclose(file)
        guard case .unusable = refusal({ () throws(StoreError) in try SQLiteEventStore(path: shop.path) }) else {
            Issue.record("opened a text file")
            return
        }
    }

    @Test func noticesDamage() throws {
        let shop = try Workshop()
        var events = Events()
        let store = try shop.open()
        for _ in 0..<50 { _ = try store.append([events.batch(try key("u"), count: 50)]) }
        store.close()
        let file = open(shop.path, O_RDWR)
        let noise = [UInt8](repeating: 0xA5, count: 4096)
        for page in stride(from: 12, to: 40, by: 2) {
            #expect(noise.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(page * 4096)) } == 4096)
        }
        close(file)
        guard case .unusable = refusal({ () throws(StoreError) in try SQLiteEventStore(path: shop.path) }) else {
            Issue.record("opened a damaged file")
            return
        }
    }

    @Test func makesItsDirectories() throws {
        let shop = try Workshop()
        let path = shop.directory + "/a/b/events.db"
        let store = try SQLiteEventStore(path: path)
        #expect(try store.head() == 0)
        store.close()
        for name in ["/a/b/events.db", "/a/b/events.db.lock", "/a/b/events.db-wal", "/a/b/events.db-shm"] {
            unlink(shop.directory + name)
        }
        rmdir(shop.directory + "/a/b")
        rmdir(shop.directory + "/a")
    }

    @Test func keepsTheWALBounded() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let carts = try (0..<200).map { try key("u\($0)") }
        var largest = 0
        for round in 0..<400 {
            _ = try store.append(carts.map { events.batch($0) })
            var status = stat()
            stat(shop.path + "-wal", &status)
            largest = max(largest, Int(status.st_size))
            if round == 399 { #expect(try store.head() == 80_000) }
        }
        #expect(largest < 100 << 20)
        store.close()
        #expect(try shop.open().head() == 80_000)
    }
}

@Suite struct FullDiskTests {
    @Test func refusesAndRecovers() throws {
        let shop = try Workshop()
        let store = try shop.open(.init(mostBytes: 300_000))
        var events = Events()
        var cart = try key("u")
        var kept = 0
        while kept < 10_000 {
            let error = storeError { () throws(StoreError) in _ = try store.append([events.batch(cart, count: 10)]) }
            if let error {
                #expect(error == .full)
                break
            }
            kept += 10
        }
        #expect(kept > 100 && kept < 10_000)
        #expect(try store.head() == UInt64(kept))
        // Still full for a new aggregate, still readable, and well when there is space again.
        cart = try key("v")
        #expect(storeError { () throws(StoreError) in _ = try store.append([events.batch(cart, count: 500)]) } == .full)
        #expect(try store.read(try key("u"), from: UInt64(kept), through: .max, limit: 9).count == 1)
        store.limit(to: .max)
        #expect(try store.append([events.batch(cart, .none, count: 500)]).head == UInt64(kept + 500))
        store.close()
        #expect(try shop.open().head() == UInt64(kept + 500))
    }
}
