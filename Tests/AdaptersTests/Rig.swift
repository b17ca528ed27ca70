@testable import Adapters
import EventCore
import Exchanges
import Foundation
import Sagas
import Settings
import Stores
import Synchronization
import Testing

/// A checkout over a real log on a real disk, with the shop's services scripted.
final class Rig: Sendable {
    let folder: URL
    let log: EventLog
    let shop: ScriptedShop
    let cards: CardVault
    let operations: Operations
    let sagas: StepRunner
    let desk: Checkout
    private let waiting: Waiting

    init(_ settings: CheckoutSettings = CheckoutSettings(), _ script: @escaping ScriptedShop.Script = { _ in nil }) throws {
        // A machine that builds something else meanwhile is no reason to fail.
        var settings = settings
        settings.pricing = 600_000
        folder = FileManager.default.temporaryDirectory.appending(path: "checkout-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let waiting = Waiting()
        self.waiting = waiting
        let deliver: EventLog.Deliver = { _, replies in waiting.answer(replies) }
        log = try EventLog(store: try SQLiteEventStore(path: folder.appending(path: "events.db").path), deliver: deliver)
        shop = ScriptedShop(script)
        cards = CardVault(most: settings.cards, seconds: UInt64(settings.paymentParkMax / 1000))
        operations = Operations(checkout: settings, log: log, calls: shop, cards: cards)
        sagas = StepRunner(log, operations, withInventory: settings.saga == .checkoutWithInventory)
        let tokens = try #require(CardTokens(key: [UInt8](repeating: 7, count: 32)))
        desk = Checkout(settings, log: log, sagas: sagas, calls: shop, cards: cards, tokens: tokens, deliver: deliver)
    }

    func close() {
        desk.close()
        log.close()
        try? FileManager.default.removeItem(at: folder)
    }

    /// The one answer to a request; nil when it was not taken.
    func ask(_ request: CheckoutRequest, _ patience: Patience = .none, _ metadata: Metadata = Metadata(), access: ObjectAccess? = nil) async -> Reply.Outcome? {
        await waiting.answer {
            self.desk.take(request, ticket: $0, Circumstances(metadata: metadata, patience: patience, access: access))
        }
    }

    func place(
        user: String? = "jane", currency: String = "EUR", card: String = Cards.good, address: PostalAddress = Rig.address,
        _ patience: Patience = .none
    ) async -> Reply.Outcome? {
        let placement = Placement(
            user: user.flatMap { Identifier($0) }, currency: currency, address: address, email: "jane@example.org",
            card: Rig.card(card))
        return await ask(.place(placement), patience, Metadata(correlationId: "c-1", source: "http", traceparent: "00-aa-bb-01"))
    }

    func add(_ product: String, _ quantity: Int32, user: String = "jane") async throws {
        let (user, product) = (try #require(Identifier(user)), try #require(Identifier(product)))
        try await log.execute([.cart(user, .add(product: product, quantity: quantity))], Metadata())
    }

    func order(_ id: String) async throws -> Order {
        guard case .order(let order) = try await log.state(of: AggregateName(kind: .order, id: try #require(Identifier(id)))) else {
            return Order()
        }
        return order
    }

    /// The vault hears of the end of a charge by the change feed, a moment after it.
    func cardsAreGone() async throws -> Bool {
        for _ in 0..<60_000 where cards.count > 0 { try await Task.sleep(for: .milliseconds(2)) }
        return cards.count == 0
    }

    static let address = PostalAddress(
        street: "1600 Amphitheatre Parkway", city: "Mountain View", state: "CA", country: "USA", zipCode: 94043)

    static func card(_ number: String = Cards.good) -> CardDetails {
        CardDetails(number: Array(number.utf8), cvv: 672, expirationYear: 2030, expirationMonth: 1)
    }
}

/// Finds whoever waits for a reply.
private final class Waiting: Sendable {
    private let state = Mutex<(next: UInt32, waiting: [UInt32: CheckedContinuation<Reply.Outcome?, Never>])>((0, [:]))

    func answer(_ submit: (Ticket) -> Bool) async -> Reply.Outcome? {
        await withCheckedContinuation { continuation in
            let slot = state.withLock { state in
                state.next += 1
                state.waiting[state.next] = continuation
                return state.next
            }
            guard !submit(Ticket(worker: 1, slot: slot, generation: 0)) else { return }
            state.withLock { $0.waiting.removeValue(forKey: slot) }?.resume(returning: nil)
        }
    }

    func answer(_ replies: [Reply]) {
        for reply in replies {
            state.withLock { $0.waiting.removeValue(forKey: reply.ticket.slot) }?.resume(returning: reply.outcome)
        }
    }
}

/// Goes through a checkout's steps once, when somebody waits for its end: what the orchestrator does, without its
/// patience. An order that cannot go on stays as it is.
final class StepRunner: SagaStarter {
    private let log: EventLog
    private let operations: Operations
    private let steps: [String]
    let woken = Mutex<[Identifier]>([])
    let results = Mutex<[StepResult]>([])

    init(_ log: EventLog, _ operations: Operations, withInventory: Bool) {
        self.log = log
        self.operations = operations
        steps = ["order.verify-cart"] + (withInventory ? ["inventory.reserve"] : []) + ["payment.charge", "shipping.ship", "email.confirm", "cart.empty"]
    }

    func start(_ definition: String, order: Identifier) throws(Refusal) -> (saga: Identifier, commands: [Command]) {
        let prefix = definition == "cancel-order" ? "cancel" : "checkout"
        guard let saga = Identifier("\(prefix)-\(order)") else { throw Refusal(.validationError, "too long") }
        return (saga, [])
    }

    func wake(_ saga: Identifier) { woken.withLock { $0.append(saga) } }

    func ending(of saga: Identifier, withinMS: UInt32) async -> SagaStatus? {
        guard saga.description.hasPrefix("checkout-"), let id = Identifier(String(saga.description.dropFirst(9))) else { return nil }
        do {
            for name in steps {
                guard let failure = try await run(name, saga, id) else { continue }
                if name == "email.confirm" || name == "cart.empty" { continue }
                guard failure.isFinal || name == "shipping.ship" else { return nil }
                try await log.execute([.order(id, .fail(failure.failure))])
                return .compensated
            }
            try await log.execute([.order(id, .confirm)])
            return .completed
        } catch {
            Issue.record(error)
            return nil
        }
    }

    /// Nil = done.
    private func run(_ name: String, _ saga: Identifier, _ id: Identifier) async throws -> (failure: Failure, isFinal: Bool)? {
        let operation = try #require(operations[name])
        let first = try await context(saga, name, id)
        let announced = operation.announce(first)
        if !announced.isEmpty { try await log.execute(announced) }
        let result = await operation.perform(try await context(saga, name, id))
        results.withLock { $0.append(result) }
        switch result {
        case .done(let commands):
            try await log.execute(commands)
            return nil
        case .refused(let failure, let commands):
            try await log.execute(commands)
            return (failure, true)
        case .unavailable(let failure), .unknown(let failure): return (failure, false)
        case .manual(let text), .missing(let text): return (Failure(reason: text), false)
        }
    }

    private func context(_ saga: Identifier, _ step: String, _ id: Identifier) async throws -> StepContext {
        guard case .order(let order) = try await log.state(of: AggregateName(kind: .order, id: id)) else { throw CancellationError() }
        return StepContext(
            saga: saga, step: step, attempt: 1, order: id, state: order, timeoutMS: 300_000,
            metadata: Metadata(correlationId: "c-1", traceparent: "00-aa-bb-01"))
    }
}

extension Reply.Outcome {
    var refusal: Refusal? { if case .refused(let refusal) = self { refusal } else { nil } }
    var answered: (status: UInt16, body: String, fields: String)? {
        guard case .answered(let status, let body, let fields) = self else { return nil }
        return (status, String(decoding: body, as: UTF8.self), String(decoding: fields, as: UTF8.self))
    }
    /// Of an acceptance or an order.
    var orderId: String? { answered?.body.firstMatch(of: /"orderId":"([^"]+)"/).map { String($0.1) } }
}
