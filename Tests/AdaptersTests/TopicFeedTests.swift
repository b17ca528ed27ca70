import Adapters
import Bus
import EventCore
import MemoryStores
import Settings
import Synchronization
import Testing

/// Where messages go in these tests; it may be away.
private final class Board: TopicSink {
    private let state = Mutex<(messages: [FeedMessage], answers: [Applied])>(([], []))

    init(_ answers: [Applied] = []) { state.withLock { $0.answers = answers } }

    func publish(_ message: FeedMessage) async -> Applied {
        state.withLock { state in
            let answer = state.answers.isEmpty ? .done : state.answers.removeFirst()
            if answer == .done { state.messages.append(message) }
            return answer
        }
    }

    var messages: [FeedMessage] { state.withLock { $0.messages } }
    var topics: [String] { messages.map { String(decoding: $0.topic, as: UTF8.self) } }
    var payloads: [String] { messages.map { String(decoding: $0.payload, as: UTF8.self) } }
}

@Suite(.timeLimit(.minutes(10))) struct TopicFeedTests {
    private let events = MemoryEventStore()
    private let store = MemoryConsumerStore()
    private let log: EventLog

    init() throws { log = try EventLog(store: events) { _, _ in } }

    private func name(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

    private func adjust(_ product: String, _ delta: Int32) async throws {
        try await log.execute([.inventory(try name(product), .adjust(delta: delta, reason: try name("delivery"), eventId: nil))])
    }

    private func bus(_ feed: TopicFeed) async throws -> Bus {
        try await Bus(feed: log.feed, events: events, store: store, consumers: [feed], options: BusOptions())
    }

    private func until(_ condition: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while !condition() {
            try #require(ContinuousClock.now < end, "not in time")
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    @Test func stockIsToldByItsSku() async throws {
        let board = Board()
        let skus = [try name("OLJ"): ["sunglasses", "sun/glasses+"]]
        let bus = try await bus(TopicFeed(name: "topic-feed", FeedEntry.shop, skus: skus, log: log, sink: board))
        try await adjust("OLJ", 5)
        try await until { board.messages.count == 2 }
        try await adjust("other", 3)
        try await until { board.messages.count == 3 }
        await bus.stop()
        #expect(board.topics == ["shop/inventory/sunglasses", "shop/inventory/sun%2Fglasses%2B", "shop/inventory/other"])
        #expect(board.payloads[0] == #"{"productId":"OLJ","onHand":5,"available":5,"version":1}"#)
        #expect(board.messages.allSatisfy { $0.isRetained && $0.expiresMS == nil })
    }

    /// Each aggregate's versions only grow, and the last message is how things stand.
    @Test func theOrderOfAnAggregateIsKept() async throws {
        let board = Board()
        let bus = try await bus(TopicFeed(name: "topic-feed", FeedEntry.shop, log: log, sink: board))
        for i in 1...20 { for product in ["a", "b"] { try await adjust(product, Int32(i)) } }
        try await until { bus.figures[0].applied == 40 }
        await bus.stop()
        for product in ["a", "b"] {
            let versions = board.payloads.filter { $0.contains("\"\(product)\"") }.compactMap { $0.firstMatch(of: /"version":(\d+)/).flatMap { Int($0.1) } }
            #expect(versions == versions.sorted() && versions.last == 20)
        }
    }

    /// The checkpoint waits for the sink: what it has not taken comes again, from another process too.
    @Test func whatIsNotTakenComesAgain() async throws {
        let away = Board(.init(repeating: .transient(Failure(reason: "away")), count: 1000))
        let first = try await bus(TopicFeed(name: "topic-feed", FeedEntry.shop, log: log, sink: away))
        try await adjust("a", 1)
        try await until { first.figures[0].failed > 0 }
        await first.stop()
        let board = Board()
        let second = try await bus(TopicFeed(name: "topic-feed", FeedEntry.shop, log: log, sink: board))
        try await until { board.messages.count == 1 }
        await second.stop()
        // And what was taken does not.
        let third = try await bus(TopicFeed(name: "topic-feed", FeedEntry.shop, log: log, sink: board))
        try await adjust("b", 1)
        try await until { board.messages.count == 2 }
        await third.stop()
        #expect(away.messages.isEmpty && board.topics == ["shop/inventory/a", "shop/inventory/b"])
    }

    @Test func onlyWhatIsNamedIsTold() async throws {
        let board = Board()
        let entry = FeedEntry(.inventory, events: ["StockTaken"], topic: "taken/{id}")
        let feed = TopicFeed(name: "topic-feed", [entry], log: log, sink: board)
        #expect(feed.types == ["StockTaken"])
        try await adjust("a", 1)
        let stored = try #require(try events.read(after: 0, limit: 1).first)
        #expect(await feed.apply(stored) == .done && board.messages.isEmpty)
    }

    @Test func messagesThatAreTooOldAreNotSent() async throws {
        let clock = Mutex(Timestamp.now())
        let board = Board()
        let entry = FeedEntry(.inventory, events: ["StockAdjusted"], topic: "stock/{id}", isRetained: false, expires: 60_000)
        let feed = TopicFeed(name: "topic-feed", [entry], log: log, sink: board, now: { clock.withLock { $0 } })
        try await adjust("a", 1)
        let stored = try #require(try events.read(after: 0, limit: 1).first)
        #expect(await feed.apply(stored) == .done)
        let expires = try #require(board.messages.first?.expiresMS)
        #expect(expires == UInt64(stored.event.timestamp.microseconds / 1000) + 60_000)
        clock.withLock { $0 = Timestamp(microseconds: $0.microseconds + 61_000_000) }
        #expect(await feed.apply(stored) == .done && board.messages.count == 1)
    }
}
