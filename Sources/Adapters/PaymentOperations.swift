import EventCore
import Exchanges
import Sagas
import Settings

/// `payment.charge`: takes the order's total from the customer's card.
struct ChargePayment: StepOperation {
    let name = "payment.charge"
    let services: ShopServices
    let cards: CardVault
    var isIdempotent: Bool { services.payment.settings.isIdempotent }

    func announce(_ context: StepContext) -> [Command] { [.order(context.order, .requestPayment)] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let order = context.state.priced else { return .refused(Failure(reason: "the order was never placed"), []) }
        if context.state.payment.held > 0 { return .done([]) }
        guard let card = cards.card(of: context.order) else {
            return .missing("the card is not in memory any more: the customer has to give it again")
        }
        do throws(ServiceFault) {
            let transaction = try await services.charge(order.total, card, context.frame)
            return .done([.order(context.order, .completePayment(transaction: ShownText.without(card, transaction)))])
        } catch {
            var failure = error.failure
            failure.reason = ShownText.without(card, failure.reason)
            guard error.kind == .refused else { return error.result() }
            return .refused(failure, [.order(context.order, .failPayment(failure))])
        }
    }

    /// Without it the order would not know that it is paid, and could not be confirmed.
    func settled(_ context: StepContext, note: String?) -> [Command] {
        guard context.state.payment.held == 0 else { return [] }
        return [.order(context.order, .completePayment(transaction: context.reference(note)))]
    }
}

/// `payment.refund`: gives back what was taken.
struct RefundPayment: StepOperation {
    let name = "payment.refund"
    let services: ShopServices
    let log: EventLog
    var isIdempotent: Bool { services.payment.settings.isIdempotent }

    func announce(_ context: StepContext) -> [Command] { [] }

    func perform(_ context: StepContext) async -> StepResult {
        guard let order = context.state.priced else { return .done([]) }
        let owed = context.state.payment.charges.filter { !$0.isRefunded }
        guard !owed.isEmpty else { return unknown(context, order) }
        var given: [Command] = []
        for charge in owed {
            var frame = context.frame
            // Two charges of one order are two things to undo.
            if owed.count > 1 { frame.key = context.key + "/" + charge.transaction }
            do throws(ServiceFault) {
                guard try await services.refund(charge.transaction, order.total, frame) else {
                    return .manual(
                        "give back \(order.total.shown) of order \(context.order), transaction \(charge.transaction): the payment service has no call for it")
                }
            } catch {
                // What was given back is a fact, also when the rest has to wait.
                if !given.isEmpty { _ = try? await log.execute(given, context.metadata) }
                return error.result(refused: [.order(context.order, .failRefund(error.failure))])
            }
            given.append(.order(context.order, .refundPayment(transaction: charge.transaction)))
        }
        return .done(given)
    }

    /// Given back by hand, all of it.
    func settled(_ context: StepContext, note: String?) -> [Command] {
        context.state.payment.charges.filter { !$0.isRefunded }.map {
            .order(context.order, .refundPayment(transaction: $0.transaction))
        }
    }

    /// Nothing is known to have been taken. A checkout undoes its payment also when nobody knows what came of it;
    /// before an order is cancelled that has been seen to.
    private func unknown(_ context: StepContext, _ order: PricedOrder) -> StepResult {
        guard context.state.payment.attempt == .requested, context.part == .compensation else { return .done([]) }
        return .manual(
            "find out whether \(order.total.shown) of order \(context.order) was taken, and give it back: the payment service has not said")
    }
}

extension StepContext {
    /// What a person calls that which has happened; the call's own key when he does not say. He may say a card's
    /// number as well as a service can.
    func reference(_ note: String?) -> String {
        guard let note, !note.isEmpty else { return key }
        return ShownText.bounded(note)
    }
}

extension Money {
    /// For people.
    var shown: String {
        let digits = String(nanos.magnitude)
        let fraction = String(repeating: "0", count: max(0, 9 - digits.count)) + digits
        var places = fraction.count
        while places > 2, fraction.utf8[fraction.utf8.index(fraction.utf8.startIndex, offsetBy: places - 1)] == 48 { places -= 1 }
        return "\(currency) \(isNegative ? "-" : "")\(units.magnitude).\(fraction.prefix(places))"
    }
}
