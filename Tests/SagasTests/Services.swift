import EventCore
import Sagas
import Synchronization

/// What the operations of a test do, and how often each was asked to. By default everything goes well, and says to
/// the order what the real ones say.
final class Services: Sendable {
    typealias Behaviour = @Sendable (StepContext) async -> StepResult?

    struct Call: Sendable, Equatable {
        var operation: String
        var key: String
        var attempt: Int
        var correlationId: String?
        var causationId: String?
    }

    private struct State {
        var calls: [Call] = []
        var behaviours: [String: Behaviour] = [:]
        var settled: [String] = []
        /// Calls that a test holds back.
        var held = 0
        /// Calls of a process that is dead change nothing any more.
        var life = 0
    }

    private let state = Mutex(State())

    static let names = [
        "order.verify-cart", "inventory.reserve", "inventory.release", "payment.charge", "payment.refund", "shipping.ship",
        "shipping.cancel", "email.confirm", "cart.empty",
    ]
    static let idempotent: Set<String> = ["order.verify-cart", "inventory.reserve", "inventory.release", "cart.empty"]

    /// Has an operation do something else; nil from `behaviour` = what it usually does.
    func script(_ operation: String, _ behaviour: @escaping Behaviour) {
        state.withLock { $0.behaviours[operation] = behaviour }
    }

    /// Answers in turn, then as usual.
    func script(_ operation: String, answers: [StepResult]) {
        let left = Mutex(answers[...])
        script(operation) { _ in left.withLock { $0.popFirst() } }
    }

    func usual(_ operation: String) { state.withLock { $0.behaviours[operation] = nil } }

    var calls: [Call] { state.withLock { $0.calls } }
    func count(_ operation: String) -> Int { calls.count { $0.operation == operation } }
    var held: Int { state.withLock { $0.held } }
    var settled: [String] { state.withLock { $0.settled } }

    /// Most calls of one operation with one key.
    func mostCalls(_ operation: String) -> Int {
        Dictionary(grouping: calls.filter { $0.operation == operation }, by: \.key).values.map(\.count).max() ?? 0
    }

    /// Waits as a service does that does not answer.
    func hold(_ body: @Sendable () async -> Void) async {
        state.withLock { $0.held += 1 }
        await body()
        state.withLock { $0.held -= 1 }
    }

    func noteSettled(_ text: String) { state.withLock { $0.settled.append(text) } }

    func perform(_ operation: String, _ context: StepContext) async -> StepResult {
        let behaviour = state.withLock { state in
            state.calls.append(
                Call(
                    operation: operation, key: context.key, attempt: context.attempt,
                    correlationId: context.metadata.correlationId, causationId: context.metadata.causationId))
            return state.behaviours[operation]
        }
        if let behaviour, let answer = await behaviour(context) { return answer }
        return Services.usual(operation, context)
    }

    static func usual(_ operation: String, _ context: StepContext) -> StepResult {
        let order = context.order
        switch operation {
        case "payment.charge": return .done([.order(order, .completePayment(transaction: "t-\(order)"))])
        case "payment.refund":
            guard let transaction = context.state.transaction, context.state.payment.held > 0 else { return .done([]) }
            return .done([.order(order, .refundPayment(transaction: transaction))])
        case "shipping.ship": return .done([.order(order, .scheduleShipment(tracking: "parcel-\(order)"))])
        case "inventory.reserve":
            let until = Timestamp(microseconds: Timestamp.now().microseconds + 3_600_000_000)
            return .done([.order(order, .reserveStock(expiresAt: until))])
        case "inventory.release": return .done([.order(order, .releaseStock)])
        default: return .done([])
        }
    }

    func operation(_ name: String) -> (any StepOperation)? {
        Services.names.contains(name) ? Scripted(name: name, services: self) : nil
    }

    private struct Scripted: StepOperation {
        let name: String
        let services: Services
        var isIdempotent: Bool { Services.idempotent.contains(name) }

        func announce(_ context: StepContext) -> [Command] {
            switch name {
            case "payment.charge": [.order(context.order, .requestPayment)]
            case "shipping.ship": [.order(context.order, .requestShipment)]
            default: []
            }
        }

        func perform(_ context: StepContext) async -> StepResult { await services.perform(name, context) }

        func settled(_ context: StepContext, note: String?) -> [Command] {
            services.noteSettled("\(context.key) \(note ?? "-")")
            guard name == "payment.charge", let note else { return [] }
            return [.order(context.order, .completePayment(transaction: note))]
        }
    }
}
