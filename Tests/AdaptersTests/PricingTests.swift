@testable import Adapters
import EventCore
import Exchanges
import Settings
import Synchronization
import Testing

/// Many items at once, and the answer as if they had been asked for one after another.
@Suite struct PricingTests {
    private func price(_ items: [ShopItem], _ shop: ScriptedShop) async -> Result<Pricing.Priced, Refusal> {
        let pricing = Pricing(services: ShopServices(CheckoutSettings(), shop))
        do throws(Refusal) {
            return .success(try await pricing.price(items, to: Rig.address, in: "USD", CallFrame(milliseconds: 300_000, metadata: Metadata())))
        } catch {
            return .failure(error)
        }
    }

    private func items(_ count: Int) -> [ShopItem] { (0..<count).map { ShopItem(product: "p-\($0)", quantity: 2) } }

    /// A catalogue in which everything costs a dollar, but for what `answer` says.
    private func shop(_ answer: @escaping @Sendable (Int) async -> OutboundAnswer? = { _ in nil }) -> ScriptedShop {
        ScriptedShop { call in
            guard call.method == "GetProduct", let number = Int(Proto(call.body).text(1).dropFirst(2)) else { return nil }
            if let answer = await answer(number) { return answer }
            return .ok(Proto.text(2, "thing") + Proto.bytes(5, Proto.money("USD", 1, 0)))
        }
    }

    @Test func neverMoreThanEightAtOnce() async throws {
        let counter = Counter()
        let shop = shop { _ in
            counter.enter()
            try? await Task.sleep(for: .milliseconds(2))
            counter.leave()
            return nil
        }
        let priced = try await price(items(100), shop).get()
        #expect(counter.most > 1 && counter.most <= Pricing.atOnce)
        #expect(priced.lines.map(\.product.description) == items(100).map(\.product))
        #expect(priced.total == Money(currency: "USD", units: 208, nanos: 990_000_000))
    }

    @Test func theFirstOfTheCartIsBlamed() async throws {
        // The fourth fails late, the sixth at once.
        let shop = shop { number in
            if number == 3 { try? await Task.sleep(for: .milliseconds(50)) }
            return number == 3 || number == 5 ? .answered(status: 5, message: "", body: []) : nil
        }
        guard case .failure(let refusal) = await price(items(50), shop) else { return #expect(Bool(false)) }
        #expect(refusal.text == #"failed to prepare order: failed to get product #"p-3""#)
        // Nothing was begun that could not count any more.
        #expect(shop.calls(of: "GetProduct").count < 20 && shop.calls(of: "GetQuote").isEmpty)
    }

    @Test func theSameProductIsAskedForOnce() async throws {
        let shop = shop()
        let twice = [ShopItem(product: "p-1", quantity: 1), ShopItem(product: "p-2", quantity: 1), ShopItem(product: "p-1", quantity: 3)]
        let priced = try await price(twice, shop).get()
        #expect(shop.calls(of: "GetProduct").count == 2)
        #expect(priced.lines.map(\.quantity) == [1, 1, 3] && priced.total.units == 13)
    }

    @Test func whatIsNoIdentifierIsNoProduct() async throws {
        for (product, quoted) in [("", #""""#), ("a\"b\\\n\u{1}", #""a\"b\\\n\x01""#), (String(repeating: "x", count: 200), nil)] {
            guard case .failure(let refusal) = await price([ShopItem(product: product, quantity: 1)], shop()) else {
                #expect(Bool(false))
                continue
            }
            if let quoted { #expect(refusal.text == "failed to prepare order: failed to get product #\(quoted)") }
        }
    }

    @Test func aTotalThatDoesNotFitIsRefused() async throws {
        let rich = ScriptedShop { call in
            call.method == "GetProduct" ? .ok(Proto.bytes(5, Proto.money("USD", 9_000_000_000_000_000_000, 0))) : nil
        }
        guard case .failure(let refusal) = await price([ShopItem(product: "p", quantity: 2)], rich) else { return #expect(Bool(false)) }
        #expect(refusal.outcome.code == .validationError)
    }

    @Test func timeRunsOutForAllTogether() async throws {
        let shop = shop { _ in
            try? await Task.sleep(for: .milliseconds(60))
            return nil
        }
        let pricing = Pricing(services: ShopServices(CheckoutSettings(), shop))
        await #expect(throws: Refusal.self) {
            try await pricing.price(items(100), to: Rig.address, in: "USD", CallFrame(milliseconds: 100, metadata: Metadata()))
        }
        #expect(shop.calls(of: "GetProduct").count <= 24)
        #expect(shop.calls.allSatisfy { $0.timeoutMS <= 100 })
    }

    private final class Counter: Sendable {
        private let running = Mutex((now: 0, most: 0))
        var most: Int { running.withLock { $0.most } }
        func enter() { running.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) } }
        func leave() { running.withLock { $0.now -= 1 } }
    }
}
