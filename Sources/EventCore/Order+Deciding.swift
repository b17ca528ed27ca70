import Exchanges

extension Order {
    /// The rule for every action: what already is as asked causes nothing; what has happened outside is recorded in
    /// any state in which it can have happened; what would be a new step is refused where the machine has none.
    public func decide(_ action: OrderAction, at now: Timestamp) throws(Refusal) -> [OrderEvent] {
        if case .place(let order) = action { return try place(order) }
        guard let state else { throw Order.unknown }
        switch action {
        case .place: return []
        case .requestPayment: return try requestPayment(state)
        case .completePayment(let transaction): return try completePayment(transaction.kept(Order.longestReference))
        case .failPayment(let failure): return try failPayment(failure.kept)
        case .refundPayment(let transaction): return try refundPayment(transaction.kept(Order.longestReference), state)
        case .failRefund(let failure): return try failRefund(failure.kept, state)
        case .requestShipment: return try requestShipment(state)
        case .scheduleShipment(let tracking): return try scheduleShipment(tracking.kept(Order.longestReference))
        case .failShipment(let failure): return try failShipment(failure.kept)
        case .reserveStock(let expiresAt): return try reserveStock(until: expiresAt, state)
        case .failStock(let failure): return try failStock(failure.kept, state, now)
        case .takeStock: return try takeStock(state)
        case .releaseStock: return try releaseStock(state)
        case .confirm: return try confirm(state)
        case .fail(let failure): return try fail(failure.kept, state)
        case .requestCancellation(let reason):
            if state == .cancellationPending || state == .cancelled { return [] }
            return try step(state, to: .cancellationPending, .cancellationRequested(reason: reason.kept(Failure.longestReason)))
        case .cancel: return try step(state, to: .cancelled, .cancelled)
        case .startProcessing: return try step(state, to: .processing, .processing)
        case .ship: return try step(state, to: .shipped, .shipped)
        case .deliver: return try step(state, to: .delivered, .delivered)
        case .complete: return try step(state, to: .completed, .completed)
        }
    }

    /// Bytes of a transaction's or parcel's name that are kept: other services choose them.
    static let longestReference = 512

    /// A step of the machine and nothing else.
    private func step(_ state: OrderState, to next: OrderState, _ event: OrderEvent) throws(Refusal) -> [OrderEvent] {
        if state == next { return [] }
        guard state.next.contains(next) else { throw Order.notNow }
        return [event]
    }

    static let notNow = Refusal(.illegalState, "the order is not in a state that allows this")

    // MARK: - Placing

    private func place(_ order: PricedOrder) throws(Refusal) -> [OrderEvent] {
        if let priced {
            guard priced == order else {
                throw Refusal(.illegalState, "there is another order under this id", field: "/orderId")
            }
            return []
        }
        if let mistake = order.mistake { throw mistake }
        return [.placed(order)]
    }

    // MARK: - Payment

    private func requestPayment(_ state: OrderState) throws(Refusal) -> [OrderEvent] {
        switch payment.attempt {
        case .requested where !state.isGivenUp: return []
        case .made where !state.isGivenUp && payment.held > 0: return []
        case .none, .failed: break
        default: throw Order.notNow
        }
        guard state <= .paymentPending else { throw Order.notNow }
        return [.paymentRequested]
    }

    /// Money that was taken is a fact, in every state. A second charge is one too, and owed at once.
    private func completePayment(_ transaction: String) throws(Refusal) -> [OrderEvent] {
        if payment.charge(transaction) != nil { return [] }
        guard payment.attempt != .none else { throw Refusal(.illegalState, "no payment was asked for") }
        guard payment.charges.count < OrderPayment.mostCharges else {
            throw Refusal(.illegalState, "the order has as many payments as it may")
        }
        return [.paymentCompleted(transaction: transaction)]
    }

    private func failPayment(_ failure: Failure) throws(Refusal) -> [OrderEvent] {
        switch payment.attempt {
        case .requested: return [.paymentFailed(failure)]
        case .failed: return []
        case .none: throw Refusal(.illegalState, "no payment was asked for")
        case .made: throw Refusal(.illegalState, "the payment was made")
        }
    }

    private func refundPayment(_ transaction: String, _ state: OrderState) throws(Refusal) -> [OrderEvent] {
        guard let charge = payment.charge(transaction) else {
            throw Refusal(.illegalState, "the order has no such payment", field: "/transaction")
        }
        if charge.isRefunded { return [] }
        guard mayRefund(state) else { throw Order.notNow }
        return [.paymentRefunded(transaction: transaction)]
    }

    private func failRefund(_ failure: Failure, _ state: OrderState) throws(Refusal) -> [OrderEvent] {
        guard payment.held > 0 else { throw Refusal(.illegalState, "there is nothing to give back") }
        guard mayRefund(state) else { throw Order.notNow }
        return payment.refundFailure == nil ? [.refundFailed(failure)] : []
    }

    /// Before the order is given up too: a checkout is undone first, and then has failed.
    private func mayRefund(_ state: OrderState) -> Bool { state == .paymentAuthorized || refundOwed }

    // MARK: - Shipment

    private func requestShipment(_ state: OrderState) throws(Refusal) -> [OrderEvent] {
        switch shipment {
        case .requested where !state.isGivenUp, .scheduled where !state.isGivenUp: return []
        case .none where state == .paymentAuthorized, .failed where state == .paymentAuthorized: return [.shipmentRequested]
        default: throw Order.notNow
        }
    }

    private func scheduleShipment(_ tracking: String) throws(Refusal) -> [OrderEvent] {
        switch shipment {
        case .none: throw Refusal(.illegalState, "no shipment was asked for")
        case .requested, .failed: return [.shipmentScheduled(tracking: tracking)]
        case .scheduled(let known):
            guard known == tracking else { throw Refusal(.illegalState, "the order has another shipment") }
            return []
        }
    }

    private func failShipment(_ failure: Failure) throws(Refusal) -> [OrderEvent] {
        switch shipment {
        case .none: throw Refusal(.illegalState, "no shipment was asked for")
        case .requested: return [.shipmentFailed(failure)]
        case .failed: return []
        case .scheduled: throw Refusal(.illegalState, "the shipment was made")
        }
    }

    // MARK: - Stock

    /// Again with another end: the reservation was made anew, as while payment is out.
    private func reserveStock(until: Timestamp, _ state: OrderState) throws(Refusal) -> [OrderEvent] {
        if stock == .reserved(until: until) || stock == .released(until: until) { return [] }
        if case .taken = stock { throw Order.notNow }
        guard !state.isConfirmed else { throw Order.notNow }
        return [.stockReserved(until: until)]
    }

    private func failStock(_ failure: Failure, _ state: OrderState, _ now: Timestamp) throws(Refusal) -> [OrderEvent] {
        switch stock {
        case .unavailable: return []
        case .reserved(let until) where until > now: throw Refusal(.illegalState, "the stock is reserved")
        case .taken: throw Refusal(.illegalState, "the stock has left")
        case .none, .reserved, .released:
            guard !state.isConfirmed else { throw Order.notNow }
            return [.stockUnavailable(failure)]
        }
    }

    private func releaseStock(_ state: OrderState) throws(Refusal) -> [OrderEvent] {
        switch stock {
        case .none, .unavailable, .released: return []
        case .reserved, .taken: break
        }
        guard !state.isConfirmed else { throw Order.notNow }
        return [.stockReleased]
    }

    /// Never of an order that is given up: whoever cancels it releases what it holds.
    private func takeStock(_ state: OrderState) throws(Refusal) -> [OrderEvent] {
        if case .taken = stock { return [] }
        guard state.isConfirmed, case .reserved = stock else { throw Order.notNow }
        return [.stockTaken]
    }

    // MARK: - The order as a whole

    private func confirm(_ state: OrderState) throws(Refusal) -> [OrderEvent] {
        if state.isConfirmed { return [] }
        guard state == .paymentAuthorized, payment.held > 0 else { throw Order.notNow }
        return [.confirmed]
    }

    /// An order that is being cancelled is not to be either: that is what was asked.
    private func fail(_ failure: Failure, _ state: OrderState) throws(Refusal) -> [OrderEvent] {
        if state.isGivenUp { return [] }
        return try step(state, to: .failed, .failed(failure))
    }
}
