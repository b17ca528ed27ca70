public import EventCore
public import Exchanges
public import Sagas
public import Settings

/// The operations that saga definitions may name.
public struct Operations: Sendable {
    private let all: [String: any StepOperation]

    public init(_ operations: [any StepOperation]) {
        all = Dictionary(operations.map { ($0.name, $0) }) { first, _ in first }
    }

    public subscript(_ name: String) -> (any StepOperation)? { all[name] }
    public var names: [String] { all.keys.sorted() }
}

extension Operations {
    /// What definitions may name: of all that `init(checkout:)` makes.
    public static let checkoutNames = [
        "cart.empty", "email.confirm", "inventory.release", "inventory.reserve", "order.verify-cart", "payment.charge",
        "payment.refund", "shipping.cancel", "shipping.ship",
    ]

    /// Those of checkout and cancellation. `order.verify-cart`, `inventory.reserve` and `.release`, and, over the
    /// services that `settings` names, `payment.charge` and `.refund`, `shipping.ship` and `.cancel`,
    /// `email.confirm` and `cart.empty`.
    /// - Parameter cards: the vault that the checkout desk fills.
    public init(checkout settings: CheckoutSettings, log: EventLog, calls: any CallOut, cards: CardVault) {
        let services = ShopServices(settings, calls)
        self.init([
            VerifyCart(),
            ReserveInventory(log: log, microseconds: Int64(settings.reservation) * 1000),
            ReleaseInventory(log: log),
            ChargePayment(services: services, cards: cards),
            RefundPayment(services: services, log: log),
            ShipOrder(services: services),
            CancelShipment(services: services),
            ConfirmByEmail(services: services),
            EmptyCart(services: services, flag: settings.cartFlag?.name),
        ])
    }
}
