import Bus
import Contracts
import EventCore
import MemoryStores
import Synchronization
import Testing

/// Fails for carts named `bad…` until it is told to be well again.
private final class Moody: Consumer {
    let name = "moody"
    let types: Set<String> = ["ItemAdded", "CartEmptied"]
    private let state = Mutex<(answer: Applied, attempts: [(position: UInt64, atMS: UInt64)])>((.done, []))
    private let clock: SimulatedClock

    init(_ answer: Applied, _ clock: SimulatedClock) {
        self.clock = clock
        state.withLock { $0.answer = answer }
    }

    func become(_ answer: Applied) { state.withLock { $0.answer = answer } }

    func apply(_ event: StoredEvent) async -> Applied {
        state.withLock { state in
            state.attempts.append((event.position, clock.uptimeMS()))
            return "\(event.aggregate.id)".hasPrefix("bad") ? state.answer : .done
        }
    }

    func attempts(at position: UInt64) -> [UInt64] {
        state.withLock { $0.attempts.filter { $0.position == position }.map(\.atMS) }
    }

    var positions: [UInt64] { state.withLock { $0.attempts.map(\.position) } }
}

private func json(_ answer: Bus.Answer) throws -> JSONValue { try JSONValue(answer.body.span) }

extension JSONValue {
    fileprivate var items: [JSONValue] { if case .array(let items) = self { items } else { [] } }
    fileprivate func text(_ name: String) -> String? {
        switch self[name] {
        case .string(let text)?, .number(let text)?: text
        default: nil
        }
    }
}

@Suite(.timeLimit(.minutes(10))) struct RetryTests {
    private let away = Applied.transient(Failure(reason: "the service is away", grpcCode: 14))

    /// SPEC 6: five retries after 1, 2, 4, 8 and 16 s; then it is put aside.
    @Test func retriesFiveTimesAndPutsAside() async throws {
        let stage = try Stage()
        let moody = Moody(away, stage.clock)
        let bus = try await stage.bus([moody])
        try await stage.add("bad")
        try await stage.add("good")
        try await stage.add("bad", 2)
        try await stage.until("good") { moody.attempts(at: 2).count == 1 }
        try await stage.advance(step: 100) { bus.figures[0].putAside == 1 }
        let times = moody.attempts(at: 1)
        let delays = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(delays.count == 5)
        // Never early; late by the test's own steps at most.
        for (delay, due) in zip(delays, [1000, 2000, 4000, 8000, 16_000] as [UInt64]) {
            #expect(delay >= due && delay <= due + 1000, "\(delays)")
        }
        // What comes behind it waits, in order, and counts.
        #expect(moody.positions.max() == 2)
        try await stage.advance { bus.figures[0].dlqDepth == 3 }
        try await stage.add("bad")
        try await stage.advance { bus.figures[0].dlqDepth == 4 }
        #expect(bus.figures[0].aside == 1 && bus.figures[0].lagEvents == 0)
        #expect(bus.figures[0].dlqSeconds > 0)
        // Transient: tried again by itself after a while, and then the rest follows.
        moody.become(.done)
        let waited = try await stage.advance(step: 1000) { bus.figures[0].applied == 5 }
        #expect((200_000...310_000).contains(waited))
        #expect(Array(moody.positions.suffix(4)) == [1, 3, 4, 5])
        try await stage.advance { bus.figures[0].dlqDepth == 0 && bus.figures[0].held == 0 }
        await bus.stop()
    }

    @Test func permanentOnesWaitForAnOperator() async throws {
        let stage = try Stage()
        let moody = Moody(.permanent(Failure(reason: "never")), stage.clock)
        let bus = try await stage.bus([moody])
        try await stage.add("bad", 3)
        try await stage.advance { bus.figures[0].dlqDepth == 3 }
        stage.clock.advance(byMS: 10_000_000)
        try await stage.add("good")
        try await stage.until("the good one") { moody.positions.contains(4) }
        #expect(moody.attempts(at: 1).count == 1)

        // Retry without success: aside again. With success: the rest follows.
        #expect(await bus.retryDeadLetter("moody.1").status == 202)
        try await stage.advance { bus.figures[0].putAside == 2 }
        moody.become(.done)
        #expect(await bus.retryDeadLetter("moody.1").status == 202)
        try await stage.until("all") { bus.figures[0].applied == 4 }
        #expect(moody.positions == [1, 4, 1, 1, 2, 3])
        #expect(await bus.retryDeadLetter("moody.1").status == 404)
        await bus.stop()
    }

    @Test func skippingGoesOnWithTheNext() async throws {
        let stage = try Stage()
        let moody = Moody(.permanent(Failure(reason: "never")), stage.clock)
        let bus = try await stage.bus([moody])
        try await stage.add("bad", 3)
        try await stage.advance { bus.figures[0].dlqDepth == 3 }
        #expect(await bus.skipDeadLetter("moody.2").status == 404)
        #expect(await bus.skipDeadLetter("moody.1").status == 200)
        try await stage.advance { bus.figures[0].putAside == 2 && bus.figures[0].dlqDepth == 2 }
        moody.become(.done)
        #expect(await bus.skipDeadLetter("moody.2").status == 200)
        try await stage.until("the third") { bus.figures[0].applied == 1 }
        #expect(moody.positions == [1, 2, 3])
        #expect(bus.figures[0].skipped == 2)
        await bus.stop()
        #expect(try stage.store.rows(of: "moody", after: "bus/skipped/", limit: 9).map(\.key) == ["bus/skipped/1", "bus/skipped/2"])
        #expect(try stage.store.rows(of: "moody", after: "bus/held/", limit: 1).first?.key == "bus/skipped/1")
    }

    /// What is kept of skipped events is bounded: the oldest make room.
    @Test func onlyTheLastSkippedAreKept() async throws {
        let stage = try Stage()
        // As an earlier process left them: more than are kept.
        let old = (0..<1005).map { i in
            RowChange.put(
                ConsumerRow(
                    key: "bus/skipped/\(5000 + i)",
                    value: Array(#"{"aggregateType":"Cart","aggregateId":"u","position":\#(5000 + i),"version":1,"through":1,"waiting":0,"failures":1,"type":"ItemAdded","state":"ASIDE","transient":false,"due":\#(i)}"#.utf8)))
        }
        try stage.store.commit("moody", through: 0, old + [.put(ConsumerRow(key: "own", value: [1]))])
        let moody = Moody(.permanent(Failure(reason: "never")), stage.clock)
        let bus = try await stage.bus([moody])
        try await stage.add("bad", 2)
        try await stage.advance { bus.figures[0].dlqDepth == 2 }
        #expect(await bus.skipDeadLetter("moody.1").status == 200)
        let kept = try stage.store.rows(of: "moody", after: "bus/skipped/", limit: 2000).filter { $0.key.hasPrefix("bus/skipped/") }
        #expect(kept.count == 1000)
        #expect(kept.contains { $0.key == "bus/skipped/1" })
        #expect(!kept.contains { $0.key == "bus/skipped/5005" } && kept.contains { $0.key == "bus/skipped/5006" })
        #expect(try stage.store.row("own", of: "moody") != nil)
        await bus.stop()
    }

    /// What has been applied is remembered until the checkpoint says so, and longer only where an operator may still
    /// have it applied again.
    @Test func appliedVersionsAreForgottenBehindTheCheckpoint() async throws {
        let stage = try Stage()
        try await stage.add("u", 300)
        try await stage.add("held", 1)
        try await stage.add("u", 300)
        let events = stage.events.events
        let applied = AppliedVersions(stage.store, of: "steps")
        for event in events {
            #expect(try !applied.includes(event))
            try applied.note(event)
            #expect(try applied.includes(event))
        }
        // No checkpoint yet: nothing is forgotten.
        #expect(try stage.store.rows(of: "steps", after: nil, limit: 2000).count == 601)
        try stage.store.commit("steps", through: 400, [.put(ConsumerRow(key: "bus/held/Cart/held", value: [])), .put(ConsumerRow(key: "zebra", value: []))])
        try applied.forget()
        #expect(try events.filter { try applied.includes($0) }.map(\.position) == [301] + Array(401...601))
        // It goes by itself, too; and the rows of others stay.
        try stage.store.commit("steps", through: 601, [.delete(key: "bus/held/Cart/held")])
        for _ in 0..<256 { try applied.note(events[600]) }
        let left = try stage.store.rows(of: "steps", after: nil, limit: 2000).map(\.key)
        #expect(left.filter { $0.hasPrefix("applied/") }.count <= 1 && left.contains("zebra"))
    }

    /// Order matters more than time there: it is tried until it goes well.
    @Test func theCorePathNeverPutsTransientOnesAside() async throws {
        let stage = try Stage()
        let moody = Moody(away, stage.clock)
        let bus = try await stage.bus([moody], BusOptions(core: ["ItemAdded"]))
        try await stage.add("bad", 2)
        try await stage.advance(step: 500) { moody.attempts(at: 1).count == 20 }
        #expect(bus.figures[0].putAside == 0 && bus.figures[0].dlqDepth == 0)
        moody.become(.done)
        try await stage.advance(most: 6000) { bus.figures[0].applied == 2 }
        await bus.stop()
    }

    /// Attempts, order and what waits survive a restart, also when the wall clock is set meanwhile.
    @Test(arguments: [0, 7_200_000, -7_200_000] as [Int64])
    func aRestartForgetsNothing(_ step: Int64) async throws {
        let stage = try Stage()
        let moody = Moody(away, stage.clock)
        var bus = try await stage.bus([moody])
        try await stage.add("bad", 4)
        try await stage.advance(step: 100) { moody.attempts(at: 1).count == 3 }
        await bus.stop()
        stage.clock.setWall(byMS: step)
        try await stage.add("bad")
        try await stage.add("good")
        bus = try await stage.bus([moody])
        let (first, good) = (bus, moody)
        try await stage.advance(step: 100) { first.figures[0].putAside == 1 && first.figures[0].dlqDepth == 5 }
        #expect(good.attempts(at: 1).count == 6)
        await bus.stop()
        bus = try await stage.bus([moody])
        let second = bus
        #expect(second.figures[0].dlqDepth == 5)
        moody.become(.done)
        #expect(await second.retryDeadLetter("moody.1").status == 202)
        try await stage.advance { second.figures[0].applied == 5 }
        #expect(moody.positions.filter { $0 != 1 } == [6, 2, 3, 4, 5])
        await bus.stop()
    }

    /// A service that is away for everybody stops the consumer, instead of moving the log into its queue.
    @Test func tooManyFailuresStopTheIntake() async throws {
        let stage = try Stage()
        let moody = Moody(.permanent(Failure(reason: "never")), stage.clock)
        let bus = try await stage.bus([moody], BusOptions(window: 10, held: 20))
        for i in 0..<60 { try await stage.add("bad\(i)") }
        try await stage.advance { bus.figures[0].aside >= 20 }
        for _ in 0..<20 {
            stage.clock.advance(byMS: 1000)
            for _ in 0..<200 { await Task.yield() }
        }
        #expect((20...30).contains(bus.figures[0].aside) && bus.figures[0].lagEvents > 0)
        moody.become(.done)
        for _ in 0..<6000 {
            for entry in try json(await bus.deadLetters(queue: "moody", limit: "1000"))["entries"]?.items ?? [] {
                _ = await bus.retryDeadLetter(try #require(entry.text("entry")))
            }
            stage.clock.advance(byMS: 100)
            if bus.figures[0].applied == 60 { break }
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(bus.figures[0].applied == 60)
        await bus.stop()
    }

    @Test func operatorsSeeWhatIsThere() async throws {
        let stage = try Stage()
        let moody = Moody(away, stage.clock)
        let bus = try await stage.bus([moody])
        for i in 0..<5 { try await stage.add("bad\(i)", 2) }
        try await stage.advance { bus.figures[0].retrying == 5 }
        #expect(try json(await bus.deadLetters(queue: "moody"))["entries"]?.items == [])
        #expect(try json(await bus.deadLetters(queue: "moody", state: "all"))["entries"]?.items.count == 5)
        moody.become(.permanent(Failure(reason: "no \"such\" thing", grpcCode: 400)))
        try await stage.advance { bus.figures[0].aside == 5 }

        var token: String?
        var entries: [JSONValue] = []
        repeat {
            let page = try json(await bus.deadLetters(queue: "moody", limit: "2", nextToken: token))
            entries += page["entries"]?.items ?? []
            token = page.text("nextToken")
        } while token != nil
        #expect(entries.map { $0.text("entry") } == ["moody.1", "moody.3", "moody.5", "moody.7", "moody.9"])
        let first = try #require(entries.first)
        #expect(first.text("aggregateId") == "bad0" && first.text("eventType") == "ItemAdded" && first.text("waiting") == "1")
        #expect(first.text("reason") == "no \"such\" thing" && first.text("grpcCode") == "400" && first.text("attempts") == "2")
        let shown = try json(await bus.deadLetter("moody.1"))
        #expect(shown["events"]?.items.map { $0.text("version") } == ["1", "2"])
        #expect(shown["events"]?.items.first?["payload"]?.text("productId") == "p")
        let queues = try json(await bus.deadLetters(queue: nil))["queues"]?.items
        #expect(queues?.first?.text("queue") == "moody" && queues?.first?.text("depth") == "10")

        for entry in ["moody.2", "moody.99", "moody.", "moody", "other.1", "", ".", "moody.-1", "moody.18446744073709551616"] {
            #expect(await bus.deadLetter(entry).status == 404, "\(entry)")
            #expect(await bus.retryDeadLetter(entry).status == 404, "\(entry)")
            #expect(await bus.skipDeadLetter(entry).status == 404, "\(entry)")
        }
        #expect(await bus.deadLetters(queue: "other").status == 404)
        for limit in ["0", "1001", "x", "-1"] {
            #expect(await bus.deadLetters(queue: "moody", limit: limit).status == 400)
        }
        #expect(await bus.deadLetters(queue: "moody", nextToken: "x").status == 400)
        #expect(await bus.deadLetters(queue: "moody", state: "x").status == 400)
        await bus.stop()
    }
}
