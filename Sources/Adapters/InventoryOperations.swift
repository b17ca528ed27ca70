import EventCore
import Exchanges
import Sagas

/// `inventory.reserve`: holds what was ordered, all of it or nothing, under the order's id.
///
/// It asks the core to do so at once, in one transaction with the order's own event, because only there is it known
/// whether there is enough. The same again finds that the order holds its stock already.
struct ReserveInventory: StepOperation {
    let name = "inventory.reserve"
    let isIdempotent = true
    let log: EventLog
    /// How long stock is held, in microseconds.
    let microseconds: Int64

    func announce(_ context: StepContext) -> [Command] { [] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let order = context.state.priced else { return .refused(Failure(reason: "the order was never placed"), []) }
        guard let wanted = order.quantities else {
            return refused(Failure(reason: "the sum of the quantities of a product is too large"), context)
        }
        let now = Timestamp.now()
        if case .reserved(let until) = context.state.stock, until > now { return .done([]) }
        let until = Timestamp(microseconds: now.microseconds + microseconds)
        var commands: [Command] = wanted.map { product, quantity in
            .inventory(product, .reserve(reservation: context.order, order: context.order, quantity: quantity, expiresAt: until))
        }
        commands.append(.order(context.order, .reserveStock(expiresAt: until)))
        do throws(Refusal) {
            try await log.execute(commands, context.metadata)
            return .done([])
        } catch {
            let reason = error.text ?? error.outcome.detail.description
            if error.outcome.code == .upstreamUnavailable { return .unavailable(Failure(reason: reason)) }
            guard let product = await firstWithout(wanted, now) else { return refused(Failure(reason: reason), context) }
            return refused(Failure(reason: "\(reason): \(product)"), context)
        }
    }

    /// Whose stock it was that did not suffice, for people to read; nil when there is enough again.
    private func firstWithout(_ wanted: [(product: Identifier, quantity: Int32)], _ now: Timestamp) async -> Identifier? {
        for (product, quantity) in wanted {
            guard case .inventory(let stock)? = try? await log.state(of: AggregateName(kind: .inventory, id: product)) else {
                continue
            }
            if stock.available(at: now) < quantity { return product }
        }
        return nil
    }

    private func refused(_ failure: Failure, _ context: StepContext) -> StepResult {
        .refused(failure, [.order(context.order, .failStock(failure))])
    }
}

/// `inventory.release`: lets go what the order holds, or puts back what it has taken.
struct ReleaseInventory: StepOperation {
    let name = "inventory.release"
    let isIdempotent = true
    let log: EventLog

    func announce(_ context: StepContext) -> [Command] { [] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let order = context.state.priced else { return .done([]) }
        if case .taken = context.state.stock {
            let commands: [Command] = (order.quantities ?? []).map { product, quantity in
                .inventory(product, .putBack(reservation: context.order, order: context.order, quantity: quantity))
            }
            return .done(commands + [.order(context.order, .releaseStock)])
        }
        guard case .reserved = context.state.stock else { return .done([]) }
        let reason: ReleaseReason = context.state.state == .cancellationPending ? .orderCancelled : .compensation
        var commands: [Command] = []
        do throws(Refusal) {
            for (product, _) in order.quantities ?? [] {
                // One that has ended and is not remembered any more would be refused.
                guard case .inventory(let stock) = try await log.state(of: AggregateName(kind: .inventory, id: product)),
                    stock.reservations[context.order] != nil
                else { continue }
                commands.append(
                    .inventory(product, .release(reservation: context.order, order: context.order, reason: reason)))
            }
        } catch {
            return .unavailable(Failure(reason: error.text ?? error.outcome.detail.description))
        }
        return .done(commands + [.order(context.order, .releaseStock)])
    }
}

extension PricedOrder {
    /// Of each product once, in the order of the lines; nil when a sum is too large.
    var quantities: [(product: Identifier, quantity: Int32)]? {
        var result: [(product: Identifier, quantity: Int32)] = []
        var places: [Identifier: Int] = [:]
        for line in lines {
            guard let place = places[line.product] else {
                places[line.product] = result.count
                result.append((line.product, line.quantity))
                continue
            }
            let (sum, overflow) = result[place].quantity.addingReportingOverflow(line.quantity)
            guard !overflow else { return nil }
            result[place].quantity = sum
        }
        return result
    }
}
