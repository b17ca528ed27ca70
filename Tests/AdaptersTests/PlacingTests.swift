@testable import Adapters
import EventCore
import Exchanges
import Settings
import Synchronization
import Testing

/// `PlaceOrder` as the legacy shop answered it (LEGACY 4), and as the REST surface does (SPEC 1.1).
@Suite struct PlacingTests {
    static let facade = Patience.required(milliseconds: 300_000)

    @Test func anOrderGoesThrough() async throws {
        let rig = try Rig()
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 2)
        let answer = try #require(await rig.place(Self.facade)?.answered)
        let id = try #require(answer.body.firstMatch(of: /"orderId":"([^"]+)"/)).1
        #expect(id.wholeMatch(of: /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/) != nil)
        #expect(answer.status == 200)
        #expect(
            answer.body == """
                {"order":{"orderId":"\(id)","shippingTrackingId":"AB-12345-123456789","shippingCost":{"currencyCode":"EUR","units":"7","nanos":952233525},\
                "shippingAddress":{"streetAddress":"1600 Amphitheatre Parkway","city":"Mountain View","state":"CA","country":"USA","zipCode":94043},\
                "items":[{"item":{"productId":"OLJCESPC7Z","quantity":2},"cost":{"currencyCode":"EUR","units":"17","nanos":682441398}}]}}
                """)
        let order = try await rig.order(String(id))
        #expect(order.state == .confirmed && order.transaction == "transaction-1" && order.tracking == "AB-12345-123456789")
        #expect(order.priced?.total == Money(currency: "EUR", units: 43, nanos: 317_116_321))
        #expect(order.priced?.lines.first?.name == "Sunglasses" && order.priced?.lines.first?.category == "things")
        #expect(order.priced?.card.lastFour == "0454" && order.priced?.card.token.count == 64)
        // In the legacy's order, but for the cart, which is the core's.
        #expect(rig.shop.methods == ["GetProduct", "Convert", "GetQuote", "Convert", "Charge", "ShipOrder", "SendOrderConfirmation"])
        let charge = try #require(rig.shop.calls(of: "Charge").first)
        #expect(charge.cluster == "payment" && charge.correlationId == "c-1" && charge.traceparent == "00-aa-bb-01")
        #expect(charge.fields.map(\.name) == ["idempotency-key"] && charge.fields.map(\.value) == ["checkout-\(id)/payment.charge"])
        #expect(try #require(rig.shop.calls.first).fields.isEmpty)
        guard case .cart(let cart) = try await rig.log.state(of: AggregateName(kind: .cart, id: Identifier("jane")!)) else { return }
        #expect(cart.items.isEmpty)
    }

    @Test func acceptanceIsToldAtOnce() async throws {
        let rig = try Rig()
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let answer = try #require(await rig.place()?.answered)
        #expect(answer.status == 202)
        let match = try #require(
            answer.body.wholeMatch(of: /\{"orderId":"([^"]+)","version":1,"status":"PENDING","eventIds":\["[0-9a-f-]{36}"\],"sagaId":"checkout-([^"]+)"\}/))
        #expect(match.1 == match.2)
        #expect(answer.fields == "Location: /api/v1/orders/\(match.1)\r\nETag: \"1\"\r\n")
        #expect(rig.cards.count == 1)
    }

    @Test func whoPrefersToWaitGetsTheOrder() async throws {
        let rig = try Rig()
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let answer = try #require(await rig.place(.preferred(milliseconds: 300_000))?.answered)
        #expect(answer.status == 200 && answer.body.contains(#""status":"COMPLETED""#))
        #expect(answer.fields.contains("Location: /api/v1/orders/"))
        // A refused card is an order that failed, no error of the request.
        let refused = try #require(await rig.place(card: Cards.bad, .preferred(milliseconds: 300_000))?.answered)
        #expect(refused.status == 200)
        #expect(refused.body.contains(#""status":"FAILED""#) && refused.body.contains(#""reason":"Credit card info is invalid""#))
    }

    /// One service fails, and what the façade says of it, exactly. Nothing has been ordered where it fails before.
    struct Row: Sendable, CustomTestStringConvertible {
        var method: String
        var answer: OutboundAnswer
        var code: Code
        var grpc: UInt32
        var text: String
        var testDescription: String { "\(method): \(text)" }
    }

    static let away = OutboundAnswer.answered(status: 14, message: "name resolver error", body: [])
    static let rows = [
        Row(
            method: "GetCart", answer: away, code: .upstreamUnavailable, grpc: 13,
            text: "cart failure: failed to get user cart during checkout: rpc error: code = Unavailable desc = name resolver error"),
        Row(
            method: "GetCart", answer: .unreachable, code: .upstreamUnavailable, grpc: 13,
            text: "cart failure: failed to get user cart during checkout: rpc error: code = Unavailable desc = no endpoint can be reached"),
        Row(
            method: "GetProduct", answer: .answered(status: 5, message: "no product with ID X", body: []), code: .illegalState, grpc: 13,
            text: #"failed to prepare order: failed to get product #"OLJCESPC7Z""#),
        Row(
            method: "GetProduct", answer: away, code: .upstreamUnavailable, grpc: 13,
            text: #"failed to prepare order: failed to get product #"OLJCESPC7Z""#),
        Row(
            method: "Convert", answer: .answered(status: 13, message: "x", body: []), code: .badUpstream, grpc: 13,
            text: #"failed to prepare order: failed to convert price of "OLJCESPC7Z" to EUR"#),
        // An amount in another currency than asked for, or none at all, is no answer.
        Row(
            method: "Convert", answer: .ok(Proto.money("USD", 1, 0)), code: .upstreamUnavailable, grpc: 13,
            text: #"failed to prepare order: failed to convert price of "OLJCESPC7Z" to EUR"#),
        Row(
            method: "Convert", answer: .ok([0xff]), code: .upstreamUnavailable, grpc: 13,
            text: #"failed to prepare order: failed to convert price of "OLJCESPC7Z" to EUR"#),
        Row(
            method: "GetQuote", answer: .answered(status: 14, message: "no vans", body: []), code: .upstreamUnavailable, grpc: 13,
            text: "shipping quote failure: failed to get shipping quote: rpc error: code = Unavailable desc = no vans"),
        Row(
            method: "Convert 2", answer: .answered(status: 4, message: "too slow", body: []), code: .upstreamUnavailable, grpc: 13,
            text: "failed to convert shipping cost to currency: failed to convert currency: rpc error: code = DeadlineExceeded desc = too slow"),
    ]

    @Test(arguments: rows) func whatFailsBeforeTheOrder(_ row: Row) async throws {
        let conversions = Mutex(0)
        var settings = CheckoutSettings()
        settings.cart = .cluster("cart")
        let rig = try Rig(settings) { call in
            if call.method == "Convert", row.method == "Convert 2" {
                let count = conversions.withLock { count in
                    count += 1
                    return count
                }
                return count == 2 ? row.answer : nil
            }
            return call.method == row.method ? row.answer : nil
        }
        defer { rig.close() }
        let refusal = try #require(await rig.place(Self.facade)?.refusal)
        #expect(refusal.text == row.text)
        #expect(refusal.outcome.code == row.code && UInt32(refusal.outcome.grpc) == row.grpc)
        #expect(rig.log.feed.head == 0 && rig.cards.count == 0)
        #expect(!rig.shop.methods.contains("Charge") && !rig.shop.methods.contains("EmptyCart"))
    }

    @Test func aRefusedCardKeepsItsNumberAndTheCart() async throws {
        let rig = try Rig()
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let refusal = try #require(await rig.place(card: Cards.bad, Self.facade)?.refusal)
        #expect(refusal.text == "failed to charge card: could not charge the card: rpc error: code = Code(400) desc = Credit card info is invalid")
        #expect(refusal.outcome.code == .internalError)
        guard case .cart(let cart) = try await rig.log.state(of: AggregateName(kind: .cart, id: Identifier("jane")!)) else { return }
        #expect(cart.items.count == 1)
        #expect(try await rig.cardsAreGone())
    }

    @Test func aShipmentThatFailsIsUnavailable() async throws {
        for (answer, words) in [
            (OutboundAnswer.answered(status: 9, message: "no vans", body: []), "rpc error: code = FailedPrecondition desc = no vans"),
            (.answered(status: 14, message: "no vans", body: []), "rpc error: code = Unavailable desc = no vans"),
            (.unreachable, "rpc error: code = Unavailable desc = no endpoint can be reached"),
        ] {
            let rig = try Rig { $0.method == "ShipOrder" ? answer : nil }
            defer { rig.close() }
            try await rig.add("OLJCESPC7Z", 1)
            let refusal = try #require(await rig.place(Self.facade)?.refusal)
            #expect(refusal.text == "shipping error: shipment failed: \(words)")
            #expect(refusal.outcome.code == .upstreamUnavailable && refusal.outcome.grpc == 0)
        }
    }

    @Test func aPaymentServiceThatIsAwayIsWaitedFor() async throws {
        let rig = try Rig { $0.method == "Charge" ? .unreachable : nil }
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let refusal = try #require(await rig.place(Self.facade)?.refusal)
        #expect(refusal.outcome.code == .deadline)
        let id = try #require(refusal.text?.firstMatch(of: /order ([0-9a-f-]{36}) is accepted/)).1
        #expect(try await rig.order(String(id)).state == .paymentPending)
        #expect(rig.cards.count == 1)
        // Who only prefers to wait gets what he had before.
        let accepted = try #require(await rig.place(.preferred(milliseconds: 300_000))?.answered)
        #expect(accepted.status == 202)
    }

    @Test func aMailThatFailsIsNoFailure() async throws {
        let rig = try Rig { $0.method == "SendOrderConfirmation" ? Self.away : nil }
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        #expect(await rig.place(Self.facade)?.answered?.status == 200)
    }

    @Test func whatTheLegacyTookIsTaken() async throws {
        let rig = try Rig()
        defer { rig.close() }
        // An empty cart, of somebody and of nobody.
        for user in ["john", nil] {
            let answer = try #require(await rig.place(user: user, Self.facade)?.answered)
            #expect(answer.body.contains(#""shippingCost":{"currencyCode":"EUR","units":"0","nanos":0}"#) && answer.body.contains(#""items":[]"#))
        }
        // Currencies that nobody knows: priced at 0, which is said.
        try await rig.add("OLJCESPC7Z", 1)
        let odd = try #require(await rig.place(currency: "XYZ", Self.facade)?.answered)
        #expect(odd.body.contains(#""cost":{"currencyCode":"XYZ","units":"0","nanos":0}"#))
        try await rig.add("OLJCESPC7Z", 1)
        let none = try #require(await rig.place(currency: "", Self.facade)?.answered)
        #expect(none.body.contains(#""cost":{"currencyCode":"","units":"0","nanos":0}"#))
    }

    @Test func whatTheLegacyDiedOfIsRefused() async throws {
        var settings = CheckoutSettings()
        settings.cart = .cluster("cart")
        let rig = try Rig(settings) { $0.method == "GetCart" ? .ok(Proto.bytes(2, Proto.item("OLJCESPC7Z", -1))) : nil }
        defer { rig.close() }
        #expect(await rig.place(Self.facade)?.refusal?.outcome.code == .validationError)
        let nowhere = PostalAddress(street: "", city: "", state: "", country: "", zipCode: 0)
        #expect(await rig.place(address: nowhere, Self.facade)?.refusal?.outcome.code == .validationError)
        #expect(rig.shop.methods == ["GetCart"])
    }

    @Test func theLegacyCartIsReadAndEmptied() async throws {
        var settings = CheckoutSettings()
        settings.cart = .cluster("old-cart")
        let rig = try Rig(settings)
        defer { rig.close() }
        #expect(await rig.place(Self.facade)?.answered?.status == 200)
        #expect(rig.shop.methods.first == "GetCart" && rig.shop.methods.last == "EmptyCart")
        #expect(rig.shop.calls(of: "GetCart").first?.cluster == "old-cart")
        // Who has a cart in the core orders that.
        try await rig.add("66VCHSJNUP", 1)
        let answer = try #require(await rig.place(Self.facade)?.answered)
        #expect(answer.body.contains("66VCHSJNUP") && !answer.body.contains("OLJCESPC7Z"))
        #expect(rig.shop.calls(of: "GetCart").count == 1)
    }
}
