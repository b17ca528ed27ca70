import Adapters
import Bus
import EventCore
import Exchanges
import Gateway
import Identity
import Routes
import Sagas
import Settings
import Stores
import Synchronization
import Telemetry
import Topics

/// What stands beside the log: the checkout with its sagas, and the consumers that follow it.
///
/// Made before the workers start, so that they know whom to ask; `begin` sets it going when they run.
final class WriteSide: Sendable {
    private struct Checking: Sendable {
        var desk: Checkout
        var sagas: Orchestrator
    }

    private let memory: SQLiteConsumerStore
    private let revocations: RevocationDesk
    private let mqtt: MQTTSide?
    /// Says at `$SYS` how the broker fares.
    private let system = Mutex<Task<Void, Never>?>(nil)
    private let core: EventLog
    private let checkout: Checking?
    let flags: FlagDesk
    private let repeatSecret: RepeatDigest.Key
    private let bus = Mutex<Bus?>(nil)
    private let bridges = Mutex<Bridges?>(nil)
    private let openBridges: @Sendable (Inlet) throws -> Bridges
    private let startBus: @Sendable (SQLiteConsumerStore, [any Consumer]) async throws -> Bus

    /// Says which of the two files it is.
    private struct Unopened: Error, CustomStringConvertible {
        var path: String
        var error: StoreError
        var description: String { "\(path): \(error)" }
    }

    /// Where consumers remember how far they are, beside the events.
    static func path(ofEvents path: String) -> String { path + ".consumers" }

    /// - Parameters:
    ///   - deliver: takes the checkout's replies, as the log's.
    ///   - tell: takes the broker's.
    init(
        _ loaded: LoadedConfiguration, core: EventLog, store: any EventStore, calls: any CallOut, log: Log,
        deliver: @escaping EventLog.Deliver, tell: @escaping Broker.Deliver
    ) throws {
        let configuration = loaded.configuration
        flags = FlagDesk(board: FlagBoard(), core: core)
        let path = Self.path(ofEvents: configuration.store.path)
        do throws(StoreError) {
            memory = try SQLiteConsumerStore(path: path)
        } catch {
            throw Unopened(path: path, error: error)
        }
        revocations = try RevocationDesk(path: configuration.store.path + ".revocations")
        let secret = RepeatSecretFile.path(ofEvents: configuration.store.path)
        do throws(StoreError) {
            repeatSecret = try RepeatSecretFile.open(secret)
        } catch {
            throw Unopened(path: secret, error: error)
        }
        mqtt = try MQTTSide(configuration, core: core, deliver: tell)
        self.core = core
        var consumers: [any Consumer] = []
        if let parts = loaded.checkout {
            let cards = CardVault(most: parts.settings.cards, seconds: UInt64(parts.settings.paymentParkMax) / 1000)
            let operations = Operations(checkout: parts.settings, log: core, calls: calls, cards: cards)
            let sagas = Orchestrator(
                log: core, store: store, index: memory, definitions: parts.sagas, operations: { operations[$0] },
                failPoints: FailPoints.environment())
            let desk = Checkout(
                parts.settings, log: core, sagas: sagas, calls: calls, cards: cards, tokens: parts.tokens, deliver: deliver)
            checkout = Checking(desk: desk, sagas: sagas)
            consumers.append(SoldStock(log: core))
            consumers.append(DeferredSteps(log: core, store: memory, operations: { operations[$0] }))
        } else {
            checkout = nil
        }
        if let cluster = configuration.bus.legacyCartMirror {
            consumers.append(LegacyCartMirror(cluster: cluster, log: core, calls: calls))
        }
        let skus = loaded.table.skus
        if let mqtt, !configuration.mqtt.feed.isEmpty {
            consumers.append(TopicFeed(name: "topic-feed", configuration.mqtt.feed, skus: skus, log: core, sink: BrokerSink(mqtt.broker)))
        }
        openBridges = { inlet in try Bridges(loaded, core: core, skus: skus, inlet: inlet, log: log) }
        startBus = { [consumers] memory, more in
            try await Bus(
                feed: core.feed, events: store, store: memory, consumers: consumers + more, options: BusOptions(configuration.bus),
                note: { $0.write(to: log) })
        }
    }

    var desks: Desks {
        Desks(
            checkout: checkout?.desk, admin: self, revocations: revocations.revocations, flags: flags.board,
            broker: mqtt?.broker, repeatSecret: repeatSecret)
    }

    /// Goes on with what an earlier process left, and follows the log from then on.
    /// - Parameter inlet: of the workers, which run.
    func begin(_ inlet: Inlet) async throws {
        try await checkout?.sagas.begin()
        mqtt?.begin(inlet, core: core)
        let opened = try openBridges(inlet)
        bridges.withLock { $0 = opened }
        let started = try await startBus(memory, opened.consumers)
        bus.withLock { $0 = started }
    }

    /// Says from now on how the broker fares, where there is one.
    func tell(every milliseconds: UInt32, of meters: Meters) {
        guard let mqtt, milliseconds > 0 else { return }
        let topics = SystemTopics(broker: mqtt.broker, meters: meters)
        system.withLock { $0 = Task { await topics.run(every: milliseconds) } }
    }

    /// Waits until no step is under way, but not for those that wait themselves, nor longer than this.
    func settle(withinMS: UInt64) async { await checkout?.sagas.settle(withinMS: withinMS) }

    /// Takes nothing more from outside brokers, and tells them nothing more. Waits for their threads.
    func closeBridges() { bridges.withLock { $0.take() }?.close() }

    /// Ends: what has not been finished, the next process goes on with.
    func close() async {
        checkout?.sagas.stop()
        await bus.withLock { $0 }?.stop()
        checkout?.desk.close()
        let system = system.withLock { $0.take() }
        system?.cancel()
        await system?.value
        mqtt?.close()
        memory.close()
    }

    /// For metrics.
    func families() -> [Family] {
        var families = flags.board.families() + (bus.withLock { $0 }.map(BusSeries.families) ?? [])
        if let checkout {
            let sagas = checkout.sagas.figures()
            families += SagaSeries.families(of: sagas) + OrderSeries.families(of: checkout.desk.meters, active: sagas.orders)
        }
        families += bridges.withLock { $0 }?.families() ?? []
        return families + (mqtt.map { BrokerSeries.families(of: $0.broker) } ?? [])
    }
}

extension WriteSide: AdminDesk {
    func answer(_ request: AdminRequest) async -> AdminAnswer {
        switch request.subject {
        case .sagas: await sagas(request)
        case .deadLetters: await deadLetters(request)
        case .revocations: revocations.answer(request)
        case .flags: await flags.answer(request)
        case .mqtt: await mqtt?.answer(request) ?? AdminAnswer(404, "no listener speaks MQTT here")
        }
    }

    private func sagas(_ request: AdminRequest) async -> AdminAnswer {
        guard let sagas = checkout?.sagas else { return AdminAnswer(404, "there is no checkout here, and so no sagas") }
        let asked: SagaRequest
        switch (request.parameter("sagaId"), request.parameter("action")) {
        case (nil, _):
            asked = .list(
                status: request.query("status"), limit: request.query("limit"), nextToken: request.query("nextToken"))
        case (let name?, let action):
            guard let id = Identifier(name) else { return AdminAnswer(404, "there is no such saga") }
            if let action {
                // That an answer came late is for the core to say.
                guard let decision = SagaDecision(rawValue: action), decision != .answered else {
                    return AdminAnswer(404, "a saga can be told: retry, skip or compensate")
                }
                asked = .decide(id, decision, body: request.body)
            } else {
                asked = .show(id)
            }
        }
        let answer = await sagas.answer(asked)
        return AdminAnswer(status: answer.status, body: answer.body)
    }

    private func deadLetters(_ request: AdminRequest) async -> AdminAnswer {
        guard let bus = bus.withLock({ $0 }) else { return AdminAnswer(503, "the consumers have not begun") }
        let answer: Bus.Answer
        switch (request.parameter("entry"), request.parameter("action")) {
        case (nil, _):
            answer = await bus.deadLetters(
                queue: request.query("queue"), state: request.query("state"), limit: request.query("limit"),
                nextToken: request.query("nextToken"))
            if request.query("queue") == nil, let mqtt { return await mqtt.addRefused(to: answer.body) }
        case (let entry?, nil): answer = await bus.deadLetter(entry)
        case (let entry?, "retry"): answer = await bus.retryDeadLetter(entry)
        case (let entry?, "skip"): answer = await bus.skipDeadLetter(entry)
        case (_?, _?): return AdminAnswer(404, "an entry can be told: retry or skip")
        }
        return AdminAnswer(status: answer.status, body: answer.body)
    }
}

extension AdminAnswer {
    /// A no, with a constant text that needs no escaping.
    init(_ status: UInt16, _ message: StaticString) {
        self.init(status: status, body: Array("{\"message\":\"\(message)\"}".utf8))
    }
}

extension RouteTable {
    /// What devices call each product: by the table `skus`, as it stands at the start.
    fileprivate var skus: [Identifier: [String]] {
        let table = translations.first { $0.name == "skus" }?.reversed ?? [:]
        var skus: [Identifier: [String]] = [:]
        for (product, names) in table {
            if let id = Identifier(product) { skus[id] = names.map { String(decoding: $0, as: UTF8.self) } }
        }
        return skus
    }
}
