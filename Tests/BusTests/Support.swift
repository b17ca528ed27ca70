import Bus
import EventCore
import MemoryStores
import Synchronization
import Testing

/// What a consumer does in a test: by default it notes the event and is content.
final class Recorder: Consumer {
    let name: String
    let types: Set<String>
    let start: ConsumerStart
    private let seen = Mutex<[StoredEvent]>([])
    private let answer: @Sendable (StoredEvent) async -> Applied

    init(
        _ name: String = "recorder", types: Set<String> = ["ItemAdded", "CartEmptied"], start: ConsumerStart = .beginning,
        _ answer: @escaping @Sendable (StoredEvent) async -> Applied = { _ in .done }
    ) {
        self.name = name
        self.types = types
        self.start = start
        self.answer = answer
    }

    func apply(_ event: StoredEvent) async -> Applied {
        seen.withLock { $0.append(event) }
        return await answer(event)
    }

    var events: [StoredEvent] { seen.withLock { $0 } }
    var count: Int { seen.withLock { $0.count } }
    func versions(of id: String) -> [UInt64] { events.filter { "\($0.aggregate.id)" == id }.map(\.version) }
}

/// A log in memory with a bus on it, and the time in the test's hands.
final class Stage: Sendable {
    let events = MemoryEventStore()
    let store = MemoryConsumerStore()
    let clock = SimulatedClock()
    let log: EventLog

    init() throws { log = try EventLog(store: events) { _, _ in } }

    deinit { log.close() }

    func bus(_ consumers: [any Consumer], _ options: BusOptions = BusOptions()) async throws -> Bus {
        try await Bus(
            feed: log.feed, events: events, store: store, consumers: consumers, options: options, clock: clock)
    }

    /// Appends one `ItemAdded` to the cart.
    func add(_ user: String, _ count: Int = 1) async throws {
        let (user, product) = (try #require(Identifier(user)), try #require(Identifier("p")))
        for _ in 0..<count { try await log.execute([.cart(user, .add(product: product, quantity: 1))]) }
    }

    func empty(_ user: String) async throws { try await log.execute([.cart(try #require(Identifier(user)), .empty)]) }

    /// Lets tasks run until it holds; time stands still meanwhile.
    func until(_ what: String = "", _ condition: @Sendable () async throws -> Bool) async throws {
        for turn in 0..<20_000 {
            if try await condition() { return }
            if turn > 1000 { try await Task.sleep(for: .microseconds(200)) } else { await Task.yield() }
        }
        Issue.record("it does not come to \(what)")
    }

    /// Moves the time on in small steps until it holds, and says how long that took.
    @discardableResult
    func advance(most: UInt64 = 10_000_000, step: UInt64 = 50, _ condition: @Sendable () -> Bool) async throws -> UInt64 {
        var moved: UInt64 = 0
        while moved < most {
            for _ in 0..<200 {
                if condition() { return moved }
                await Task.yield()
            }
            clock.advance(byMS: step)
            moved += step
        }
        Issue.record("it does not happen within \(most) ms")
        return moved
    }
}
