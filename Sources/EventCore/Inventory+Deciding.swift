import Exchanges

/// What may be asked of a product's stock.
public enum InventoryAction: Sendable, Equatable {
    /// So many more, or fewer. The same `eventId` again changes nothing.
    case adjust(delta: Int32, reason: Identifier, eventId: Identifier?)
    /// Without `expiresAt`, for `Inventory.usualReservation`.
    case reserve(reservation: Identifier, order: Identifier?, quantity: Int32, expiresAt: Timestamp?)
    case release(reservation: Identifier, order: Identifier?, reason: ReleaseReason)
    /// The goods have left, for an order that has them for good. That is a fact: also when the reservation has ended.
    case take(reservation: Identifier, order: Identifier, quantity: Int32)
    /// What was taken is back.
    case putBack(reservation: Identifier, order: Identifier, quantity: Int32)
}

extension Inventory {
    /// 15 minutes, in microseconds.
    public static let usualReservation: Int64 = 15 * 60 * 1_000_000
    /// 30 days, in microseconds.
    public static let longestReservation: Int64 = 30 * 24 * 3600 * 1_000_000
    /// Expired reservations that one command writes off.
    static let mostWrittenOff = 100

    public func decide(_ action: InventoryAction, at now: Timestamp) throws(Refusal) -> [InventoryEvent] {
        try decide(action, at: now, under: DecisionRules())
    }

    public func decide(
        _ action: InventoryAction, at now: Timestamp, under rules: DecisionRules
    ) throws(Refusal) -> [InventoryEvent] {
        switch action {
        case .adjust(let delta, let reason, let eventId):
            return try adjust(delta, reason, eventId, now, rules)
        case .reserve(let id, let order, let quantity, let expiresAt):
            return try reserve(id, order, quantity, expiresAt, now)
        case .release(let id, let order, let reason):
            return try release(id, order, reason, now)
        case .take(let id, let order, let quantity):
            return try take(id, order, quantity, now, rules)
        case .putBack(let id, let order, let quantity):
            return try putBack(id, order, quantity, now)
        }
    }

    /// Whoever reports stock reports a fact, so there is nothing to refuse; but what is promised stays
    /// promised. The event says both what was reported and what came of it, which may be nothing.
    private func adjust(
        _ delta: Int32, _ reason: Identifier, _ eventId: Identifier?, _ now: Timestamp, _ rules: DecisionRules
    ) throws(Refusal) -> [InventoryEvent] {
        guard delta != 0 else { throw Refusal(.validationError, "the delta must not be 0", field: "/delta") }
        if let eventId, hasAdjusted(eventId) { return [] }
        // More is promised than there is when goods have left whose reservation had ended.
        let applied = rules.stockBelowZero ? Int64(delta) : max(Int64(delta), min(0, -available(at: now)))
        guard (-Inventory.mostPieces...Inventory.mostPieces).contains(onHand + applied) else {
            throw Refusal(.illegalState, "the product has as many pieces as it may, or lacks as many", field: "/delta")
        }
        return writeOff(now) + [.stockAdjusted(requested: delta, applied: applied, reason: reason, eventId: eventId)]
    }

    /// Too little stock is a refusal and no event: nothing has happened to the stock, and a sold-out
    /// product must not grow with every try. Who asked may store `InventoryUnavailable` in its own stream.
    private func reserve(
        _ id: Identifier, _ order: Identifier?, _ quantity: Int32, _ expiresAt: Timestamp?, _ now: Timestamp
    ) throws(Refusal) -> [InventoryEvent] {
        guard quantity > 0 else {
            throw Refusal(.validationError, "the quantity must be positive", field: "/quantity")
        }
        if let known = reservations[id], known.expiresAt > now {
            guard known.order == order, known.quantity == quantity, known.expiresAt == expiresAt ?? known.expiresAt else {
                throw Refusal(.illegalState, "the reservation holds something else", field: "/reservationId")
            }
            return []
        }
        guard reservations[id] == nil, !hasEnded(id) else {
            throw Refusal(.illegalState, "the reservation has ended", field: "/reservationId")
        }
        guard version > 0 else { throw Inventory.unknown }
        let until = expiresAt ?? Timestamp(microseconds: now.microseconds + Inventory.usualReservation)
        guard until > now else {
            throw Refusal(.validationError, "the reservation would have expired", field: "/expiresAt")
        }
        guard until.microseconds - now.microseconds <= Inventory.longestReservation else {
            throw Refusal(.validationError, "a reservation lasts 30 days at most", field: "/expiresAt")
        }
        guard Int64(quantity) <= available(at: now) else {
            throw Refusal(.illegalState, "not enough of the product is available", field: "/quantity")
        }
        let writtenOff = writeOff(now)
        guard reservations.count - writtenOff.count < Inventory.mostReservations else {
            throw Refusal(.illegalState, "the product has as many reservations as it may")
        }
        return writtenOff + [.reserved(id, order: order, quantity: quantity, expiresAt: until)]
    }

    private func release(
        _ id: Identifier, _ order: Identifier?, _ reason: ReleaseReason, _ now: Timestamp
    ) throws(Refusal) -> [InventoryEvent] {
        guard let known = reservations[id] else {
            if hasEnded(id) { return [] }
            throw Refusal(.notFound, "the product has no such reservation", field: "/reservationId")
        }
        guard order == nil || order == known.order else {
            throw Refusal(.illegalState, "the reservation is another order's", field: "/orderId")
        }
        let why = known.expiresAt <= now ? .expired : reason
        return writeOff(now, except: id) + [.released(id, order: known.order, quantity: known.quantity, reason: why)]
    }

    /// Never refused: the order has been paid. When fewer pieces are on hand, those are what it takes, and the event
    /// says both.
    private func take(
        _ id: Identifier, _ order: Identifier, _ quantity: Int32, _ now: Timestamp, _ rules: DecisionRules
    ) throws(Refusal) -> [InventoryEvent] {
        guard quantity > 0 else {
            throw Refusal(.validationError, "the quantity must be positive", field: "/quantity")
        }
        if let known = reservations[id], known.order != order {
            throw Refusal(.illegalState, "the reservation is another order's", field: "/orderId")
        }
        if taken[id] != nil { return [] }
        let floor = rules.stockBelowZero ? -Inventory.mostPieces : 0
        let applied = min(Int64(quantity), max(0, onHand - floor))
        return writeOff(now, except: id) + [.taken(id, order: order, quantity: quantity, applied: applied)]
    }

    /// As many as were taken; all of them when that is not remembered any more.
    private func putBack(
        _ id: Identifier, _ order: Identifier, _ quantity: Int32, _ now: Timestamp
    ) throws(Refusal) -> [InventoryEvent] {
        guard quantity > 0 else {
            throw Refusal(.validationError, "the quantity must be positive", field: "/quantity")
        }
        if returned.contains(id) { return [] }
        let room = max(0, Inventory.mostPieces - onHand)
        let applied = min(taken[id] ?? Int64(quantity), room)
        return writeOff(now) + [.returned(id, order: order, quantity: quantity, applied: applied)]
    }

    /// The events that expired reservations are due.
    private func writeOff(_ now: Timestamp, except other: Identifier? = nil) -> [InventoryEvent] {
        var events: [InventoryEvent] = []
        for id in reservationsExpired(at: now, most: Inventory.mostWrittenOff) where id != other {
            guard let known = reservations[id] else { continue }
            events.append(.released(id, order: known.order, quantity: known.quantity, reason: .expired))
        }
        return events
    }
}
