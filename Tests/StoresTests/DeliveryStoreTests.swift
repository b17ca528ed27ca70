import CSQLite
import EventCore
import Exchanges
import Glibc
import Stores
import Testing

private func mark(_ session: UInt64, _ slot: UInt32, _ packetID: UInt16 = 1, sequence: UInt64 = 0) -> DeliveryChange {
    .put(DeliveryRecord(session: session, slot: slot, packetID: packetID, fingerprint: .max, sequence: sequence))
}

private func read(_ store: SQLiteEventStore, page: Int = 1000) throws -> [DeliveryChange] {
    var found: [DeliveryRecord] = []
    while true {
        let more = try store.deliveries(after: found.last, limit: page)
        if more.isEmpty { return found.map { .put($0) } }
        found += more
    }
}

private let none = RepetitionChanges()
private let held = DeliveryRecord.firstHeld

@Suite(.timeLimit(.minutes(10))) struct DeliveryStoreTests {
    @Test func marksComeAndGoWithEvents() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        _ = try store.append([events.batch(key("a"))], none, [mark(1, 0, sequence: 1), mark(1, 1), mark(1, held + 9, 9), mark(.max, 0)])
        _ = try store.append([], none, [mark(1, 0, 2, sequence: 3), .release(session: 1, packetID: 9), mark(2, held + 65_535, 65_535)])
        let expected = [mark(.max, 0), mark(1, 0, 2, sequence: 3), mark(1, 1), mark(2, held + 65_535, 65_535)]
        #expect(try read(store) == expected && read(store, page: 1) == expected)
        #expect(try store.deliveries(of: 1).map(\.slot) == [0, 1] && store.deliveries(of: 7).isEmpty)
        store.close()
        let again = try shop.open()
        #expect(try read(again) == expected)
        // In their order: what was forgotten and came again is there.
        _ = try again.append([], none, [.forget(session: 1), mark(1, 5), .forget(session: 2), .release(session: 3, packetID: 1)])
        #expect(try read(again) == [mark(.max, 0), mark(1, 5)])
        #expect(try again.head() == 1)
    }

    @Test func neitherWithoutTheOther() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let late = events.batch(try key("a"), .exact(7))
        #expect(storeError { () throws(StoreError) in _ = try store.append([late], none, [mark(1, 0)]) } == .conflict(batch: 0, actual: 0))
        #expect(try read(store).isEmpty)
    }

    /// A file of the version before has no marks, and gets the table; a later one is refused.
    @Test func anOlderFileBecomesAPresentOne() throws {
        let shop = try Workshop()
        var events = Events()
        let first = try shop.open()
        _ = try first.append([events.batch(key("a"))])
        first.close()
        func change(_ sql: String) {
            var database: OpaquePointer?
            #expect(sqlite3_open(shop.path, &database) == SQLITE_OK)
            #expect(sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK)
            sqlite3_close(database)
        }
        change(
            """
            DROP TABLE delivery_marks; DROP TABLE repetition_groups; PRAGMA user_version = 2;
            CREATE TABLE repetitions (position, identity, fingerprint, time, kind, outcome);
            """)
        let store = try shop.open()
        #expect(try store.head() == 1 && read(store).isEmpty)
        _ = try store.append([], none, [mark(1, 0)])
        store.close()
        change("PRAGMA user_version = 4")
        #expect(refusal { () throws(StoreError) in try SQLiteEventStore(path: shop.path) }
            == .unusable("this is an event store of format 4; this program knows 3"))
    }
}

extension CrashTests {
    /// Devices send each message until it is answered; the process is killed again and again. Each message counts once.
    @Test func killedAtAnyMomentNoMessageCountsTwice() throws {
        let shop = try Workshop()
        let places = shop.path + ".devices"
        defer { unlink(places) }
        var answered = [Int](repeating: 0, count: 20)
        var released = answered
        var head: UInt64 = 0
        var counts: [String: Int] = [:]
        for round in 0..<300 where round < 15 || answered.reduce(0, +) <= 1000 || released.reduce(0, +) <= 300 {
            let file = try #require(fopen(places, "w"))
            for (answered, released) in zip(answered, released) { fputs("\(answered) \(released)\n", file) }
            fclose(file)
            for line in try KilledProgram("deliver", path: shop.path).kill(after: .random(upTo: 150, in: round)) {
                let parts = line.split(separator: " ")
                guard parts.count == 3, let session = Int(parts[1]), let number = Int(parts[2]) else {
                    Issue.record("\(line)")
                    continue
                }
                if parts[0] == "a" { answered[session] = number + 1 } else { released[session] = number + 1 }
            }
            let store = try shop.open()
            while case let events = try store.read(after: head, limit: 5000), let last = events.last {
                for event in events { counts[event.event.metadata.correlationId ?? "", default: 0] += 1 }
                head = last.position
            }
            let marks = try read(store)
            store.close()
            for (session, answered) in answered.enumerated() {
                // What was answered is there; what was not is there at most once.
                #expect((0..<answered).allSatisfy { counts["\(session)/\($0)"] == 1 })
            }
            #expect(counts.values.allSatisfy { $0 == 1 })
            #expect(marks.count <= 20 * 2 * 8)
        }
        #expect(answered.reduce(0, +) > 1000 && released.reduce(0, +) > 300)
    }
}
