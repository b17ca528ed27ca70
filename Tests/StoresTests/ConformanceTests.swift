import EventCore
import Glibc
import Stores
import Testing

/// What every event store has to do (SPEC 13).
@Suite struct ConformanceTests {
    @Test func givesBackWhatItWasGiven() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let cart = try key("käfer")
        let bare = Event(
            id: EventId(high: 1, low: 2), type: "Bare", timestamp: Timestamp(microseconds: -5), schemaVersion: 7,
            payload: Array(#"{"é":"🦊"}"#.utf8), metadata: Metadata())
        let full = events.next()
        #expect(try store.append([Batch(cart, expected: .none, events: [bare, full])]) == Appended(head: 2, versions: [2]))
        let read = try store.read(cart, from: 1, through: .max, limit: 10)
        #expect(read.map(\.event) == [bare, full])
        #expect(read.map(\.version) == [1, 2])
        #expect(read.map(\.position) == [1, 2])
        #expect(read.allSatisfy { $0.aggregate == cart })
        #expect(try store.head() == 2)
    }

    @Test func holdsToTheExpectedVersion() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let cart = try key("u")
        _ = try store.append([events.batch(cart, .none, count: 2)])
        for (expected, admitted) in [
            (ExpectedVersion.none, false), (.exact(0), false), (.exact(1), false), (.exact(3), false), (.exact(2), true),
            (.any, true),
        ] {
            let error = storeError { () throws(StoreError) in _ = try store.append([events.batch(cart, expected)]) }
            #expect((error == nil) == admitted)
            if !admitted { #expect(error == .conflict(batch: 0, actual: 2)) }
        }
        #expect(try store.read(cart, from: 1, through: .max, limit: 10).map(\.version) == [1, 2, 3, 4])
    }

    @Test func appendsAllOrNothing() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let (a, b) = (try key("a"), try key("b"))
        _ = try store.append([events.batch(a, .none)])
        // The first two would be fine; a new aggregate and a new type come with them.
        let strange = Batch(b, expected: .none, events: [events.next("NewType")])
        let error = storeError { () throws(StoreError) in
            _ = try store.append([events.batch(a, .exact(1)), strange, events.batch(a, .exact(9))])
        }
        #expect(error == .conflict(batch: 2, actual: 2))
        #expect(try store.head() == 1)
        #expect(try store.read(b, from: 1, through: .max, limit: 9) == [])
        // The failure left nothing behind in memory either.
        let appended = try store.append([events.batch(a, .exact(1)), strange, events.batch(a, .exact(2))])
        #expect(appended == Appended(head: 4, versions: [2, 1, 3]))
        #expect(try store.read(after: 0, limit: 9).map(\.position) == [1, 2, 3, 4])
        #expect(try store.read(b, from: 1, through: .max, limit: 9).map(\.event.type) == ["NewType"])
    }

    @Test func refusesAnIdTwice() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let event = events.next()
        let (a, b) = (try key("a"), try key("b"))
        func appending(_ batches: [Batch]) -> StoreError? {
            storeError { () throws(StoreError) in _ = try store.append(batches) }
        }
        #expect(appending([Batch(a, expected: .any, events: [event, event])]) == .duplicateEventId)
        #expect(appending([Batch(a, expected: .any, events: [event])]) == nil)
        #expect(appending([Batch(b, expected: .any, events: [event])]) == .duplicateEventId)
        #expect(try store.head() == 1)
    }

    @Test func keepsTypesApart() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        _ = try store.append([events.batch(try key("same"), .none), events.batch(try key("same", type: "Order"), .none)])
        #expect(try store.read(try key("same", type: "Order"), from: 1, through: .max, limit: 9).map(\.position) == [2])
        #expect(try store.read(try key("same", type: "Unknown"), from: 1, through: .max, limit: 9) == [])
    }

    @Test func readsByVersionByTimeAndByPosition() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let (a, b) = (try key("a"), try key("b"))
        for i in 0..<30 {
            let type = i % 3 == 0 ? "Third" : "Other"
            _ = try store.append([Batch(i % 2 == 0 ? a : b, expected: .any, events: [events.next(type)])])
        }
        #expect(try store.read(a, from: 3, through: 5, limit: 9).map(\.version) == [3, 4, 5])
        #expect(try store.read(a, from: 3, through: .max, limit: 2).map(\.version) == [3, 4])
        #expect(try store.read(a, from: 16, through: .max, limit: 2) == [])
        #expect(try store.read(after: 0, limit: 0) == [])
        #expect(try store.read(after: 27, limit: 100).map(\.position) == [28, 29, 30])
        #expect(try store.read(after: .max, limit: 100) == [])
        // Event n has the time n milliseconds; thirds are 1, 4, 7 …
        let third = try store.read(
            type: "Third", from: Timestamp(microseconds: 4_000), until: Timestamp(microseconds: 13_000), limit: 100)
        #expect(third.map(\.position) == [4, 7, 10])
        #expect(
            try store.read(
                type: "Third", from: Timestamp(microseconds: 0), until: Timestamp(microseconds: .max), limit: 2
            ).map(\.position) == [1, 4])
    }

    @Test func goesOnAfterARestart() throws {
        let shop = try Workshop()
        var events = Events()
        let cart = try key("u")
        for round in 0..<4 {
            let store = try shop.open()
            #expect(try store.head() == UInt64(round * 5))
            _ = try store.append([events.batch(cart, round == 0 ? .none : .exact(UInt64(round * 5)), count: 5)])
            store.close()
            #expect(storeError { () throws(StoreError) in _ = try store.append([events.batch(cart)]) } == .closed)
            #expect(storeError { () throws(StoreError) in _ = try store.head() } == .closed)
        }
        #expect(try shop.open().read(cart, from: 1, through: .max, limit: 100).map(\.version) == Array(1...20))
    }

    @Test func refusesAPayloadTooLarge() throws {
        let shop = try Workshop()
        let store = try shop.open()
        var events = Events()
        let large = events.next(payload: "\"" + String(repeating: "x", count: 1 << 20) + "\"")
        let error = storeError { () throws(StoreError) in
            _ = try store.append([Batch(try! key("u"), expected: .any, events: [large])])
        }
        #expect(error == .invalid("the payload is too large"))
        #expect(try store.head() == 0)
    }

    @Test func isReadWhileItIsWritten() async throws {
        let shop = try Workshop()
        let store = try shop.open()
        let cart = try key("u")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    var seen: UInt64 = 0
                    while seen < 3000 {
                        let more = try store.read(after: seen, limit: 100)
                        #expect(more.map(\.position) == Array(seen + 1..<seen + 1 + UInt64(more.count)))
                        seen += UInt64(more.count)
                        await Task.yield()
                    }
                }
            }
            var events = Events()
            for _ in 0..<300 { _ = try store.append([events.batch(cart, count: 10)]) }
            try await group.waitForAll()
        }
    }
}
