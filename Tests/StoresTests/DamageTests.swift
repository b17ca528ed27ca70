import EventCore
import Glibc
import Stores
import Testing

private func contents(_ path: String) throws -> [UInt8] {
    let file = open(path, O_RDONLY)
    try #require(file >= 0, "\(path)")
    defer { close(file) }
    var status = stat()
    fstat(file, &status)
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    try #require(read(file, &bytes, bytes.count) == bytes.count)
    return bytes
}

private func write(_ bytes: [UInt8], to path: String) throws {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    try #require(file >= 0)
    defer { close(file) }
    try #require(Glibc.write(file, bytes, bytes.count) == bytes.count)
}

/// What a damaged disk leaves: an error at the opening or everything that is intact, never silently less.
@Suite(.timeLimit(.minutes(10))) struct DamageTests {
    private static let page = 4096

    /// A database of `count` events in single commits, as after an orderly end.
    private func database(_ shop: Workshop, _ count: Int) throws -> [UInt8] {
        let store = try shop.open()
        var events = Events()
        for _ in 0..<count { _ = try store.append([events.batch(try key("u"))]) }
        store.close()
        return try contents(shop.path)
    }

    /// The files as a crash leaves them after so many acknowledged commits: database and WAL.
    private func crashed(_ commits: Int) throws -> (database: [UInt8], wal: [UInt8]) {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        for i in 0..<commits { _ = try store.append([events.batch(try key("u\(i % 3)"), count: 2)]) }
        let files = (try contents(shop.path), try contents(shop.path + "-wal"))
        store.close()
        return files
    }

    /// Events that can be read, -1 when they are not one after another, nil when the store says that it is damaged.
    private func readable(_ shop: Workshop) throws -> Int? {
        do throws(StoreError) {
            let store = try patiently { () throws(StoreError) in try SQLiteEventStore(path: shop.path) }
            defer { store.close() }
            var position: UInt64 = 0
            while true {
                let events = try store.read(after: position, limit: 1000)
                guard let last = events.last else { return Int(position) }
                guard last.position == position + UInt64(events.count) else { return -1 }
                position = last.position
            }
        } catch {
            return nil
        }
    }

    @Test func aDamagedLastPageOfTheDatabaseIsNoticed() throws {
        let whole = try Workshop()
        let bytes = try database(whole, 200)
        #expect(try readable(whole) == 200)
        for cut in [1, 2000, DamageTests.page, 3 * DamageTests.page] {
            let shop = try Workshop()
            try write(Array(bytes.dropLast(cut)), to: shop.path)
            #expect(try readable(shop) == nil, "cut by \(cut)")
        }
        let shop = try Workshop()
        try write(bytes.dropLast(DamageTests.page) + [UInt8](repeating: 0xA5, count: DamageTests.page), to: shop.path)
        #expect(try readable(shop) == nil)
    }

    /// One bit anywhere: it is noticed, or every event is still there.
    @Test func noFlippedBitLosesAnEvent() throws {
        let whole = try Workshop()
        let bytes = try database(whole, 200)
        var noticed = 0
        for _ in 0..<150 {
            let shop = try Workshop()
            var damaged = bytes
            damaged[.random(in: 0..<bytes.count)] ^= 1 << UInt8.random(in: 0..<8)
            try write(damaged, to: shop.path)
            let count = try readable(shop)
            #expect(count == nil || count == 200)
            if count == nil { noticed += 1 }
        }
        #expect(noticed > 0)
    }

    @Test func aWholeWALIsReadAndAnUnfinishedCommitIsNot() throws {
        let (database, wal) = try crashed(40)
        let frame = 24 + DamageTests.page
        for (cut, expected) in [(0, 80), (1, 78), (frame / 2, 78), (frame, 78)] {
            let shop = try Workshop()
            try write(database, to: shop.path)
            try write(Array(wal.dropLast(cut)), to: shop.path + "-wal")
            #expect(try readable(shop) == expected, "cut by \(cut)")
        }
    }

    /// In the middle: what was acknowledged behind it must not vanish without a word.
    @Test func aDamagedWALIsNoticed() throws {
        let (database, wal) = try crashed(40)
        let frame = 24 + DamageTests.page
        let frames = (wal.count - 32) / frame
        #expect(frames > 80)
        var places = [0, 5, 17, 30, 32, 33, 32 + 10]  // the header, and the first frame's
        for _ in 0..<60 { places.append(32 + .random(in: 0..<frames / 2) * frame + .random(in: 0..<frame)) }
        for place in places {
            let shop = try Workshop()
            var damaged = wal
            damaged[place] ^= 1 << UInt8.random(in: 0..<8)
            try write(database, to: shop.path)
            try write(damaged, to: shop.path + "-wal")
            let read = try readable(shop)
            #expect(read == nil, "byte \(place) of \(frames) frames")
        }
    }

    /// Power failed while a commit was being written: its frames may have reached the disk in any order. It was not
    /// acknowledged; all before it was.
    @Test func aCommitThatNeverEndedIsNoDamage() throws {
        let (database, wal) = try crashed(40)
        let frame = 24 + DamageTests.page
        // The last commit has several frames: find where it begins.
        var first = (wal.count - 32) / frame - 1
        func isCommit(_ number: Int) -> Bool { wal[(32 + number * frame + 4)..<(32 + number * frame + 8)].contains { $0 != 0 } }
        #expect(isCommit(first))
        while first > 0 && !isCommit(first - 1) { first -= 1 }
        let shop = try Workshop()
        var holed = wal
        for at in (32 + first * frame)..<(32 + (first + 1) * frame) { holed[at] = 0 }
        try write(database, to: shop.path)
        try write(holed, to: shop.path + "-wal")
        #expect(try readable(shop) == 78)
    }

    /// Frames that an earlier, longer log has left behind are no damage.
    @Test func aWALThatBeganAgainIsWhole() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let filler = String(repeating: "x", count: 60_000)
        // Enough to begin the log anew (64 MiB), and a little more.
        for _ in 0..<700 {
            let batch = Batch(try key("u"), expected: .any, events: (0..<3).map { _ in events.next(payload: "{\"n\":\"\(filler)\"}") })
            _ = try store.append([batch])
        }
        let (database, wal) = (try contents(shop.path), try contents(shop.path + "-wal"))
        let head = try store.head()
        store.close()
        let crashed = try Workshop()
        try write(database, to: crashed.path)
        try write(wal, to: crashed.path + "-wal")
        #expect(try readable(crashed) == Int(head))
    }
}

// Here and not above: one test at a time breaks the disk.
extension FaultTests {
    /// Commands in one transaction, whatever the disk does: all of them have happened, or none.
    @Test func commandsTogetherSurviveTheDiskTogether() async throws {
        #expect(FaultyDisk.installed)
        let shop = try Workshop(named: "faulty-together")
        let store = try shop.open()
        let log = try EventLog(store: store, options: .init(aggregates: 2)) { _, _ in }
        let ids = try ["a", "b", "c"].map { try #require(Identifier($0)) }
        var refused = 0
        for round in 0..<60 {
            FaultyDisk.fail(round, alsoWrites: round % 2 == 0)
            do {
                try await log.execute(ids.map { .cart($0, .add(product: $0, quantity: 1)) })
            } catch {
                refused += 1
            }
            FaultyDisk.fail(0)
            var versions = Set<UInt64>()
            for id in ids { versions.insert(try await log.state(of: AggregateName(kind: .cart, id: id)).version) }
            #expect(versions.count == 1)
        }
        log.close()
        #expect(refused > 0)
        let all = try store.read(after: 0, limit: 1000)
        #expect(all.count % 3 == 0 && all.map(\.position) == Array(1...UInt64(all.count)))
        store.close()
    }
}
