import EventCore
import Exchanges
import Sagas
import Settings

/// `order.verify-cart`: an order as it was placed can be looked at without asking anybody.
struct VerifyCart: StepOperation {
    let name = "order.verify-cart"
    let isIdempotent = true

    func announce(_ context: StepContext) -> [Command] { [] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let order = context.state.priced else { return .refused(Failure(reason: "the order was never placed"), []) }
        guard order.lines.allSatisfy({ $0.quantity >= 0 }) else {
            return .refused(Failure(reason: "a quantity of the order is negative"), [])
        }
        guard let sum = order.sum, sum == order.total else {
            return .refused(Failure(reason: "the order's total is not what its lines and its shipping come to"), [])
        }
        return .done([])
    }
}

/// `cart.empty`: what was ordered leaves the customer's cart, wherever that is.
struct EmptyCart: StepOperation {
    let name = "cart.empty"
    let isIdempotent = true
    let services: ShopServices
    /// That carts stay on one side of.
    let flag: String?

    func announce(_ context: StepContext) -> [Command] { [] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let user = context.state.priced?.user else { return .done([]) }
        do throws(ServiceFault) {
            try await services.emptyCart(of: user.description, context.frame)
            // The next cart goes by the weight.
            let affinity = flag.flatMap { Affinity.id(flag: $0, entity: user.bytes) }
            return .done([.cart(user, .empty)] + (affinity.map { [.affinity($0, .release)] } ?? []))
        } catch {
            return error.result()
        }
    }
}

/// `email.confirm`: tells the customer. Nothing depends on it.
struct ConfirmByEmail: StepOperation {
    let name = "email.confirm"
    let services: ShopServices
    var isIdempotent: Bool { services.email.settings.isIdempotent }

    func announce(_ context: StepContext) -> [Command] { [] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let order = context.state.priced, let told = ShopOrder(context.state, id: context.order) else { return .done([]) }
        // Without an address there is nobody to tell.
        guard !order.email.isEmpty else { return .done([]) }
        do throws(ServiceFault) {
            try await services.confirm(told, to: order.email, context.frame)
            return .done([])
        } catch {
            return error.result()
        }
    }
}

extension ShopOrder {
    /// Nil for an order that never was.
    init?(_ order: Order, id: Identifier) {
        guard let priced = order.priced else { return nil }
        self.init(
            id: id.description, tracking: order.tracking ?? "", shippingCost: priced.shippingCost, address: priced.address,
            lines: priced.lines)
    }
}

extension StepContext {
    /// For the calls of this attempt.
    var frame: CallFrame { CallFrame(milliseconds: timeoutMS, key: key, metadata: metadata) }
}

extension ServiceFault {
    /// As a step's result. `refused`: what the order is to know when it stays a no.
    func result(refused commands: [Command] = []) -> StepResult {
        switch kind {
        case .refused: .refused(failure, commands)
        case .unavailable: .unavailable(failure)
        case .unknown: .unknown(failure)
        }
    }
}
