import EventCore
import Exchanges
import MemoryStores
@testable import Sagas
import Settings
import Synchronization
import Testing

/// A store that lasts, services that answer as scripted, a clock that a test moves, and one process after another.
final class World: Sendable {
    /// A process: the log and the orchestrator over what is on disk.
    struct Life: Sendable {
        let log: EventLog
        let sagas: Orchestrator
    }

    let store = MemoryEventStore()
    let disk: Disk
    let rows = MemoryConsumerStore()
    let clock = ManualClock()
    let services = Services()
    let definitions: SagaDefinitions
    private let options: Orchestrator.Options
    private let present = Mutex<Life?>(nil)
    private let hasCrashed = Mutex(false)

    init(_ definitions: SagaDefinitions? = nil, options: Orchestrator.Options = .init()) throws {
        self.definitions = try definitions ?? World.shipped()
        self.options = options
        disk = Disk(store)
    }

    /// The definitions that the project ships.
    static func shipped() throws -> SagaDefinitions {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let diagnostics = Diagnostics()
        let paths = ["checkout", "checkout-with-inventory", "cancel-order"].map { "\(root)/config/sagas/\($0).yaml" }
        let read = SagaDefinitions.read(paths: paths, operations: Services.names, diagnostics)
        try #require(diagnostics.all.isEmpty, "\(diagnostics.sorted)")
        return read
    }

    var life: Life {
        get throws { try #require(present.withLock { $0 }) }
    }

    var sagas: Orchestrator { get throws { try life.sagas } }
    var log: EventLog { get throws { try life.log } }

    /// Starts a process.
    @discardableResult
    func begin(_ failPoints: FailPoints? = nil) async throws -> Life {
        let log = try EventLog(store: disk) { _, _ in }
        let services = services
        let sagas = Orchestrator(
            log: log, store: store, index: rows, definitions: definitions, operations: { services.operation($0) },
            clock: clock, options: options, failPoints: failPoints)
        let life = Life(log: log, sagas: sagas)
        present.withLock { $0 = life }
        hasCrashed.withLock { $0 = false }
        try await sagas.begin()
        return life
    }

    /// The process is gone: nothing that it still does reaches the store.
    func crash() {
        hasCrashed.withLock { $0 = true }
        let life = present.withLock { $0 }
        life?.log.close()
        life?.sagas.stop()
    }

    var isDead: Bool { hasCrashed.withLock { $0 } }

    // MARK: - Orders

    static let customer = Metadata(correlationId: "corr-1", userId: "u", source: "test", traceparent: "00-trace")

    static func priced(_ id: Identifier) -> PricedOrder {
        let eight = Money(currency: "USD", units: 8, nanos: 990_000_000)
        return PricedOrder(
            user: Identifier("u"), email: "a@example.com",
            address: PostalAddress(street: "s", city: "c", state: "st", country: "co", zipCode: 1), currency: "USD", lines: [],
            shippingCost: eight, total: eight, card: CardReference(lastFour: "1111", token: "t"))
    }

    /// Places an order and starts its checkout, as the checkout desk does.
    @discardableResult
    func checkout(_ order: String, _ definition: String = "checkout") async throws -> Identifier {
        let order = try #require(Identifier(order))
        let (saga, commands) = try sagas.start(definition, order: order)
        try await log.execute([.order(order, .place(World.priced(order)))] + commands, World.customer)
        return saga
    }

    @discardableResult
    func cancel(_ order: String) async throws -> Identifier {
        let order = try #require(Identifier(order))
        let (saga, commands) = try sagas.start("cancel-order", order: order)
        try await log.execute([.order(order, .requestCancellation(reason: "changed my mind"))] + commands, World.customer)
        return saga
    }

    func saga(_ id: Identifier) async throws -> Saga {
        guard case .saga(let saga) = try await log.state(of: AggregateName(kind: .saga, id: id)) else { throw Missing() }
        return saga
    }

    func order(_ id: String) async throws -> Order {
        let name = AggregateName(kind: .order, id: try #require(Identifier(id)))
        guard case .order(let order) = try await log.state(of: name) else { throw Missing() }
        return order
    }

    struct Missing: Error {}

    /// Types of a saga's events, without `Saga` before them.
    func story(_ id: Identifier) -> [String] {
        store.events.filter { $0.aggregate == AggregateKey(type: Saga.type, id: id) }.map { String($0.event.type.dropFirst(4)) }
    }

    // MARK: - Time

    /// Waits until nothing more happens at this time.
    func settle() async throws {
        var still = 0
        var before = (0, 0, 0)
        let end = Timestamp.now().microseconds + 300_000_000
        while still < 4 {
            if isDead { return }
            let (sagas, log) = try (self.sagas, self.log)
            let figures = sagas.figures()
            let now = (store.events.count, services.calls.count, clock.woken)
            let isQuiet =
                figures.running == figures.sleeping + services.held && (figures.queued == 0 || figures.running == options.running)
                && log.depth == 0
                && figures.position == log.feed.head
                // On a busy machine a thread can be without a processor for long: what was woken has run, what will sleep sleeps.
                && clock.isStill(sleepers: figures.sleeping, timerUntilMS: sagas.state.withLock { $0.timer?.untilMS })
            still = isQuiet && now == before ? still + 1 : 0
            before = now
            guard Timestamp.now().microseconds < end else {
                throw Restless(description: "\(figures.running) run, \(figures.sleeping) sleep, \(services.held) held, \(figures.queued) queued, seen \(figures.position) of \(log.feed.head)")
            }
            try await Task.sleep(for: .microseconds(200))
        }
    }

    struct Restless: Error, CustomStringConvertible { let description: String }

    /// Lets so much time go by, and everything happen in it.
    func pass(milliseconds: Int64, until isEnough: () async throws -> Bool = { false }) async throws {
        let end = Timestamp(microseconds: clock.now.microseconds + milliseconds * 1000)
        while true {
            try await settle()
            if isDead { return }
            if try await isEnough() { return }
            guard let next = clock.next, next <= end else { break }
            clock.advance(to: next)
        }
        clock.advance(to: end)
        try await settle()
    }

    static let minute: Int64 = 60_000
    static let hour: Int64 = 3_600_000
}
