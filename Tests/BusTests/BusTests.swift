import Bus
import EventCore
import MemoryStores
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10))) struct BusTests {
    @Test func handsOverWhatWasAndWhatComes() async throws {
        let stage = try Stage()
        try await stage.add("u", 3)
        let recorder = Recorder()
        let bus = try await stage.bus([recorder])
        try await stage.until("three") { recorder.count == 3 }
        try await stage.add("u", 2)
        try await stage.add("w")
        try await stage.until("six") { recorder.count == 6 }
        #expect(recorder.versions(of: "u") == [1, 2, 3, 4, 5])
        #expect(recorder.events.sorted { $0.position < $1.position } == stage.events.events)
        try await stage.until("fed") { bus.figures[0].applied == 6 }
        #expect(bus.figures[0].fed >= 1)
        await bus.stop()
        #expect(try stage.store.checkpoint(of: "recorder") == 6)
    }

    /// What it does not want is not given to it, and does not hold its checkpoint.
    @Test func givesOnlyTheTypesItNames() async throws {
        let stage = try Stage()
        let recorder = Recorder(types: ["CartEmptied"])
        let nothing = Recorder("nothing", types: [])
        let bus = try await stage.bus([recorder, nothing])
        try await stage.add("u", 5)
        try await stage.empty("u")
        try await stage.add("u", 5)
        try await stage.until("one") { bus.figures[0].applied == 1 && bus.figures.allSatisfy { $0.lagEvents == 0 } }
        #expect(recorder.events.map(\.event.type) == ["CartEmptied"])
        #expect(recorder.events.map(\.position) == [6])
        try await stage.advance { (try? stage.store.checkpoint(of: "nothing")) == 11 }
        try await stage.advance { (try? stage.store.checkpoint(of: "recorder")) == 11 }
        await bus.stop()
    }

    @Test func goesOnAfterARestartWhereItWas() async throws {
        let stage = try Stage()
        for round in 1...4 {
            let recorder = Recorder()
            let bus = try await stage.bus([recorder])
            try await stage.add("u", 10)
            try await stage.until("ten") { recorder.count == 10 }
            await bus.stop()
            #expect(recorder.events.map(\.position) == Array(UInt64(round * 10 - 9)...UInt64(round * 10)))
        }
    }

    /// Killed instead of stopped: nothing is missed, and only what came after the last commit comes again.
    @Test func repeatsLittleAfterACrash() async throws {
        let stage = try Stage()
        let first = Recorder()
        let bus = try await stage.bus([first])
        try await stage.add("u", 100)
        try await stage.until("all") { bus.figures[0].applied == 100 }
        try await stage.advance { (try? stage.store.checkpoint(of: "recorder")) == 100 }
        try await stage.add("u", 7)
        try await stage.until("the rest") { bus.figures[0].applied == 107 }
        // The time stands still, so those seven are in no commit; the second bus knows nothing of the first.
        let second = Recorder()
        let again = try await stage.bus([second])
        try await stage.until("the seven") { second.count == 7 }
        #expect(second.events.map(\.position) == Array(101...107))
        await again.stop()
        await bus.stop()
    }

    @Test func aNewOneMayBeginAtTheEnd() async throws {
        let stage = try Stage()
        try await stage.add("u", 5)
        for _ in 0..<2 {
            let late = Recorder("late", start: .end)
            let bus = try await stage.bus([late])
            try await stage.add("w")
            try await stage.until("one") { late.count == 1 }
            #expect(late.versions(of: "u") == [])
            await bus.stop()
        }
        // Its end was where it first began, not where it begins again.
        try await stage.add("u")
        let late = Recorder("late", start: .end)
        let bus = try await stage.bus([late])
        try await stage.until("one") { late.count == 1 }
        #expect(late.versions(of: "u") == [6])
        await bus.stop()
    }

    @Test func ordersAnAggregateAndRunsOthersBesideIt() async throws {
        let stage = try Stage()
        let running = Mutex<[AggregateKey: Int]>([:])
        let most = Mutex((together: 0, ofOne: 0))
        let recorder = Recorder { event in
            let (all, own) = running.withLock { running in
                running[event.aggregate, default: 0] += 1
                return (running.values.reduce(0, +), running[event.aggregate] ?? 0)
            }
            most.withLock { $0 = (max($0.together, all), max($0.ofOne, own)) }
            for _ in 0..<Int.random(in: 0...20) { await Task.yield() }
            running.withLock { $0[event.aggregate, default: 0] -= 1 }
            return .done
        }
        for i in 0..<600 { try await stage.add("u\(i % 40)") }
        let bus = try await stage.bus([recorder], BusOptions(concurrency: 5))
        try await stage.until("all") { bus.figures[0].applied == 600 }
        for user in 0..<40 { #expect(recorder.versions(of: "u\(user)") == Array(1...15)) }
        #expect(most.withLock { $0.ofOne } == 1)
        #expect((2...5).contains(most.withLock { $0.together }))
        await bus.stop()
    }

    @Test func aHungEventHoldsUpOnlyItsAggregate() async throws {
        let stage = try Stage()
        let gate = AsyncStream.makeStream(of: Void.self)
        let recorder = Recorder { event in
            if event.position == 1 { for await _ in gate.stream {} }
            return .done
        }
        var options = BusOptions(window: 50)
        options.graceMS = 100
        let bus = try await stage.bus([recorder], options)
        try await stage.add("hung", 3)
        for i in 0..<500 { try await stage.add("u\(i % 7)") }
        try await stage.add("hung", 200)
        // More than the window, and the checkpoint goes past it.
        try await stage.advance { bus.figures[0].applied == 500 }
        try await stage.advance { (try? stage.store.checkpoint(of: "recorder")) == 703 }
        #expect(recorder.versions(of: "hung") == [1])
        gate.continuation.finish()
        try await stage.until("all") { bus.figures[0].applied == 703 }
        #expect(recorder.versions(of: "hung") == Array(1...203))
        await bus.stop()
        #expect(try stage.store.rows(of: "recorder", after: "bus/held/", limit: 9) == [])
    }

    /// It is behind by more than the feed keeps for it: the store has the rest.
    @Test func fallsBackToTheStoreAndCatchesUp() async throws {
        let stage = try Stage()
        let gate = AsyncStream.makeStream(of: Void.self)
        let recorder = Recorder { event in
            if event.position == 1 { for await _ in gate.stream {} }
            return .done
        }
        let bus = try await stage.bus([recorder], BusOptions(concurrency: 1, window: 10))
        try await stage.add("first")
        try await stage.until("it stands") { recorder.count == 1 }
        let product = try #require(Identifier("p"))
        for batch in 0..<100 {
            let user = try #require(Identifier("u\(batch % 9)"))
            let commands: [Command] = (0..<100).map { _ in .cart(user, .add(product: product, quantity: 1)) }
            try await stage.log.execute(commands)
        }
        try await stage.until("it knows") { bus.figures[0].lagEvents == 10_001 }
        gate.continuation.finish()
        try await stage.until("all") { bus.figures[0].applied == 10_001 }
        #expect(Set(recorder.events.map(\.position)).count == 10_001)
        #expect(recorder.count == 10_001)
        let pages = bus.figures[0].pagesRead
        #expect(pages > 1)
        // And then from memory again.
        try await stage.add("last", 10)
        try await stage.until("the last") { bus.figures[0].applied == 10_011 }
        #expect(bus.figures[0].fed >= 10)
        await bus.stop()
    }

    @Test func standsStillWhileItCannotRemember() async throws {
        let stage = try Stage()
        let recorder = Recorder()
        let bus = try await stage.bus([recorder])
        stage.store.fail(with: .full)
        try await stage.add("u", 5)
        try await stage.advance { bus.figures[0].failedCommits > 0 }
        let before = recorder.count
        try await stage.add("u", 50)
        try await stage.advance { bus.figures[0].failedCommits > 3 }
        #expect(recorder.count <= before + 1)
        stage.store.fail(with: nil)
        try await stage.advance { bus.figures[0].applied == 55 }
        await bus.stop()
        #expect(try stage.store.checkpoint(of: "recorder") == 55)
    }

    @Test func waitsForAStoreThatCannotBeRead() async throws {
        let stage = try Stage()
        try await stage.add("u", 5)
        stage.events.failReads(with: .io("away", undecided: false))
        let recorder = Recorder()
        let bus = try await stage.bus([recorder])
        try await stage.advance { bus.figures[0].failedReads > 2 }
        #expect(recorder.count == 0)
        stage.events.failReads(with: nil)
        try await stage.advance { bus.figures[0].applied == 5 }
        await bus.stop()
    }
}
