import EventCore
import Exchanges
import Testing

private func at(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }

private func stored(_ event: OrderEvent, at time: Timestamp) -> Event {
    Event(id: EventId(high: 0, low: 0), type: event.type, timestamp: time, payload: event.payload, metadata: Metadata())
}

/// What an order's events say of its money, kept by somebody who knows nothing else.
private struct Till {
    var taken: Set<String> = []
    var givenBack: Set<String> = []
    var isGivenUp = false

    mutating func note(_ event: OrderEvent) {
        switch event {
        case .paymentCompleted(let transaction): taken.insert(transaction)
        case .paymentRefunded(let transaction): givenBack.insert(transaction)
        case .failed, .cancellationRequested: isGivenUp = true
        default: break
        }
    }

    var owes: Bool { taken.subtracting(givenBack).count > (isGivenUp ? 0 : 1) }
}

@Suite struct OrderModelTests {
    private func anything(_ random: inout SystemRandomNumberGenerator) throws -> OrderAction {
        let failure = [refused, Failure(reason: ""), Failure(reason: "x\n\"", grpcCode: .max, originalEventId: EventId(high: 1, low: .max))]
            .randomElement(using: &random) ?? refused
        let transaction = ["a", "b", "c", ""].randomElement(using: &random) ?? "a"
        switch Int.random(in: 0..<26, using: &random) {
        case 0, 1: return .place(try sunglasses(email: Bool.random(using: &random) ? "a@b" : "c@d"))
        case 2, 3: return .requestPayment
        case 4, 5: return .completePayment(transaction: transaction)
        case 6: return .failPayment(failure)
        case 7: return .refundPayment(transaction: transaction)
        case 8: return .failRefund(failure)
        case 9: return .requestShipment
        case 10: return .scheduleShipment(tracking: transaction)
        case 11: return .failShipment(failure)
        case 12: return .reserveStock(expiresAt: at(1000 + .random(in: 0...40, using: &random)))
        case 13: return .failStock(failure)
        case 14: return .releaseStock
        case 15, 16: return .confirm
        case 17: return Int.random(in: 0..<4, using: &random) == 0 ? .fail(failure) : .requestPayment
        case 18: return Int.random(in: 0..<4, using: &random) == 0 ? .requestCancellation(reason: "r") : .confirm
        case 19: return .cancel
        case 20: return .startProcessing
        case 21: return .ship
        case 22: return .deliver
        case 24, 25: return .takeStock
        default: return .complete
        }
    }

    /// Whatever is asked in whatever order: the machine holds, what was just done is not done again, money that is
    /// owed is what the till says, and the stored payloads replayed give what memory had, across snapshots.
    @Test func anySequenceKeepsTheMachineAndReplays() throws {
        var random = SystemRandomNumberGenerator()
        var ends: Set<OrderState> = []
        let schemas = try eventSchemas(orderEventTypes)
        for _ in 0..<1500 {
            var (order, replayed, till) = (Order(), Order(), Till())
            var actions: [OrderAction] = []
            for step in 0..<60 {
                let now = at(1000 + Int64(step))
                let action = try anything(&random)
                actions.append(action)
                let before = order.timeline
                guard let events = try? order.decide(action, at: now) else { continue }
                for event in events {
                    order.apply(event, at: now)
                    till.note(event)
                    #expect(schemas.violations(ofType: event.type, version: 1, payload: event.payload.span) == [])
                    replayed.apply(try #require(OrderEvent(stored(event, at: now))), at: now)
                    #expect(replayed == order, "\(actions)")
                }
                #expect(try order.decide(action, at: now) == [], "\(actions)")
                #expect(order.refundOwed == till.owes && order.payment.held == till.taken.subtracting(till.givenBack).count, "\(actions)")
                #expect(order.timeline.starts(with: before))
                for (one, next) in zip(order.timeline, order.timeline.dropFirst()) {
                    #expect(one.state.next.contains(next.state) && one.at <= next.at, "\(actions)")
                }
                if Int.random(in: 0..<8, using: &random) == 0 {
                    let snapshot = try #require(replayed.snapshot())
                    #expect(Order(snapshot: snapshot.span, version: replayed.version + 1) == nil)
                    let again = Order(snapshot: snapshot.span, version: replayed.version)
                    replayed = try #require(again)
                    #expect(replayed == order, "\(actions)")
                }
            }
            if let state = order.state { ends.insert(state) }
        }
        // The walk comes everywhere; a model that never leaves home proves little.
        #expect(ends.count >= 9, "\(ends)")
    }

    /// A fold is total: events that no order would have decided give a state too, and never one off the machine.
    @Test func anyEventsFold() throws {
        var random = SystemRandomNumberGenerator()
        let events: [OrderEvent] = [
            .placed(try sunglasses()), .placed(try sunglasses(email: "")), .paymentRequested, .paymentCompleted(transaction: "a"),
            .paymentFailed(refused), .paymentRefunded(transaction: "a"), .refundFailed(refused), .shipmentRequested,
            .shipmentScheduled(tracking: "m"), .shipmentFailed(refused), .stockReserved(until: at(9)), .stockUnavailable(refused),
            .stockTaken, .stockReleased, .confirmed, .failed(refused), .cancellationRequested(reason: "r"), .cancelled, .processing, .shipped,
            .delivered, .completed,
        ]
        for _ in 0..<300 {
            var order = Order()
            for i in 0..<200 {
                var event = events.randomElement(using: &random) ?? .confirmed
                if case .paymentCompleted = event { event = .paymentCompleted(transaction: "\(Int.random(in: 0..<40, using: &random))") }
                order.apply(event, at: at(Int64(i)))
            }
            for (one, next) in zip(order.timeline, order.timeline.dropFirst()) { #expect(one.state.next.contains(next.state)) }
            #expect(order.version == 200 && order.payment.charges.count <= OrderPayment.mostCharges)
            let snapshot = try #require(order.snapshot())
            #expect(Order(snapshot: snapshot.span, version: 200) == order)
        }
    }

    /// What the rules let through, the schema of its event does too.
    @Test func theLargestOrderIsStored() throws {
        let text = String(repeating: "\u{1}\"ä", count: PricedOrder.longestText / 4)
        var order = try sunglasses(email: text)
        order.address = PostalAddress(street: text, city: text, state: text, country: text, zipCode: .min)
        order.currency = String(repeating: "X", count: Money.longestCurrency)
        order.card.token = text
        func amount(_ units: Int64, _ nanos: Int32) -> Money { Money(currency: order.currency, units: units, nanos: nanos) }
        let id = try #require(Identifier(String(repeating: "\"", count: Identifier.longest)))
        order.lines = Array(
            repeating: OrderLine(product: id, name: text, category: text, quantity: .max, cost: amount(4_000_000, 999_999_999)),
            count: Order.mostLines)
        order.shippingCost = amount(0, 0)
        order.total = try #require(order.sum)
        var told = Told()
        told.walk([.place(order)])
        let event = OrderEvent.placed(order)
        let payload = event.payload
        #expect(try eventSchemas(["OrderPlaced"]).violations(ofType: "OrderPlaced", version: 1, payload: payload.span) == [])
        #expect(OrderEvent(stored(event, at: at(1))) == event)
        #expect(payload.count < 2 << 20)
    }

    @Test func doesNotReadWhatItDoesNotKnow() throws {
        func event(_ type: String, _ payload: String, schemaVersion: UInt32 = 1) -> OrderEvent? {
            OrderEvent(
                Event(
                    id: EventId(high: 0, low: 0), type: type, timestamp: .now(), schemaVersion: schemaVersion,
                    payload: Array(payload.utf8), metadata: Metadata()))
        }
        #expect(event("PaymentCompleted", #"{"transactionId":"t","later":true}"#) == .paymentCompleted(transaction: "t"))
        #expect(event("PaymentCompleted", #"{"transactionId":1}"#) == nil)
        #expect(event("PaymentFailed", #"{"reason":"r","grpcCode":-1}"#) == .paymentFailed(Failure(reason: "r")))
        #expect(event("PaymentFailed", "{}") == nil)
        #expect(event("OrderConfirmed", "{}", schemaVersion: 2) == nil)
        #expect(event("OrderConfirmed", "[]") == nil && event("OrderConfirmed", "") == nil)
        #expect(event("OrderLost", "{}") == nil)
        #expect(event("InventoryReserved", #"{"expiresAt":"2026-03-01T09:45:00Z"}"#) == nil)
        let placed = OrderEvent.placed(try sunglasses())
        let text = String(decoding: placed.payload, as: UTF8.self)
        #expect(event("OrderPlaced", text) == placed)
        // Every member is needed, but the user.
        for (from, to) in [
            ("\"email\"", "\"mail\""), ("\"zipCode\":94043", "\"zipCode\":4294967296"), ("\"quantity\":2", "\"quantity\":\"\""),
            ("\"nanos\":970000000", "\"nanos\":1970000000"), ("\"units\":\"8\"", "\"units\":\"-8\""), ("\"token\"", "\"t\""),
            ("\"items\":[{", "\"items\":[1,{"),
        ] {
            let ranges = text.ranges(of: from)
            #expect(ranges.count == 1, "\(from)")
            #expect(event("OrderPlaced", text.replacing(from, with: to)) == nil, "\(to)")
        }
    }

    @Test func unreadableSnapshotsAreNotRead() throws {
        var told = Told()
        told.walk([.place(try sunglasses()), .requestPayment])
        let text = String(decoding: try #require(told.order.snapshot()), as: UTF8.self)
        func read(_ text: String) -> Order? { Order(snapshot: text.utf8Span.span, version: 2) }
        #expect(read(text) == told.order)
        #expect(read("") == nil && read("[]") == nil && read("{}") == nil && read(String(text.dropLast())) == nil)
        #expect(read(text.replacing("PaymentPending", with: "Lost")) == nil)
        #expect(read(text.replacing("\"is\":\"requested\"", with: "\"is\":\"asked\"")) == nil)
    }
}
