import EventCore
import Exchanges
import Testing

func usd(_ units: Int64, _ nanos: Int32 = 0) -> Money { Money(currency: "USD", units: units, nanos: nanos) }

private func at(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }

/// Two sunglasses and shipping.
func sunglasses(email: String = "someone@example.com") throws -> PricedOrder {
    let line = OrderLine(
        product: try #require(Identifier("OLJCESPC7Z")), name: "Sunglasses", category: "accessories", quantity: 2,
        cost: usd(19, 990_000_000))
    let address = PostalAddress(street: "Main \"St\" 1", city: "Mountain View", state: "CA", country: "US", zipCode: 94043)
    return PricedOrder(
        user: Identifier("u"), email: email, address: address, currency: "USD", lines: [line],
        shippingCost: usd(8, 990_000_000), total: usd(48, 970_000_000), card: CardReference(lastFour: "1111", token: "tok"))
}

/// An order that does as it is told.
struct Told {
    var order = Order()
    var now = at(1000)

    /// `ok` with the types of the events, or the code of the refusal.
    mutating func ask(_ action: OrderAction) -> String {
        do throws(Refusal) {
            let events = try order.decide(action, at: now)
            for event in events { order.apply(event, at: now) }
            return "ok " + events.map(\.type).joined(separator: " ")
        } catch {
            return error.outcome.code.name.description
        }
    }

    /// Asks all of them, each of which must cause an event.
    mutating func walk(_ actions: [OrderAction]) {
        for action in actions {
            let said = ask(action)
            #expect(said.hasPrefix("ok ") && said != "ok ", "\(action): \(said)")
        }
    }

    var body: String {
        guard let id = Identifier("o-7"), let body = try? order.body(of: id, at: now) else { return "nothing" }
        return String(decoding: body, as: UTF8.self)
    }
}

let refused = Failure(reason: "Credit card info is invalid", grpcCode: 400)

@Suite struct OrderTests {
    @Test func goesFromPlacedToCompleted() throws {
        var told = Told()
        let way: [(OrderAction, OrderState, String)] = [
            (.place(try sunglasses()), .created, "PENDING"), (.reserveStock(expiresAt: at(2000)), .created, "PENDING"),
            (.requestPayment, .paymentPending, "PENDING"), (.completePayment(transaction: "t"), .paymentAuthorized, "PROCESSING"),
            (.requestShipment, .paymentAuthorized, "PROCESSING"), (.scheduleShipment(tracking: "m"), .paymentAuthorized, "PROCESSING"),
            (.confirm, .confirmed, "COMPLETED"), (.startProcessing, .processing, "COMPLETED"), (.ship, .shipped, "COMPLETED"),
            (.deliver, .delivered, "COMPLETED"), (.complete, .completed, "COMPLETED"),
        ]
        for (action, state, status) in way {
            told.walk([action])
            // Asked again, nothing happens.
            #expect(told.ask(action) == "ok ")
            #expect(told.order.state == state && state.apiStatus.description == status)
        }
        #expect(told.order.version == 11 && told.order.timeline.count == 8)
        #expect(told.order.transaction == "t" && told.order.tracking == "m" && !told.order.refundOwed)
        // The checkout's steps, replayed after a crash, are still as asked.
        for action in [OrderAction.requestPayment, .completePayment(transaction: "t"), .requestShipment, .confirm] {
            #expect(told.ask(action) == "ok ")
        }
    }

    @Test func threeVocabulariesForEveryState() {
        let index = OrderState.allCases.map { "\($0.name) \($0.apiStatus) \($0.indexStatus)" }
        #expect(
            index == [
                "Created PENDING PLACED", "PaymentPending PENDING PLACED", "PaymentAuthorized PROCESSING PROCESSING",
                "Confirmed COMPLETED COMPLETED", "Processing COMPLETED COMPLETED", "Shipped COMPLETED COMPLETED",
                "Delivered COMPLETED COMPLETED", "Completed COMPLETED COMPLETED", "CancellationPending PROCESSING PROCESSING",
                "Cancelled FAILED FAILED", "Failed FAILED FAILED",
            ])
        let cancellable = OrderState.allCases.filter { $0.next.contains(.cancellationPending) }
        #expect(cancellable == [.created, .paymentPending, .paymentAuthorized, .confirmed])
    }

    @Test func aRefusedCardFailsTheOrder() throws {
        var told = Told()
        told.walk([.place(try sunglasses()), .requestPayment, .failPayment(refused)])
        #expect(told.order.state == .paymentPending)
        told.walk([.fail(refused)])
        #expect(told.order.state == .failed && told.order.failure == refused && !told.order.refundOwed)
        #expect(told.body.contains(#""status":"FAILED","state":"Failed","reason":"Credit card info is invalid""#))
        #expect(told.ask(.confirm) == "ILLEGAL_STATE")
        #expect(told.ask(.requestPayment) == "ILLEGAL_STATE")
    }

    /// While the payment service is out the order waits, and the customer may give the card again.
    @Test func paymentMayBeTriedAgain() throws {
        var told = Told()
        told.walk([.place(try sunglasses()), .requestPayment, .failPayment(Failure(reason: "no answer", grpcCode: 14))])
        #expect(told.ask(.failPayment(refused)) == "ok ")
        told.walk([.requestPayment, .completePayment(transaction: "t")])
        #expect(told.ask(.failPayment(refused)) == "ILLEGAL_STATE")
        #expect(told.order.state == .paymentAuthorized)
    }

    /// SPEC F-4.
    @Test func aLateSuccessAfterFailureIsRecordedAndOwed() throws {
        for end in [[OrderAction.fail(refused)], [.requestCancellation(reason: "")], [.requestCancellation(reason: ""), .cancel]] {
            var told = Told()
            told.walk([.place(try sunglasses()), .requestPayment])
            told.walk(end)
            let state = told.order.state
            #expect(!told.order.refundOwed)
            #expect(told.ask(.completePayment(transaction: "late")) == "ok PaymentCompleted")
            #expect(told.ask(.completePayment(transaction: "late")) == "ok ")
            #expect(told.order.state == state && told.order.refundOwed && told.order.transaction == "late")
            #expect(told.body.contains(#""refundOwed":true"#))
            #expect(told.ask(.failRefund(Failure(reason: "there are no refunds"))) == "ok PaymentRefundFailed")
            #expect(told.order.refundOwed && told.order.payment.refundFailure != nil)
            #expect(told.ask(.refundPayment(transaction: "late")) == "ok PaymentRefunded")
            #expect(told.ask(.refundPayment(transaction: "late")) == "ok ")
            #expect(!told.order.refundOwed && told.order.payment.refundFailure == nil)
            // Reported once more, it is the same money.
            #expect(told.ask(.completePayment(transaction: "late")) == "ok " && !told.order.refundOwed)
            #expect(told.ask(.failRefund(refused)) == "ILLEGAL_STATE")
        }
    }

    /// A try that was given up for lost succeeds after another has: one of the two charges is owed.
    @Test func aSecondChargeIsOwed() throws {
        var told = Told()
        told.walk([.place(try sunglasses()), .requestPayment, .completePayment(transaction: "1"), .confirm])
        #expect(told.ask(.refundPayment(transaction: "1")) == "ILLEGAL_STATE")
        told.walk([.completePayment(transaction: "2")])
        #expect(told.order.refundOwed && told.order.state == .confirmed)
        told.walk([.refundPayment(transaction: "1")])
        #expect(!told.order.refundOwed && told.order.transaction == "2")
        #expect(told.ask(.refundPayment(transaction: "2")) == "ILLEGAL_STATE")
        for i in 3...OrderPayment.mostCharges { told.walk([.completePayment(transaction: "\(i)")]) }
        #expect(told.ask(.completePayment(transaction: "more")) == "ILLEGAL_STATE")
    }

    @Test func aCheckoutIsUndoneBeforeOrAfterItHasFailed() throws {
        let paid: [OrderAction] = [
            .place(try sunglasses()), .reserveStock(expiresAt: at(2000)), .requestPayment, .completePayment(transaction: "t"),
            .requestShipment, .failShipment(Failure(reason: "closed", grpcCode: 14)),
        ]
        var told = Told()
        told.walk(paid + [.refundPayment(transaction: "t"), .releaseStock, .fail(refused)])
        #expect(!told.order.refundOwed && told.order.stock == .released(until: at(2000)))
        told = Told()
        told.walk(paid + [.fail(refused)])
        #expect(told.order.refundOwed)
        told.walk([.releaseStock, .refundPayment(transaction: "t")])
        #expect(!told.order.refundOwed)
        // What was given back pays for nothing.
        told = Told()
        told.walk(paid + [.refundPayment(transaction: "t")])
        #expect(told.ask(.confirm) == "ILLEGAL_STATE" && told.ask(.requestPayment) == "ILLEGAL_STATE")
    }

    @Test func aShipmentMaySucceedLate() throws {
        var told = Told()
        told.walk([.place(try sunglasses()), .requestPayment, .completePayment(transaction: "t"), .requestShipment])
        told.walk([.failShipment(Failure(reason: "no answer")), .requestShipment, .fail(refused)])
        #expect(told.ask(.requestShipment) == "ILLEGAL_STATE" && !told.order.isShipmentToBeStopped)
        #expect(told.ask(.scheduleShipment(tracking: "m")) == "ok ShipmentScheduled")
        #expect(told.ask(.scheduleShipment(tracking: "m")) == "ok ")
        #expect(told.ask(.scheduleShipment(tracking: "n")) == "ILLEGAL_STATE")
        #expect(told.order.isShipmentToBeStopped && told.order.tracking == "m")
    }

    @Test func stockMayBeReservedAnewAndIsReleasedOnce() throws {
        var told = Told()
        told.walk([.place(try sunglasses()), .reserveStock(expiresAt: at(1100)), .requestPayment])
        #expect(told.ask(.failStock(refused)) == "ILLEGAL_STATE")
        told.walk([.reserveStock(expiresAt: at(1200))])
        told.now = at(1200)
        told.walk([.failStock(Failure(reason: "sold out"))])
        #expect(told.ask(.releaseStock) == "ok ")
        told.walk([.reserveStock(expiresAt: at(1300)), .releaseStock])
        #expect(told.ask(.reserveStock(expiresAt: at(1300))) == "ok ")
        #expect(told.ask(.releaseStock) == "ok ")
    }

    @Test func cancellingEndsWhereItMay() throws {
        let way: [OrderAction] = [
            .place(try sunglasses()), .requestPayment, .completePayment(transaction: "t"), .confirm, .startProcessing, .ship,
            .deliver, .complete,
        ]
        for steps in 1...way.count {
            var told = Told()
            told.walk(Array(way[..<steps]))
            #expect(told.ask(.cancel) == "ILLEGAL_STATE")
            guard steps <= 4 else {
                #expect(told.ask(.requestCancellation(reason: "late")) == "ILLEGAL_STATE")
                #expect(told.ask(.fail(refused)) == "ILLEGAL_STATE")
                continue
            }
            told.walk([.requestCancellation(reason: "dear")])
            #expect(told.ask(.requestCancellation(reason: "again")) == "ok ")
            #expect(told.ask(.confirm) == "ILLEGAL_STATE")
            #expect(told.ask(.fail(refused)) == "ok ")
            #expect(told.order.refundOwed == (steps > 2))
            told.walk([.cancel])
            #expect(told.body.contains(#""status":"FAILED","state":"Cancelled","reason":"dear""#))
        }
    }

    @Test func refusesWhatIsNoOrder() throws {
        let good = try sunglasses()
        func said(_ change: (inout PricedOrder) -> Void) -> String {
            var (order, told) = (good, Told())
            change(&order)
            return told.ask(.place(order))
        }
        #expect(said { _ in } == "ok OrderPlaced")
        #expect(said { $0.total = usd(48, 970_000_001) } == "VALIDATION_ERROR")
        #expect(said { $0.lines[0].quantity = 0 } == "VALIDATION_ERROR")
        #expect(said { $0.lines[0].quantity = -1 } == "VALIDATION_ERROR")
        #expect(said { $0.lines[0].cost.currency = "EUR" } == "VALIDATION_ERROR")
        #expect(said { $0.lines[0].cost = usd(-1) } == "VALIDATION_ERROR")
        #expect(said { $0.lines[0].cost = usd(.max) } == "VALIDATION_ERROR")
        #expect(said { $0.lines[0].name = String(repeating: "x", count: 513) } == "VALIDATION_ERROR")
        #expect(said { $0.email = String(repeating: "x", count: 513) } == "VALIDATION_ERROR")
        #expect(said { $0.card.lastFour = "41111" } == "VALIDATION_ERROR")
        #expect(said { $0.lines = Array(repeating: $0.lines[0], count: 501) } == "VALIDATION_ERROR")
        // As in the legacy shop: nobody's, nothing, at no price.
        #expect(
            said {
                $0 = PricedOrder(
                    user: nil, email: "", address: $0.address, currency: "", lines: [], shippingCost: Money(currency: ""),
                    total: Money(currency: ""), card: $0.card)
            } == "ok OrderPlaced")
    }

    @Test func thereIsOneOrderUnderAnId() throws {
        var told = Told()
        for action in [OrderAction.requestPayment, .completePayment(transaction: "t"), .confirm, .fail(refused), .cancel, .ship] {
            #expect(told.ask(action) == "NOT_FOUND")
        }
        #expect(told.body == "nothing" && told.order.state == nil && !told.order.refundOwed)
        told.walk([.place(try sunglasses())])
        #expect(told.ask(.place(try sunglasses())) == "ok ")
        #expect(told.ask(.place(try sunglasses(email: "other@example.com"))) == "ILLEGAL_STATE")
        #expect(told.ask(.completePayment(transaction: "t")) == "ILLEGAL_STATE")
        #expect(told.ask(.failPayment(refused)) == "ILLEGAL_STATE")
    }

    @Test func keepsNoMoreThanItMayOfWhatOthersSay() throws {
        var told = Told()
        told.walk([.place(try sunglasses()), .requestPayment])
        let long = String(repeating: "ä", count: 600)
        told.walk([.failPayment(Failure(reason: "x" + long))])
        guard case .failed(let failure) = told.order.payment.attempt else {
            Issue.record("it has not failed")
            return
        }
        // Not within a character.
        #expect(failure.reason.utf8.count == 1023)
        told.walk([.completePayment(transaction: long)])
        #expect(told.order.transaction?.utf8.count == 512)
        #expect(told.ask(.completePayment(transaction: long)) == "ok ")
        told.walk([.refundPayment(transaction: long)])
    }

    @Test func answersAsJSON() throws {
        var told = Told()
        told.walk([.place(try sunglasses()), .requestPayment])
        told.now = at(1001)
        told.walk([.completePayment(transaction: "t"), .requestShipment, .scheduleShipment(tracking: "m")])
        #expect(
            told.body
                == #"{"orderId":"o-7","status":"PROCESSING","state":"PaymentAuthorized","items":[{"productId":"OLJCESPC7Z","name":"Sunglasses","category":"accessories","quantity":2,"cost":{"currencyCode":"USD","units":"19","nanos":990000000}}],"shippingCost":{"currencyCode":"USD","units":"8","nanos":990000000},"total":{"currencyCode":"USD","units":"48","nanos":970000000},"currency":"USD","shippingAddress":{"streetAddress":"Main \"St\" 1","city":"Mountain View","state":"CA","country":"US","zipCode":94043},"email":"so***@example.com","card":{"lastFour":"1111"},"paymentTransactionId":"t","shippingTrackingId":"m","refundOwed":false,"timeline":[{"state":"Created","at":"1970-01-01T00:16:40.000000Z"},{"state":"PaymentPending","at":"1970-01-01T00:16:40.000000Z"},{"state":"PaymentAuthorized","at":"1970-01-01T00:16:41.000000Z"}],"version":5}"#)
    }

    @Test(arguments: [
        ("someone@example.com", "so***@example.com"), ("a@b", "a***@b"), ("@b", "***@b"), ("", ""), ("nobody", "no***"),
        ("a@b@c", "a@***@c"), ("äöü@x", "äö***@x"),
    ])
    func masksTheEmail(_ email: String, _ masked: String) throws {
        var told = Told()
        told.walk([.place(try sunglasses(email: email))])
        #expect(told.body.contains("\"email\":\"\(masked)\""))
    }
}
