/// What may be asked of an order. Those of the checkout's steps may be asked again: what already is as asked
/// causes nothing.
public enum OrderAction: Sendable, Equatable {
    /// Creates it.
    case place(PricedOrder)
    // Payment.
    case requestPayment
    case completePayment(transaction: String)
    case failPayment(Failure)
    case refundPayment(transaction: String)
    case failRefund(Failure)
    // Shipment.
    case requestShipment
    case scheduleShipment(tracking: String)
    case failShipment(Failure)
    // Stock.
    /// Reserved under the order's own id, until then.
    case reserveStock(expiresAt: Timestamp)
    case failStock(Failure)
    /// Of a confirmed order: what was reserved is sold.
    case takeStock
    /// Also what was sold, when the order is given up.
    case releaseStock
    // The order as a whole.
    /// The checkout is through.
    case confirm
    /// The checkout is not to be: for good.
    case fail(Failure)
    case requestCancellation(reason: String)
    /// The cancellation is through.
    case cancel
    // Fulfilment.
    case startProcessing
    case ship
    case deliver
    case complete
}
