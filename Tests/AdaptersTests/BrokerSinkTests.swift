import Adapters
import Bus
import EventCore
import Exchanges
import MemoryStores
import Settings
import Synchronization
import Testing
import Topics
import WireMQTT

/// The change feed to subscribers: the real log, bus and broker.
@Suite(.timeLimit(.minutes(10))) struct BrokerSinkTests {
    /// A worker with connections, as the broker sees it.
    private final class Subscriber: Sendable {
        private let heard = Mutex<[BrokerReply.What]>([])
        func take(_ replies: [BrokerReply]) -> Bool {
            heard.withLock { $0 += replies.map(\.what) }
            return true
        }
        var session: SessionHandle? {
            heard.withLock { $0.compactMap { if case .attached(let attached) = $0 { attached.session } else { nil } }.last }
        }
        var deliveries: [Delivery] {
            heard.withLock { $0.flatMap { what -> [Delivery] in if case .deliver(let all) = what { all } else { [] } } }
        }
    }

    private func until(_ condition: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(120)
        while !condition() {
            try #require(ContinuousClock.now < end, "not in time")
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    private func subscribe(_ broker: Broker, _ subscriber: Subscriber, _ client: String, slot: UInt32) async throws {
        let ticket = Ticket(worker: 0, slot: slot, generation: 1)
        let attach = Attach(
            ticket: ticket, clientID: Array(client.utf8), owner: [1], version: .v5, cleanStart: true, sessionExpiry: 0, receiveMaximum: 64)
        let before = subscriber.session
        try #require(broker.submit(.attach(attach)))
        try await until { subscriber.session != before }
        let session = try #require(subscriber.session)
        let text = Array("shop/inventory/+".utf8)
        let parsed = TopicFilter(text.span, mostLevels: 8)
        let filter = try #require(parsed)
        let options = SubscriptionOptions(qos: .atLeastOnce)
        try #require(broker.submit(.subscribe(session, ticket, packetID: 1, [.success(Subscription(filter: filter, options: options))])))
    }

    @Test func whoSubscribesHearsOfStockAndWhoComesLateHowItStands() async throws {
        let subscriber = Subscriber()
        let broker = try Broker(store: nil, workers: 1) { _, replies in subscriber.take(replies) }
        defer { broker.close() }
        try await subscribe(broker, subscriber, "early", slot: 1)
        let (events, memory) = (MemoryEventStore(), MemoryConsumerStore())
        let log = try EventLog(store: events) { _, _ in }
        defer { log.close() }
        let feed = TopicFeed(name: "topic-feed", FeedEntry.shop, log: log, sink: BrokerSink(broker))
        let bus = try await Bus(feed: log.feed, events: events, store: memory, consumers: [feed])
        let (product, reason) = (try #require(Identifier("OLJ")), try #require(Identifier("delivery")))
        for _ in 0..<3 { try await log.execute([.inventory(product, .adjust(delta: 2, reason: reason, eventId: nil))]) }
        try await until { subscriber.deliveries.count == 3 }
        try await until { bus.figures[0].applied == 3 }
        try await subscribe(broker, subscriber, "late", slot: 2)
        try await until { subscriber.deliveries.count == 4 }
        await bus.stop()
        let last = try #require(subscriber.deliveries.last)
        #expect(last.retain && last.qos == .atLeastOnce && last.message.topic == Array("shop/inventory/OLJ".utf8))
        #expect(String(decoding: last.message.payload, as: UTF8.self) == #"{"productId":"OLJ","onHand":6,"available":6,"version":3}"#)
    }

    @Test func whileTheBrokerIsAwayTheEventWaits() async throws {
        let broker = try Broker(store: nil, workers: 1) { _, _ in true }
        broker.close()
        let message = FeedMessage(topic: Array("a".utf8), payload: [], isRetained: true)
        guard case .transient = await BrokerSink(broker).publish(message) else {
            Issue.record("it was not told to try again")
            return
        }
    }
}
