import Adapters
import Bus
import EventCore
import Exchanges
import Gateway
import Sagas
import Settings
import Stores
import Synchronization
import Telemetry

/// What stands beside the log: the checkout with its sagas, and the consumers that follow it.
///
/// Made before the workers start, so that they know whom to ask; `begin` sets it going when they run.
final class WriteSide: Sendable {
    private let memory: SQLiteConsumerStore
    private let orchestrator: Orchestrator
    private let checkout: Checkout
    private let bus: Mutex<Bus?>
    private let startBus: @Sendable () async throws -> Bus

    init(
        _ loaded: LoadedConfiguration.Checkout, consumers path: String, core: EventLog, store: any EventStore,
        calls: any CallOut, log: Log, deliver: @escaping EventLog.Deliver
    ) throws {
        let settings = loaded.settings
        let memory = try SQLiteConsumerStore(path: path)
        let cards = CardVault(most: settings.cards, seconds: UInt64(settings.paymentParkMax) / 1000)
        let operations = Operations(checkout: settings, log: core, calls: calls, cards: cards)
        let orchestrator = Orchestrator(
            log: core, store: store, index: memory, definitions: loaded.sagas, operations: { operations[$0] },
            failPoints: FailPoints.environment())
        checkout = Checkout(
            settings, log: core, sagas: orchestrator, calls: calls, cards: cards, tokens: loaded.tokens, deliver: deliver)
        self.memory = memory
        self.orchestrator = orchestrator
        bus = Mutex(nil)
        startBus = {
            try await Bus(feed: core.feed, events: store, store: memory, consumers: [])
        }
    }

    var desks: Desks { Desks(checkout: checkout, admin: self) }

    /// Goes on with what an earlier process left, and follows the log from then on.
    func begin() async throws {
        try await orchestrator.begin()
        let started = try await startBus()
        bus.withLock { $0 = started }
    }

    /// Waits until no step is under way, but not for those that wait themselves, nor longer than this.
    func settle(withinMS: UInt64) async { await orchestrator.settle(withinMS: withinMS) }

    /// Ends: what has not been finished, the next process goes on with.
    func close() async {
        orchestrator.stop()
        await bus.withLock { $0 }?.stop()
        checkout.close()
        memory.close()
    }
}

extension WriteSide: AdminDesk {
    func answer(_ request: AdminRequest) async -> AdminAnswer {
        switch request.subject {
        case .sagas: AdminAnswer(status: 501, body: Array(#"{}"#.utf8))
        case .deadLetters: await deadLetters(request)
        }
    }

    private func deadLetters(_ request: AdminRequest) async -> AdminAnswer {
        guard let bus = bus.withLock({ $0 }) else {
            return AdminAnswer(status: 503, body: Array(#"{"detail":"the consumers have not begun"}"#.utf8))
        }
        let answer: Bus.Answer
        switch (request.parameter("entry"), request.parameter("action")) {
        case (nil, _):
            answer = await bus.deadLetters(
                queue: request.query("queue"), state: request.query("state"), limit: request.query("limit"),
                nextToken: request.query("nextToken"))
        case (let entry?, nil): answer = await bus.deadLetter(entry)
        case (let entry?, "retry"): answer = await bus.retryDeadLetter(entry)
        case (let entry?, "skip"): answer = await bus.skipDeadLetter(entry)
        case (_?, _?): return AdminAnswer(status: 404, body: Array(#"{"detail":"an entry can be retried or skipped"}"#.utf8))
        }
        return AdminAnswer(status: answer.status, body: answer.body)
    }
}
