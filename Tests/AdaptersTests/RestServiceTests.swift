@testable import Adapters
import EventCore
import Exchanges
import Settings
import Synchronization
import Testing

/// Payment, shipping and email behind JSON: the same orders, the same answers.
@Suite struct RestServiceTests {
    private static let settings = {
        var settings = CheckoutSettings()
        settings.payment.cluster = "bank"
        settings.payment.form = .rest(path: "/charges", quote: nil)
        settings.payment.undo = "/refunds"
        settings.shipping.form = .rest(path: "/shipments", quote: "/quotes")
        settings.email.form = .rest(path: "/letters", quote: nil)
        return settings
    }()

    private static func json(_ text: String, _ status: UInt32 = 200) -> OutboundAnswer {
        .answered(status: status, message: "", body: Array(text.utf8))
    }

    private static func services(_ call: OutboundCall) -> OutboundAnswer? {
        switch call.method {
        case "/charges": json(#"{"transactionId":"t-1"}"#, 201)
        case "/quotes": json(#"{"cost_usd":{"currency_code":"USD","units":"8","nanos":990000000}}"#)
        case "/shipments": json(#"{"trackingId":"AB-1","more":[1,2]}"#)
        case "/letters": json("", 204)
        default: nil
        }
    }

    @Test func anOrderGoesThrough() async throws {
        let rig = try Rig(Self.settings) { Self.services($0) }
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let answer = try #require(await rig.place(.required(milliseconds: 300_000))?.answered)
        #expect(answer.body.contains(#""shippingTrackingId":"AB-1""#) && answer.body.contains(#""units":"7","nanos":952233525"#))
        let charge = try #require(rig.shop.calls(of: "/charges").first)
        #expect(charge.cluster == "bank" && charge.fields.first?.name == "idempotency-key")
        #expect(
            String(decoding: charge.body, as: UTF8.self)
                == #"{"amount":{"currencyCode":"EUR","units":"25","nanos":634674923},"creditCard":{"creditCardNumber":"4432801561520454","creditCardCvv":672,"creditCardExpirationYear":2030,"creditCardExpirationMonth":1}}"#)
        guard case .http(verb: let verb, path: let path, contentType: let type) = charge.form else { return #expect(Bool(false)) }
        #expect(verb == "POST" && path == "/charges" && type == "application/json")
        let parcel = try #require(rig.shop.calls(of: "/shipments").first)
        #expect(
            String(decoding: parcel.body, as: UTF8.self)
                == #"{"address":{"streetAddress":"1600 Amphitheatre Parkway","city":"Mountain View","state":"CA","country":"USA","zipCode":94043},"items":[{"productId":"OLJCESPC7Z","quantity":1}]}"#)
        #expect(rig.shop.calls(of: "/letters").count == 1)
    }

    @Test(arguments: [
        (402, #"{"title":"Payment Required","detail":"no money"}"#, "refused", "no money"),
        (422, #"{"error":"odd"}"#, "refused", "odd"), (400, "<html>", "refused", "HTTP status 400"),
        (429, "", "unknown", "HTTP status 429"), (503, "", "unknown", "HTTP status 503"), (500, "", "unknown", "HTTP status 500"),
        (408, "", "unknown", "HTTP status 408"), (302, "", "unknown", "HTTP status 302"),
        (200, "{}", "unknown", "the answer cannot be read"), (200, "[", "unknown", "the answer cannot be read"),
        (200, #"{"transactionId":5}"#, "unknown", "the answer cannot be read"),
    ])
    func whatAStatusMeans(_ status: UInt32, _ body: String, _ kind: String, _ reason: String) async throws {
        let rig = try Rig(Self.settings) { $0.method == "/charges" ? Self.json(body, status) : Self.services($0) }
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        _ = await rig.place(.preferred(milliseconds: 300_000))
        let result = try #require(rig.sagas.results.withLock { $0.dropFirst().first })
        #expect(result.kind == kind && result.failure?.reason == reason)
    }

    @Test func aQuoteMustBeOne() {
        func quote(_ text: String) -> Money? { ServiceJSON.quote(in: Array(text.utf8)) }
        #expect(quote(#"{"costUsd":{"currencyCode":"USD","units":8}}"#) == Money(currency: "USD", units: 8))
        #expect(quote(#"{"costUsd":{}}"#) == Money(currency: ""))
        #expect(quote(#"{"costUsd":{"units":"1.5"}}"#) == nil && quote(#"{"costUsd":{"nanos":4294967296}}"#) == nil)
        #expect(quote(#"{"costUsd":7}"#) == nil && quote("{}") == nil && quote("") == nil)
    }
}
