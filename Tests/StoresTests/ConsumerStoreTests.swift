import EventCore
import Glibc
import MemoryStores
import Stores
import Testing

/// A store of consumers to test: in memory, or a file.
enum ConsumerStoreKind: CaseIterable, Sendable {
    case memory, sqlite

    func open(_ shop: ConsumerWorkshop) throws -> any ConsumerStore {
        switch self {
        case .memory: MemoryConsumerStore()
        case .sqlite: try shop.open()
        }
    }
}

/// A directory of its own for each test, removed afterwards.
final class ConsumerWorkshop {
    let directory: String

    init(named name: String = "consumers") throws {
        var template = Array("/tmp/nexus-\(name)-XXXXXX".utf8CString)
        directory = String(cString: try #require(mkdtemp(&template)))
    }

    deinit {
        for name in ["consumers.db", "consumers.db-wal", "consumers.db-shm", "consumers.db.lock"] {
            unlink(directory + "/" + name)
        }
        rmdir(directory)
    }

    var path: String { directory + "/consumers.db" }
    func open() throws -> SQLiteConsumerStore {
        try patiently { () throws(StoreError) in try SQLiteConsumerStore(path: path) }
    }
}

private func row(_ key: String, _ value: [UInt8] = [1]) -> ConsumerRow { ConsumerRow(key: key, value: value) }

/// What every store of consumers has to do (SPEC B-4).
@Suite struct ConsumerStoreTests {
    @Test(arguments: ConsumerStoreKind.allCases)
    func beginsEmpty(_ kind: ConsumerStoreKind) throws {
        let shop = try ConsumerWorkshop()
        let store = try kind.open(shop)
        #expect(try store.checkpoint(of: "a") == 0)
        #expect(try store.rows(of: "a", after: nil, limit: 10) == [])
        #expect(try store.row("k", of: "a") == nil)
    }

    @Test(arguments: ConsumerStoreKind.allCases)
    func aCheckpointNeverGoesBack(_ kind: ConsumerStoreKind) throws {
        let shop = try ConsumerWorkshop()
        let store = try kind.open(shop)
        for (position, expected) in [(5, 5), (3, 5), (0, 5), (6, 6), (UInt64(Int64.max), UInt64(Int64.max))] as [(UInt64, UInt64)] {
            try store.commit("a", through: position, [])
            #expect(try store.checkpoint(of: "a") == expected)
        }
        #expect(try store.checkpoint(of: "b") == 0)
    }

    @Test(arguments: ConsumerStoreKind.allCases)
    func keepsRowsOfEachConsumerInTheOrderOfTheirBytes(_ kind: ConsumerStoreKind) throws {
        let shop = try ConsumerWorkshop()
        let store = try kind.open(shop)
        let keys = ["b", "a", "é", "Z", "a/1", "a/10", "a/2", "🦊", "e\u{301}"]
        try store.commit("a", through: 1, keys.map { .put(row($0, Array($0.utf8))) })
        try store.commit("b", through: 1, [.put(row("a", []))])
        let sorted = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(try store.rows(of: "a", after: nil, limit: 100).map(\.key.utf8.count) == sorted.map(\.utf8.count))
        #expect(try store.rows(of: "a", after: nil, limit: 100).map { Array($0.key.utf8) } == sorted.map { Array($0.utf8) })
        #expect(try store.rows(of: "a", after: "a", limit: 2).map(\.key) == ["a/1", "a/10"])
        #expect(try store.rows(of: "a", after: "🦊", limit: 2) == [])
        #expect(try store.rows(of: "a", after: nil, limit: 0) == [])
        #expect(try store.row("🦊", of: "a") == row("🦊", Array("🦊".utf8)))
        #expect(try store.rows(of: "b", after: nil, limit: 9) == [row("a", [])])
    }

    @Test(arguments: ConsumerStoreKind.allCases)
    func changesRowsInOrder(_ kind: ConsumerStoreKind) throws {
        let shop = try ConsumerWorkshop()
        let store = try kind.open(shop)
        let all = [UInt8](0...255)
        try store.commit("a", through: 1, [.put(row("k", [1])), .put(row("k", all)), .put(row("l")), .delete(key: "l")])
        #expect(try store.rows(of: "a", after: nil, limit: 9) == [row("k", all)])
        try store.commit("a", through: 1, [.delete(key: "k"), .delete(key: "never"), .put(row("k", [3]))])
        #expect(try store.rows(of: "a", after: nil, limit: 9) == [row("k", [3])])
    }

    @Test(arguments: ConsumerStoreKind.allCases)
    func refusesWhatIsTooLargeAndThenKeepsNothingOfIt(_ kind: ConsumerStoreKind) throws {
        let shop = try ConsumerWorkshop()
        let store = try kind.open(shop)
        try store.commit("a", through: 1, [.put(row(String(repeating: "k", count: 512), [UInt8](repeating: 7, count: 1 << 20)))])
        let wrong: [(String, UInt64, RowChange)] = [
            ("a", 2, .put(row(String(repeating: "k", count: 513)))), ("a", 2, .put(row("", [1]))),
            ("a", 2, .put(row("k", [UInt8](repeating: 7, count: 1 << 20 + 1)))),
            ("a", 2, .delete(key: String(repeating: "é", count: 257))), ("", 2, .put(row("k"))),
            (String(repeating: "a", count: 65), 2, .put(row("k"))), ("a", 1 << 63, .put(row("k"))),
        ]
        for (consumer, position, change) in wrong {
            let error = storeError { () throws(StoreError) in
                try store.commit(consumer, through: position, [.put(row("other")), change])
            }
            guard case .invalid = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        #expect(try store.checkpoint(of: "a") == 1)
        #expect(try store.rows(of: "a", after: nil, limit: 9).map(\.key.utf8.count) == [512])
    }

    @Test(arguments: ConsumerStoreKind.allCases)
    func isUsedByManyAtOnce(_ kind: ConsumerStoreKind) async throws {
        let shop = try ConsumerWorkshop()
        let store = try kind.open(shop)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for consumer in 0..<4 {
                group.addTask {
                    for i in 1...200 as ClosedRange<UInt64> {
                        try store.commit("c\(consumer)", through: i, [.put(row("k\(i % 10)", [UInt8(i)]))])
                        #expect(try store.checkpoint(of: "c\(consumer)") == i)
                        #expect(try store.row("k\(i % 10)", of: "c\(consumer)")?.value == [UInt8(i)])
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}

/// The file.
@Suite struct SQLiteConsumerStoreTests {
    @Test func goesOnAfterARestart() throws {
        let shop = try ConsumerWorkshop()
        for round in 1...3 as ClosedRange<UInt64> {
            let store = try shop.open()
            #expect(try store.checkpoint(of: "a") == round - 1)
            try store.commit("a", through: round, [.put(row("k\(round)"))])
            store.close()
            #expect(storeError { () throws(StoreError) in _ = try store.checkpoint(of: "a") } == .closed)
        }
        #expect(try shop.open().rows(of: "a", after: nil, limit: 9).count == 3)
    }

    @Test func belongsToItsOwnerAndOneProcess() throws {
        let shop = try ConsumerWorkshop()
        let store = try shop.open()
        try store.commit("a", through: 1, [])
        for suffix in ["", "-wal", "-shm", ".lock"] {
            var status = stat()
            #expect(stat(shop.path + suffix, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600, "\(suffix)")
        }
        #expect(storeError { () throws(StoreError) in _ = try SQLiteConsumerStore(path: shop.path) }
            == .locked("another process writes to \(shop.path)"))
        store.close()
    }

    @Test func refusesWhatIsNotItsOwn() throws {
        let shop = try ConsumerWorkshop()
        // An event store is no store of consumers, nor the other way round.
        try patiently { () throws(StoreError) in try SQLiteEventStore(path: shop.path) }.close()
        #expect(refusal { () throws(StoreError) in try SQLiteConsumerStore(path: shop.path) }
            == .unusable("this is not a store of consumers"))
        let other = try ConsumerWorkshop()
        try other.open().close()
        #expect(refusal { () throws(StoreError) in try SQLiteEventStore(path: other.path) }
            == .unusable("this is not an event store"))
        let text = try ConsumerWorkshop()
        let file = fopen(text.path, "w")
        fputs(String(repeating: "not a database ", count: 1000), file)
        fclose(file)
        guard case .unusable = refusal({ () throws(StoreError) in try SQLiteConsumerStore(path: text.path) }) else {
            Issue.record("opened a text file")
            return
        }
    }

    @Test func noticesDamage() throws {
        let shop = try ConsumerWorkshop()
        let store = try shop.open()
        for i in 0..<200 { try store.commit("a", through: 1, [.put(row("key \(i)", [UInt8](repeating: 7, count: 2000)))]) }
        store.close()
        let file = open(shop.path, O_RDWR)
        let noise = [UInt8](repeating: 0xA5, count: 4096)
        for page in stride(from: 6, to: 40, by: 2) {
            #expect(noise.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(page * 4096)) } == 4096)
        }
        close(file)
        guard case .unusable = refusal({ () throws(StoreError) in try SQLiteConsumerStore(path: shop.path) }) else {
            Issue.record("opened a damaged file")
            return
        }
    }

    /// The process alone takes nothing that was committed, and leaves no half of a commit.
    @Test(.timeLimit(.minutes(10))) func killedAtAnyMomentItKeepsWhole() throws {
        let shop = try ConsumerWorkshop()
        var told: UInt64 = 0
        for round in 0..<300 where round < 15 || told <= 500 {
            let lines = try KilledProgram("checkpoint", path: shop.path).kill(after: .random(upTo: 60, in: round))
            told = max(told, UInt64(lines.last ?? "") ?? 0)
            let store = try shop.open()
            let position = try store.checkpoint(of: "crash")
            #expect(position >= told)
            let rows = try store.rows(of: "crash", after: nil, limit: 9)
            #expect(rows == ["a", "b"].map { ConsumerRow(key: $0, value: Array("\(position)".utf8)) })
            store.close()
        }
        #expect(told > 500)
    }

    @Test func keepsTheWALBounded() throws {
        let shop = try ConsumerWorkshop()
        let store = try shop.open()
        for i in 0..<5000 as Range<UInt64> {
            try store.commit("a", through: i, [.put(row("k\(i % 50)", [UInt8](repeating: 7, count: 4000)))])
        }
        var status = stat()
        stat(shop.path + "-wal", &status)
        #expect(status.st_size < 16 << 20)
        store.close()
    }
}

// One test at a time breaks the disk.
extension FaultTests {
    /// However many calls fail in a row: a commit that succeeds is there, one that fails is there or not, whole,
    /// and afterwards it goes on.
    @Test(arguments: [1, 2, 3, 5, 8, 20], [false, true])
    func consumersSurviveAFailingDisk(_ calls: Int, _ alsoWrites: Bool) throws {
        #expect(FaultyDisk.installed)
        let shop = try ConsumerWorkshop(named: "faulty-consumers")
        let store = try shop.open()
        try store.commit("a", through: 1, [.put(row("k", [1])), .put(row("l", [1]))])
        var told: UInt64 = 1
        FaultyDisk.fail(calls, alsoWrites: alsoWrites)
        for i in 2...60 as ClosedRange<UInt64> {
            let value = [UInt8](repeating: UInt8(i), count: 100_000)
            let error = storeError { () throws(StoreError) in
                try store.commit("a", through: i, [.put(row("k", value)), .put(row("l", value))])
            }
            if error == nil { told = i }
        }
        FaultyDisk.fail(0)
        func check(_ store: SQLiteConsumerStore) throws {
            let position = try store.checkpoint(of: "a")
            #expect(position >= told)
            let (k, l) = (try store.row("k", of: "a"), try store.row("l", of: "a"))
            #expect(k?.value == l?.value && k?.value.first == UInt8(position))
        }
        try check(store)
        try store.commit("a", through: 100, [.put(row("k", [100])), .put(row("l", [100]))])
        store.close()
        try check(try shop.open())
    }
}
