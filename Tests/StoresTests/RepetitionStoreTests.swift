import CSQLite
import EventCore
import Exchanges
import Glibc
import Stores
import Testing

@Suite(.timeLimit(.minutes(1))) struct RepetitionStoreTests {
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
        #expect(try store.repetitions(after: 0, limit: 10) == Array(all[2...]))
        #expect(try store.repetitions(after: 3, limit: 1) == [all[3]])
        #expect(try store.head() == 1)
        store.close()
        let again = try shop.open()
        #expect(try again.repetitions(after: 0, limit: 10) == Array(all[2...]))
        _ = try again.append([], RepetitionChanges([record(6)]))
        #expect(try again.repetitions(after: 5, limit: 10) == [record(6)])
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

    /// A file of the version before has no records, and gets the table.
    @Test func anOlderFileBecomesAPresentOne() throws {
        let shop = try Workshop()
        var events = Events()
        let first = try shop.open()
        _ = try first.append([events.batch(key("a"))])
        first.close()
        var database: OpaquePointer?
        #expect(sqlite3_open(shop.path, &database) == SQLITE_OK)
        #expect(sqlite3_exec(database, "DROP TABLE repetitions; DROP TABLE delivery_marks; PRAGMA user_version = 1", nil, nil, nil) == SQLITE_OK)
        sqlite3_close(database)
        let store = try shop.open()
        #expect(try store.head() == 1)
        _ = try store.append([], RepetitionChanges([record(1)]))
        #expect(try store.repetitions(after: 0, limit: 10) == [record(1)])
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
