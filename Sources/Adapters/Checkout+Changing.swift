import EventCore
import Exchanges
import Sagas
import Settings

extension Checkout {
    /// Gives an order that waits for its payment the card that it lost, or another one.
    func pay(
        _ id: Identifier, _ card: CardDetails, _ wait: Wait, _ access: ObjectAccess?, _ claim: RepeatClaim?
    ) async throws(Refusal) -> Reply.Outcome {
        guard let saga = Identifier("checkout-\(id)") else { throw Checkout.unknown }
        if let known = claim?.known {
            // Orders that wait for their payment have one status.
            return try await paid(
                Acceptance(order: id, version: known.version, status: OrderState.paymentPending.apiStatus, saga: saga), wait, claim)
        }
        // Before the order is looked at: one that is settled in between takes its card along, this one too.
        var order = try await order(id, access)
        try order.mustWaitForPayment()
        guard cards.put(card, for: id) else { throw Checkout.full }
        do throws(Refusal) {
            order = try await self.order(id, access)
            try order.mustWaitForPayment()
            if let claim {
                let accepted = Accepted(aggregateId: id, version: order.version, eventIds: [])
                guard case .accepted = try await log.ask(.remember(accepted), repeatKey: claim.key) else {
                    throw Refusal(.requestInProgress, "the first request with this idempotency key has just ended", retryAfterMS: 1000)
                }
            }
        } catch {
            cards.remove(id)
            throw error
        }
        sagas.wake(saga)
        let acceptance = Acceptance(order: id, version: order.version, status: order.state?.apiStatus, saga: saga)
        return try await paid(acceptance, wait, claim)
    }

    private func paid(_ acceptance: Acceptance, _ wait: Wait, _ claim: RepeatClaim?) async throws(Refusal) -> Reply.Outcome {
        try await ending(of: acceptance, wait, claim) { order throws(Refusal) in try order.body(of: acceptance.order, at: .now()) }
    }

    func cancel(
        _ id: Identifier, _ reason: String, _ expected: ExpectedVersion, _ wait: Wait, _ metadata: Metadata,
        _ access: ObjectAccess?, _ claim: RepeatClaim?
    ) async throws(Refusal) -> Reply.Outcome {
        if let known = claim?.known, let saga = Identifier("cancel-\(id)") {
            return try await cancelled(Acceptance(order: id, accepted: [known], saga: saga), wait, claim)
        }
        let order = try await order(id, access)
        guard expected.admits(order.version) else { throw Refusal(.versionConflict, "the aggregate has another version") }
        let (saga, started) = try sagas.start("cancel-order", order: id)
        let commands: [Command] = [.order(id, .requestCancellation(reason: reason))]
        // What the order has become meanwhile is looked at again, by who decides.
        let accepted = try await execute(commands + started, metadata, access, claim)
        return try await cancelled(Acceptance(order: id, accepted: accepted, saga: saga), wait, claim)
    }

    private func cancelled(
        _ acceptance: Acceptance, _ wait: Wait, _ claim: RepeatClaim?
    ) async throws(Refusal) -> Reply.Outcome {
        var acceptance = acceptance
        let id = acceptance.order
        acceptance.status = OrderState.cancellationPending.apiStatus
        acceptance.state = OrderState.cancellationPending.name
        return try await ending(of: acceptance, wait, claim) { order throws(Refusal) in try order.body(of: id, at: .now()) }
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
