import Foundation
import Testing

@testable import Settings

@Suite struct CheckoutSettingsTests {
    static let clusters = """
        clusters:
          cart: { endpoints: "h:1", protocol: http2 }
          catalogue: { endpoints: "h:2", protocol: http2 }
          currency: { endpoints: "h:3", protocol: http2 }
          shipping: { endpoints: "h:4", protocol: http2 }
          payment: { endpoints: "h:5", protocol: http2 }
          email: { endpoints: "h:6", protocol: http2 }
          bank: { endpoints: "h:7" }

        """

    private func read(_ text: String) -> (CheckoutSettings?, [String]) {
        let diagnostics = Diagnostics()
        let configuration = Document.parse(Self.clusters + text, file: "nexus.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        // Lines as if there were no clusters.
        let problems = diagnostics.sorted.map { problem in
            "\(problem)".replacing(/nexus.yaml:(\d+)/) { "\((Int($0.1) ?? 0) - 8)" }
        }
        return (configuration?.checkout, problems)
    }

    @Test func withoutASectionThereIsNone() {
        #expect(read("") == (nil, []))
        #expect(read("checkout: off") == (nil, []))
        #expect(read("checkout: {}") == (CheckoutSettings(), []))
    }

    /// The reference file shows the section in comments: uncommented it says the defaults.
    @Test func theReferenceFileSaysTheDefaults() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let reference = try String(contentsOf: root.appending(path: "config/nexus.yaml"), encoding: .utf8)
        let lines = reference.components(separatedBy: "\n")
        let start = try #require(lines.firstIndex { $0.contains("the event core's own checkout") })
        let end = try #require(lines.firstIndex(of: "checkout: off"))
        let section = lines[(start + 2)..<end].map { "  " + $0.dropFirst(4) }.joined(separator: "\n")
        let (settings, problems) = read("checkout:\n" + section)
        #expect(problems == [])
        var expected = CheckoutSettings()
        expected.shipping.undo = "/shop.Shipping/CancelShipment"
        expected.payment.undo = "/shop.Payment/Refund"
        expected.cardKeyFile = PlacedPath("certs/card.key", at: SourcePosition(file: "nexus.yaml"))
        #expect(settings == expected)
    }

    @Test func everyKeyIsRead() throws {
        let (settings, problems) = read("""
            checkout:
              saga: checkout-with-inventory
              sagas: [a, b.yaml]
              cart: cart
              cart_flag: move-carts
              catalogue: { cluster: cart, timeout: 1s }
              currency: { timeout: 2s }
              shipping: { rest: { cluster: bank, path: /ship, quote: /quote }, timeout: 3s, idempotent: true, unavailable: not-done, cancel: /no }
              payment: { rest: { cluster: bank, path: /pay }, timeout: 4s, idempotent: true, unavailable: not-done, refund: /back }
              email: { cluster: email, timeout: 5ms, idempotent: false, unavailable: unknown }
              pricing: 6s
              reservation: 2d
              payment_park_max: 1d
              in_flight: 7
              waiting: 8
              cards: 9
              card_key_file: k
            """)
        #expect(problems == [])
        let c = try #require(settings)
        #expect(c.saga == .checkoutWithInventory && c.sagas == ["a", "b.yaml"] && c.cart == .cluster("cart") && c.cartFlag?.name == "move-carts")
        #expect(c.catalogue.cluster == "cart" && c.catalogue.timeout == 1000 && c.currency.timeout == 2000)
        #expect(c.shipping.cluster == "bank" && c.shipping.form == .rest(path: "/ship", quote: "/quote") && c.shipping.undo == "/no")
        #expect(c.shipping.timeout == 3000 && c.shipping.isIdempotent && c.shipping.unavailable == .notDone)
        #expect(c.payment.form == .rest(path: "/pay", quote: nil) && c.payment.undo == "/back" && c.payment.unavailable == .notDone)
        #expect(c.email.timeout == 5 && !c.email.isIdempotent && c.email.unavailable == .unknown)
        #expect(c.pricing == 6000 && c.reservation == 172_800_000 && c.paymentParkMax == 86_400_000)
        #expect(c.inFlight == 7 && c.waiting == 8 && c.cards == 9 && c.cardKeyFile?.path == "k")
    }

    /// One mistake, and what is said about it.
    @Test(arguments: [
        ("checkout: { cart: crat }", "1:19: error: there is no cluster 'crat' (did you mean 'cart'?)"),
        ("checkout: { cart_flag: f }", "1:24: error: 'cart_flag' needs a 'cart' that is a cluster: on the flag's other side there is no cart"),
        ("checkout: { payment: { cluster: paymnt } }", "1:24: error: there is no cluster 'paymnt' (did you mean 'payment'?)"),
        ("checkout: { payment: { cluster: bank } }", "1:24: error: cluster 'bank' needs 'protocol: http2': the service is called by gRPC"),
        ("checkout: { saga: checkuot }", "1:19: error: 'saga' must be one of checkout, checkout-with-inventory, not 'checkuot' (did you mean 'checkout'?)"),
        ("checkout: { catalogue: { rest: { path: /x } } }", "1:26: error: unknown key 'rest' in the catalogue of the checkout"),
        ("checkout: { payment: { rest: { cluster: bank } } }", "1:30: error: a service by REST needs 'path'"),
        ("checkout: { payment: { rest: { cluster: bank, path: pay } } }", "1:53: error: 'path' must be a path that begins with /, not 'pay'"),
        ("checkout: { payment: { refund: \"/a b\" } }", "1:32: error: 'refund' must be a path that begins with /, not '/a b'"),
        ("checkout: { payment: { cancel: /a } }", "1:24: error: unknown key 'cancel' in the payment of the checkout"),
        ("checkout: { payment: { cluster: bank, rest: { cluster: bank, path: /x } } }", "1:24: error: 'cluster' and 'rest' exclude each other"),
        ("checkout: { email: { unavailable: maybe } }", "1:35: error: 'unavailable' must be one of unknown, not-done, not 'maybe'"),
        ("checkout: { in_flight: 0 }", "1:24: error: 'in_flight' must be from 1 to 1000000, not 0"),
        ("checkout: { card: 1 }", "1:13: error: unknown key 'card' in the checkout (did you mean 'cards'?)"),
        (
            "checkout: { saga: checkout-with-inventory, reservation: 1h }",
            "1:44: warning: 'reservation' is shorter than 'payment_park_max': stock of an order that waits for its payment is let go"
        ),
    ])
    func mistakesAreNamed(_ text: String, _ problem: String) { #expect(read(text).1 == [problem]) }

    @Test func servicesThatAreNotSaidMustBeThere() {
        let diagnostics = Diagnostics()
        let document = Document.parse("checkout: { currency: {} }", file: "f", diagnostics)
        _ = document.map { Configuration.read($0, diagnostics) }
        #expect(diagnostics.errors == 5)
    }
}
