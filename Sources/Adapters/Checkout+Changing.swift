import EventCore
import Exchanges
import Sagas
import Settings

extension Checkout {
    /// Gives an order that waits for its payment the card that it lost, or another one.
    func pay(_ id: Identifier, _ card: CardDetails, _ wait: Wait, _ access: ObjectAccess?) async throws(Refusal) -> Reply.Outcome {
        // Before the order is looked at: one that is settled in between takes its card along, this one too.
        var order = try await order(id, access)
        try order.mustWaitForPayment()
        guard cards.put(card, for: id) else { throw Checkout.full }
        do throws(Refusal) {
            order = try await self.order(id, access)
            try order.mustWaitForPayment()
        } catch {
            cards.remove(id)
            throw error
        }
        guard let saga = Identifier("checkout-\(id)") else { throw Checkout.unknown }
        sagas.wake(saga)
        let acceptance = Acceptance(order: id, version: order.version, status: order.state?.apiStatus, saga: saga)
        return try await ending(of: acceptance, wait) { order throws(Refusal) in try order.body(of: id, at: .now()) }
    }

    func cancel(
        _ id: Identifier, _ reason: String, _ expected: ExpectedVersion, _ wait: Wait, _ metadata: Metadata, _ access: ObjectAccess?
    ) async throws(Refusal) -> Reply.Outcome {
        let order = try await order(id, access)
        guard expected.admits(order.version) else { throw Refusal(.versionConflict, "the aggregate has another version") }
        let (saga, started) = try sagas.start("cancel-order", order: id)
        let commands: [Command] = [.order(id, .requestCancellation(reason: reason))]
        // What the order has become meanwhile is looked at again, by who decides.
        let accepted = try await log.execute(commands + started, metadata, access: access)
        var acceptance = Acceptance(order: id, accepted: accepted, saga: saga)
        acceptance.status = OrderState.cancellationPending.apiStatus
        acceptance.state = OrderState.cancellationPending.name
        return try await ending(of: acceptance, wait) { order throws(Refusal) in try order.body(of: id, at: .now()) }
    }

    private func order(_ id: Identifier, _ access: ObjectAccess?) async throws(Refusal) -> Order {
        guard case .order(let order) = try await log.state(of: AggregateName(kind: .order, id: id)), order.state != nil else {
            throw Checkout.unknown
        }
        try access?.check(.order(order), of: id)
        return order
    }

    private static let unknown = Refusal(.notFound, "there is no such order", field: "/orderId")
}

extension Order {
    fileprivate func mustWaitForPayment() throws(Refusal) {
        guard state == .created || state == .paymentPending else {
            throw Refusal(.illegalState, "the order does not wait for its payment")
        }
    }
}
