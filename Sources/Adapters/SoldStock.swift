public import Bus
public import EventCore
import Exchanges

/// What a confirmed order holds is sold: its reservations become goods that have left, all of them in one transaction
/// with the order's own event.
///
/// The order says whether it has happened, so an event that comes twice changes nothing, however late. An order that
/// is being cancelled is left alone: its stock is released by whoever cancels it, and the core, which decides one after
/// the other, refuses to take it.
public struct SoldStock: Consumer {
    public let name = "sold-stock"
    public let types: Set<String> = ["OrderConfirmed"]
    /// Stock that is sold and not counted off would be promised again when the reservation ends.
    public let path: DeliveryPath? = .core
    private let log: EventLog

    public init(log: EventLog) { self.log = log }

    public func apply(_ event: StoredEvent) async -> Applied {
        let id = event.aggregate.id
        do throws(Refusal) {
            guard case .order(let order) = try await log.state(of: AggregateName(kind: .order, id: id)), order.holdsSoldStock,
                let quantities = order.priced?.quantities
            else { return .done }
            let taken: [Command] = quantities.map { product, quantity in
                .inventory(product, .take(reservation: id, order: id, quantity: quantity))
            }
            try await log.execute([.order(id, .takeStock)] + taken, event.event.metadata)
            return .done
        } catch {
            return await came(of: error, id)
        }
    }

    private func came(of refusal: Refusal, _ id: Identifier) async -> Applied {
        let failure = Failure(reason: refusal.text ?? refusal.outcome.detail.description)
        if refusal.outcome.code == .upstreamUnavailable || refusal.outcome.code == .versionConflict { return .transient(failure) }
        // Cancelled in between?
        guard case .order(let order)? = try? await log.state(of: AggregateName(kind: .order, id: id)) else {
            return .transient(failure)
        }
        return order.holdsSoldStock ? .permanent(failure) : .done
    }
}

extension Order {
    fileprivate var holdsSoldStock: Bool {
        guard case .reserved = stock else { return false }
        return state?.isConfirmed == true
    }
}
