@testable import Adapters
import EventCore
import Exchanges
import Sagas
import Settings
import Testing

/// What each step makes of what its service answers.
@Suite struct OperationsTests {
    /// A placed order with its payment asked for, and the context of a step.
    private func placed(_ rig: Rig, _ more: [OrderAction] = [.requestPayment]) async throws -> StepContext {
        try await rig.add("OLJCESPC7Z", 2)
        let id = try #require(await rig.place()?.orderId)
        let order = try #require(Identifier(id))
        for action in more { try await rig.log.execute([.order(order, action)]) }
        return try await context(rig, id)
    }

    private func context(
        _ rig: Rig, _ id: String, step: String = "process-payment", part: SagaPart = .action
    ) async throws -> StepContext {
        StepContext(
            saga: try #require(Identifier("checkout-\(id)")), step: step, part: part, attempt: 1, order: try #require(Identifier(id)),
            state: try await rig.order(id), timeoutMS: 300_000, metadata: Metadata(correlationId: "c-1"))
    }

    private func perform(_ name: String, _ rig: Rig, _ context: StepContext) async throws -> StepResult {
        await (try #require(rig.operations[name])).perform(context)
    }

    @Test func everyNameIsThere() throws {
        let rig = try Rig()
        defer { rig.close() }
        #expect(
            rig.operations.names == [
                "cart.empty", "email.confirm", "inventory.release", "inventory.reserve", "order.verify-cart", "payment.charge",
                "payment.refund", "shipping.cancel", "shipping.ship",
            ])
        #expect(rig.operations["payment.charge"]?.isIdempotent == false && rig.operations["email.confirm"]?.isIdempotent == true)
    }

    // MARK: - Charging

    @Test(arguments: [
        (OutboundAnswer.answered(status: 400, message: "no", body: []), "refused", UInt32(400)),
        (.answered(status: 3, message: "no", body: []), "refused", 3), (.answered(status: 9, message: "no", body: []), "refused", 9),
        (.answered(status: 13, message: "no", body: []), "refused", 13), (.answered(status: 7, message: "no", body: []), "refused", 7),
        (.answered(status: 14, message: "no", body: []), "unknown", 14), (.answered(status: 8, message: "no", body: []), "unknown", 8),
        (.answered(status: 4, message: "no", body: []), "unknown", 4), (.answered(status: 1, message: "no", body: []), "unknown", 1),
        (.answered(status: 2, message: "no", body: []), "unknown", 2), (.ok([0x0a, 0x7f]), "unknown", 13),
        (.unreachable, "unavailable", 14), (.lost, "unknown", 14),
        (.failed(Outcome(.deadline, "too late"), mayHaveRun: true), "unknown", 4),
    ])
    func whatAnAnswerOfPaymentMeans(_ answer: OutboundAnswer, _ kind: String, _ code: UInt32) async throws {
        let rig = try Rig { $0.method == "Charge" ? answer : nil }
        defer { rig.close() }
        let context = try await placed(rig)
        let result = try await perform("payment.charge", rig, context)
        #expect(result.kind == kind && result.failure?.grpcCode == code)
        if case .refused(let failure, let commands) = result {
            #expect(commands == [.order(context.order, .failPayment(failure))] && failure.reason == "no")
        }
    }

    @Test func unavailableMayMeanNotDone() async throws {
        var settings = CheckoutSettings()
        settings.payment.unavailable = .notDone
        let rig = try Rig(settings) { $0.method == "Charge" ? .answered(status: 14, message: "later", body: []) : nil }
        defer { rig.close() }
        let result = try await perform("payment.charge", rig, placed(rig))
        #expect(result.kind == "unavailable")
    }

    @Test func aChargeAsksForTheTotalWithTheCard() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let context = try await placed(rig)
        let charge = try #require(rig.operations["payment.charge"])
        #expect(charge.announce(context) == [.order(context.order, .requestPayment)])
        let result = await charge.perform(context)
        guard case .done(let commands) = result else { return #expect(result.kind == "done") }
        #expect(commands == [.order(context.order, .completePayment(transaction: "transaction-1"))])
        let message = Proto(try #require(rig.shop.calls(of: "Charge").first).body)
        let (amount, card) = (Proto(message.bytes(1)), Proto(message.bytes(2)))
        #expect(amount.text(1) == "EUR" && amount.number(2) == 43 && amount.number(3) == 317_116_321)
        #expect(card.text(1) == Cards.good && card.number(2) == 672 && card.number(3) == 2030 && card.number(4) == 1)
        // Done is done: the card goes, and the same again asks nobody.
        try await rig.log.execute(commands)
        #expect(try await rig.cardsAreGone())
        #expect(try await perform("payment.charge", rig, self.context(rig, context.order.description)).kind == "done")
        #expect(rig.shop.calls(of: "Charge").count == 1)
    }

    @Test func aLostCardIsMissing() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let context = try await placed(rig)
        rig.cards.remove(context.order)
        #expect(try await perform("payment.charge", rig, context).kind == "missing")
        #expect(rig.shop.calls(of: "Charge").isEmpty)
    }

    // MARK: - Undoing

    @Test func withoutACallPeopleUndo() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let paid = try await placed(rig, [.requestPayment, .completePayment(transaction: "t-9")])
        guard case .manual(let words) = try await perform("payment.refund", rig, paid) else { return #expect(Bool(false)) }
        #expect(words.contains("EUR 43.317116321") && words.contains("t-9") && words.contains(paid.order.description))
        let id = paid.order.description
        try await rig.log.execute([.order(paid.order, .requestShipment), .order(paid.order, .scheduleShipment(tracking: "AB-1"))])
        guard case .manual(let parcel) = try await perform("shipping.cancel", rig, context(rig, id)) else { return #expect(Bool(false)) }
        #expect(parcel.contains("AB-1"))
    }

    @Test func whereNothingWasDoneThereIsNothingToUndo() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let id = try await placed(rig, []).order.description
        #expect(try await perform("payment.refund", rig, context(rig, id, part: .compensation)).kind == "done")
        #expect(try await perform("shipping.cancel", rig, context(rig, id, step: "schedule-shipment", part: .compensation)).kind == "done")
        #expect(try await perform("inventory.release", rig, context(rig, id, step: "reserve-inventory", part: .compensation)).kind == "done")
        // But what nobody knows somebody has to find out.
        let asked = try await placed(rig).order.description
        #expect(try await perform("payment.refund", rig, context(rig, asked, part: .compensation)).kind == "manual")
        #expect(try await perform("payment.refund", rig, context(rig, asked, step: "refund-payment")).kind == "done")
    }

    @Test func aStepIsUndoneWhateverItIsCalled() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let asked = try await placed(rig).order.description
        #expect(try await perform("payment.refund", rig, context(rig, asked, step: "undo-all")).kind == "done")
        #expect(try await perform("payment.refund", rig, context(rig, asked, step: "pay", part: .compensation)).kind == "manual")
        #expect(try await context(rig, asked, step: "pay", part: .compensation).key == "checkout-\(asked)/undo-pay")
    }

    // MARK: - What people say

    @Test func whoSaysThatItWasChargedTellsTheOrder() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let charge = try #require(rig.operations["payment.charge"])
        let context = try await placed(rig)
        #expect(charge.settled(context, note: "t-7") == [.order(context.order, .completePayment(transaction: "t-7"))])
        #expect(charge.settled(context, note: nil) == [.order(context.order, .completePayment(transaction: context.key))])
        #expect(!"\(charge.settled(context, note: "card \(Cards.good)"))".contains(Cards.good))
        try await rig.log.execute(charge.settled(context, note: "t-7"))
        #expect(try await rig.cardsAreGone())
        #expect(charge.settled(try await self.context(rig, context.order.description), note: "t-8").isEmpty)
    }

    @Test func whoSaysThatItWasShippedOrGivenBackTellsTheOrder() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let paid = try await placed(rig, [.requestPayment, .completePayment(transaction: "t-9"), .requestShipment])
        let ship = try #require(rig.operations["shipping.ship"])
        #expect(ship.settled(paid, note: "AB-1") == [.order(paid.order, .scheduleShipment(tracking: "AB-1"))])
        let refund = try #require(rig.operations["payment.refund"])
        #expect(refund.settled(paid, note: nil) == [.order(paid.order, .refundPayment(transaction: "t-9"))])
        try await rig.log.execute(refund.settled(paid, note: nil))
        #expect(refund.settled(try await context(rig, paid.order.description), note: nil).isEmpty)
    }

    @Test func aDeclaredCallUndoes() async throws {
        var settings = CheckoutSettings()
        settings.payment.undo = "/bank.Payments/Refund"
        settings.shipping.undo = "/carrier.Parcels/Cancel"
        let rig = try Rig(settings) { ["Refund", "Cancel"].contains($0.method) ? .ok([]) : nil }
        defer { rig.close() }
        let paid = try await placed(
            rig, [.requestPayment, .completePayment(transaction: "t-9"), .requestShipment, .scheduleShipment(tracking: "AB-1")])
        guard case .done(let commands) = try await perform("payment.refund", rig, paid) else { return #expect(Bool(false)) }
        #expect(commands == [.order(paid.order, .refundPayment(transaction: "t-9"))])
        let refund = try #require(rig.shop.calls(of: "Refund").first)
        #expect(Proto(refund.body).text(1) == "t-9" && Proto(Proto(refund.body).bytes(2)).number(2) == 43)
        #expect(refund.fields.first?.value == paid.key)
        #expect(try await perform("shipping.cancel", rig, paid).kind == "done")
        #expect(Proto(try #require(rig.shop.calls(of: "Cancel").first).body).text(1) == "AB-1")
    }

    // MARK: - The rest

    @Test func aParcelHoldsWhatWasOrdered() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let context = try await placed(rig, [.requestPayment, .completePayment(transaction: "t"), .requestShipment])
        guard case .done(let commands) = try await perform("shipping.ship", rig, context) else { return #expect(Bool(false)) }
        #expect(commands == [.order(context.order, .scheduleShipment(tracking: "AB-12345-123456789"))])
        let parcel = Proto(try #require(rig.shop.calls(of: "ShipOrder").first).body)
        #expect(Proto(parcel.bytes(1)).text(2) == "Mountain View" && Proto(parcel.bytes(2)).number(2) == 2)
    }

    @Test func theConfirmationSaysWhatWasOrdered() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let context = try await placed(rig, [.requestPayment, .completePayment(transaction: "t"), .requestShipment, .scheduleShipment(tracking: "AB-1")])
        #expect(try await perform("email.confirm", rig, context).kind == "done")
        let message = Proto(try #require(rig.shop.calls(of: "SendOrderConfirmation").first).body)
        let order = Proto(message.bytes(2))
        #expect(message.text(1) == "jane@example.org" && order.text(1) == context.order.description && order.text(2) == "AB-1")
        #expect(Proto(order.bytes(3)).number(2) == 7 && order.all(5).count == 1)
        #expect(try await perform("order.verify-cart", rig, context).kind == "done")
    }

    @Test func aServiceMayDeclareThatRepeatingDoesNoHarm() throws {
        var settings = CheckoutSettings()
        settings.payment.isIdempotent = true
        let rig = try Rig(settings)
        defer { rig.close() }
        #expect(rig.operations["payment.charge"]?.isIdempotent == true && rig.operations["shipping.ship"]?.isIdempotent == false)
    }
}

extension StepResult {
    var kind: String {
        switch self {
        case .done: "done"
        case .refused: "refused"
        case .unavailable: "unavailable"
        case .unknown: "unknown"
        case .manual: "manual"
        case .missing: "missing"
        }
    }

    var failure: Failure? {
        switch self {
        case .refused(let failure, _), .unavailable(let failure), .unknown(let failure): failure
        case .done, .manual, .missing: nil
        }
    }
}
