import CSQLite
import EventCore
import Exchanges
import Glibc
import Stores
import Testing

@Suite(.timeLimit(.minutes(10))) struct RepetitionStoreTests {
    private func record(_ position: UInt64, outcome: [UInt8] = [1, 2, 3]) -> RepetitionRecord {
        RepetitionRecord(
            position: position, identity: .init(high: position, low: .max), fingerprint: .init(high: 0, low: position),
            time: Timestamp(microseconds: Int64(position)), kind: .accepted, outcome: outcome)
    }

    @Test func recordsComeAndGoWithEvents() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let all = (1...5).map { record(UInt64($0), outcome: Array(repeating: 7, count: $0 - 1)) }
        _ = try store.append([events.batch(key("a"))], RepetitionChanges(Array(all[..<3])))
        _ = try store.append([], RepetitionChanges(Array(all[3...]), forgetsThrough: 2))
        // A row goes when all in it may go.
        #expect(try store.repetitions(after: 0, limit: 10) == all)
        #expect(try store.repetitions(after: 3, limit: 1) == [all[3]] && store.repetitions(after: 1, limit: 1) == [all[1]])
        #expect(try store.head() == 1)
        _ = try store.append([], RepetitionChanges([record(6)], forgetsThrough: 4))
        #expect(try store.repetitions(after: 0, limit: 10) == [all[3], all[4], record(6)])
        store.close()
        let again = try shop.open()
        #expect(try again.repetitions(after: 0, limit: 10) == [all[3], all[4], record(6)])
        _ = try again.append([], RepetitionChanges([record(7)]))
        #expect(try again.repetitions(after: 6, limit: 10) == [record(7)])
    }

    /// A group of any size: rows are filled and begun anew, and whatever is asked for is found in its row.
    @Test func manyRecordsInOneAppend() throws {
        let shop = try Workshop()
        let store = try shop.open()
        let all = (1...3000).map { record(UInt64($0), outcome: Array(repeating: UInt8($0 % 251), count: $0 % 700 == 0 ? 200_000 : $0 % 90)) }
        _ = try store.append([], RepetitionChanges(Array(all[..<2999])))
        _ = try store.append([], RepetitionChanges([all[2999]]))
        #expect(try store.repetitions(after: 0, limit: 10_000) == all)
        for place in stride(from: 0, to: all.count, by: 37) {
            #expect(try store.repetitions(after: UInt64(place), limit: 1) == [all[place]])
        }
        #expect(try store.repetitions(after: 1000, limit: 500) == Array(all[1000..<1500]))
        _ = try store.append([], RepetitionChanges([record(3001)], forgetsThrough: 3000))
        #expect(try store.repetitions(after: 0, limit: 10) == [record(3001)])
    }

    /// What the disk made of a row is not taken for records.
    @Test(arguments: ["substr(records, 1, length(records) - 1)", "CAST(records || x'00' AS BLOB)", "zeroblob(length(records))", "x''"])
    func aDamagedRowIsRefused(_ damage: String) throws {
        let shop = try Workshop()
        let first = try shop.open()
        _ = try first.append([], RepetitionChanges((1...3).map { record($0) }))
        first.close()
        change(shop, "UPDATE repetition_groups SET records = \(damage)")
        let store = try shop.open()
        guard case .unusable? = storeError({ () throws(StoreError) in _ = try store.repetitions(after: 0, limit: 10) }) else {
            Issue.record("it was read")
            return
        }
    }

    private func change(_ shop: borrowing Workshop, _ sql: String) {
        var database: OpaquePointer?
        #expect(sqlite3_open(shop.path, &database) == SQLITE_OK)
        #expect(sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK)
        sqlite3_close(database)
    }

    @Test func neitherWithoutTheOther() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let (late, plain) = (events.batch(try key("a"), .exact(7)), events.batch(try key("a")))
        let one = RepetitionChanges([record(1)])
        #expect(storeError { () throws(StoreError) in _ = try store.append([late], one) } == .conflict(batch: 0, actual: 0))
        #expect(try store.repetitions(after: 0, limit: 10).isEmpty)
        _ = try store.append([], RepetitionChanges([record(1)]))
        // A record whose place is taken takes its events along.
        #expect(storeError { () throws(StoreError) in _ = try store.append([plain], one) } != nil)
        #expect(try store.head() == 0)
    }

    private static let oldTable = """
        DROP TABLE repetition_groups; DROP TABLE delivery_marks;
        CREATE TABLE repetitions (
          position INTEGER PRIMARY KEY, identity BLOB NOT NULL CHECK (length(identity) = 16),
          fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 16), time INTEGER NOT NULL, kind INTEGER NOT NULL,
          outcome BLOB NOT NULL
        ) STRICT; PRAGMA user_version = 2;
        """

    /// A file of the first version has no records, and gets the table.
    @Test func anOldFileBecomesAPresentOne() throws {
        let shop = try Workshop()
        var events = Events()
        let first = try shop.open()
        _ = try first.append([events.batch(key("a"))])
        first.close()
        change(shop, "DROP TABLE repetition_groups; DROP TABLE delivery_marks; PRAGMA user_version = 1")
        let store = try shop.open()
        #expect(try store.head() == 1)
        _ = try store.append([], RepetitionChanges([record(1)]))
        #expect(try store.repetitions(after: 0, limit: 10) == [record(1)])
    }

    /// One of the second version had a row a record: they are taken over, and those before the first have left.
    @Test func recordsOfTheVersionBeforeStay() throws {
        let shop = try Workshop()
        try shop.open().close()
        change(
            shop, Self.oldTable + """
            WITH RECURSIVE n (i) AS (SELECT 5 UNION ALL SELECT i + 1 FROM n WHERE i < 904)
            INSERT INTO repetitions SELECT i, x'0000000000000007FFFFFFFFFFFFFFFF', x'00000000000000000000000000000002', i, 1, x'010203' FROM n
            """)
        let store = try shop.open()
        let all = (5...904).map { position in
            RepetitionRecord(
                position: UInt64(position), identity: .init(high: 7, low: .max), fingerprint: .init(high: 0, low: 2),
                time: Timestamp(microseconds: Int64(position)), kind: .accepted, outcome: [1, 2, 3])
        }
        #expect(try store.repetitions(after: 0, limit: 10_000) == all)
        _ = try store.append([], RepetitionChanges([record(905)]))
        #expect(try store.repetitions(after: 903, limit: 10) == [all[899], record(905)])
    }

    /// What cannot be read there is not dropped: the file stays what it was.
    @Test func anOldFileThatCannotBeReadIsLeftAlone() throws {
        let shop = try Workshop()
        try shop.open().close()
        change(shop, Self.oldTable + "INSERT INTO repetitions VALUES (1, zeroblob(16), zeroblob(16), 0, 99, x'')")
        for _ in 0..<2 {
            #expect(refusal { () throws(StoreError) in try SQLiteEventStore(path: shop.path) }
                == .unusable("record 1 of a request cannot be read"))
        }
    }

    /// The transaction was written, its sync failed, and the next opening found it: done, though no event tells so.
    @Test func aRecordThatLandedIsThere() throws {
        #expect(FaultyDisk.installed)
        let shop = try Workshop(named: "faulty")
        let store = try shop.open()
        _ = try store.append([], RepetitionChanges([record(1)]))
        FaultyDisk.fail(1)
        let failure = storeError { () throws(StoreError) in _ = try store.append([], RepetitionChanges([record(2)])) }
        #expect(try store.repetitions(after: 0, limit: 10).count == (failure == nil ? 2 : 1))
        _ = try store.append([], RepetitionChanges([record(failure == nil ? 3 : 2)]))
    }
}

@Suite struct RepeatSecretFileTests {
    @Test func isMadeOnceForItsOwner() throws {
        let shop = try Workshop()
        let path = RepeatSecretFile.path(ofEvents: shop.path)
        defer { unlink(path) }
        let made = try RepeatSecretFile.open(path)
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600 && status.st_size == 16)
        #expect(try RepeatSecretFile.open(path) == made)
        #expect(access(path + ".new", F_OK) != 0)
    }

    @Test(arguments: [0, 15, 17, 4096])
    func anythingElseIsRefused(_ bytes: Int) throws {
        let shop = try Workshop()
        let path = RepeatSecretFile.path(ofEvents: shop.path)
        defer { unlink(path) }
        let file = fopen(path, "w")
        for _ in 0..<bytes { fputc(7, file) }
        fclose(file)
        #expect(storeError { () throws(StoreError) in _ = try RepeatSecretFile.open(path) } == .unusable("\(path) is not a key of 16 bytes"))
    }
}
