import Contracts
import Exchanges

/// An order; its id is the order's. State is the fold of its events, nothing else.
///
/// One machine says where the order stands (`OrderState`); what came of payment, shipment and stock is kept beside
/// it, because the truth about those also counts when the order is given up (SPEC F-4). docs/orders.md has the table
/// of what is legal when.
public struct Order: Aggregate, Equatable {
    public static let type = "Order"
    /// Lines of one order: as many as a cart has.
    public static let mostLines = Cart.mostItems

    /// When a state was reached.
    public struct Milestone: Sendable, Equatable {
        public var state: OrderState
        public var at: Timestamp
    }

    /// What was ordered; nil when nothing ever was.
    public internal(set) var priced: PricedOrder?
    public internal(set) var payment = OrderPayment()
    public internal(set) var shipment = OrderShipment.none
    public internal(set) var stock = OrderStock.none
    /// Why the checkout came to nothing.
    public internal(set) var failure: Failure?
    /// As the customer gave it.
    public internal(set) var cancellationReason: String?
    /// The states there were, the first of them `created`. Each comes once at most.
    public internal(set) var timeline: [Milestone] = []
    /// Of its last event; 0 for an order that never was.
    public internal(set) var version: UInt64 = 0

    public init() {}

    /// Nil for an order that never was.
    public var state: OrderState? { timeline.last?.state }

    /// Of the payment that counts: the first that was not given back, else the first.
    public var transaction: String? { (payment.charges.first { !$0.isRefunded } ?? payment.charges.first)?.transaction }

    public var tracking: String? {
        guard case .scheduled(let tracking) = shipment else { return nil }
        return tracking
    }

    /// Was money taken that has to be given back? All of it when the order is given up, else what was taken twice.
    public var refundOwed: Bool { payment.held > (state?.isGivenUp == true ? 0 : 1) }

    /// Is a parcel on its way for an order that is given up?
    public var isShipmentToBeStopped: Bool { tracking != nil && state?.isGivenUp == true }

    var cost: Int {
        let lines = priced?.lines.reduce(0) { $0 + 192 + $1.name.utf8.count + $1.category.utf8.count } ?? 0
        return 1536 + lines + 160 * payment.charges.count
    }

    static let unknown = Refusal(.notFound, "there is no such order", field: "/orderId")

    // MARK: - Fold

    public mutating func apply(_ event: OrderEvent, at instant: Timestamp) {
        version += 1
        switch event {
        case .placed(let order):
            guard priced == nil else { return }
            priced = order
            timeline = [Milestone(state: .created, at: instant)]
        case .paymentRequested:
            if payment.attempt != .made { payment.attempt = .requested }
            reach(.paymentPending, instant)
        case .paymentCompleted(let transaction):
            payment.attempt = .made
            if payment.charge(transaction) == nil, payment.charges.count < OrderPayment.mostCharges {
                payment.charges.append(.init(transaction: transaction))
            }
            reach(.paymentAuthorized, instant)
        case .paymentFailed(let failure):
            if payment.attempt != .made { payment.attempt = .failed(failure) }
        case .paymentRefunded(let transaction): payment.refund(transaction)
        case .refundFailed(let failure): if payment.held > 0 { payment.refundFailure = failure }
        case .shipmentRequested: if tracking == nil { shipment = .requested }
        case .shipmentScheduled(let tracking): shipment = .scheduled(tracking: tracking)
        case .shipmentFailed(let failure): if tracking == nil { shipment = .failed(failure) }
        case .stockReserved(let until): stock = .reserved(until: until)
        case .stockUnavailable(let failure): stock = .unavailable(failure)
        case .stockTaken: if case .reserved(let until) = stock { stock = .taken(until: until) }
        case .stockReleased:
            switch stock {
            case .reserved(let until), .taken(let until): stock = .released(until: until)
            case .none, .unavailable, .released: break
            }
        case .confirmed: reach(.confirmed, instant)
        case .failed(let failure): if reach(.failed, instant) { self.failure = failure }
        case .cancellationRequested(let reason):
            if reach(.cancellationPending, instant) { cancellationReason = reason }
        case .cancelled: reach(.cancelled, instant)
        case .processing: reach(.processing, instant)
        case .shipped: reach(.shipped, instant)
        case .delivered: reach(.delivered, instant)
        case .completed: reach(.completed, instant)
        }
    }

    /// Moves on where the machine allows it. A fold must be total, and the machine must hold all the same.
    @discardableResult
    private mutating func reach(_ next: OrderState, _ instant: Timestamp) -> Bool {
        guard let state, state.next.contains(next) else { return false }
        timeline.append(Milestone(state: next, at: instant))
        return true
    }
}
