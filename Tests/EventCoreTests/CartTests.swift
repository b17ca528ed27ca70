import EventCore
import Exchanges
import Testing

/// A cart does not care when.
private let instant = Timestamp(microseconds: 0)

private func name(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

/// The events of `actions`, refusals left out, and the cart they lead to.
private func play(_ actions: [CartAction]) -> (cart: Cart, events: [CartEvent]) {
    var cart = Cart()
    var events: [CartEvent] = []
    for action in actions {
        for event in (try? cart.decide(action, at: instant)) ?? [] {
            cart.apply(event, at: instant)
            events.append(event)
        }
    }
    return (cart, events)
}

private func refusal(_ action: CartAction, after actions: [CartAction]) -> Refusal? {
    do throws(Refusal) {
        _ = try play(actions).cart.decide(action, at: instant)
        return nil
    } catch {
        return error
    }
}

@Suite struct CartTests {
    @Test func mergesByProductAndAddsNewOnesLast() throws {
        let (a, b) = (try name("a"), try name("b"))
        let (cart, events) = play([
            .add(product: a, quantity: 1), .add(product: b, quantity: 2), .add(product: a, quantity: 3),
        ])
        #expect(cart.items.map(\.product) == [a, b])
        #expect(cart.items.map(\.quantity) == [4, 2])
        #expect(events.last == .itemAdded(a, quantity: 3))
        #expect(cart.version == 3)
    }

    @Test func updatesSayOldAndNew() throws {
        let a = try name("a")
        let (cart, events) = play([.add(product: a, quantity: 5), .update(product: a, quantity: 2)])
        #expect(events.last == .quantityUpdated(a, old: 5, new: 2))
        #expect(cart.items.map(\.quantity) == [2])
        #expect(play([.add(product: a, quantity: 5), .update(product: a, quantity: 5)]).events.count == 1)
        let (emptied, gone) = play([.add(product: a, quantity: 5), .update(product: a, quantity: 0)])
        #expect(gone.last == .itemRemoved(a) && emptied.items.isEmpty)
    }

    @Test func emptyingTwiceIsOneEvent() throws {
        let a = try name("a")
        #expect(play([.empty]).events.isEmpty)
        #expect(play([.add(product: a, quantity: 1), .empty, .empty]).events == [.itemAdded(a, quantity: 1), .cartEmptied])
    }

    @Test func refusesWhatCannotBe() throws {
        let (a, b) = (try name("a"), try name("b"))
        let held: [CartAction] = [.add(product: a, quantity: .max)]
        #expect(refusal(.remove(product: b), after: held)?.outcome.code == .notFound)
        #expect(refusal(.update(product: b, quantity: 1), after: held)?.outcome.code == .notFound)
        #expect(refusal(.add(product: a, quantity: 1), after: held)?.outcome.code == .illegalState)
        #expect(refusal(.add(product: b, quantity: 0), after: held)?.outcome.code == .validationError)
        #expect(refusal(.add(product: b, quantity: -1), after: held)?.outcome.code == .validationError)
        #expect(refusal(.update(product: a, quantity: -1), after: held)?.outcome.code == .validationError)
        let full = try (0..<Cart.mostItems).map { CartAction.add(product: try name("p\($0)"), quantity: 1) }
        #expect(refusal(.add(product: a, quantity: 1), after: full)?.outcome.code == .illegalState)
        #expect(refusal(.add(product: try name("p7"), quantity: 1), after: full) == nil)
    }

    @Test func answersAsJSON() throws {
        let cart = play([.add(product: try name("a\"b"), quantity: 2)]).cart
        #expect(
            String(decoding: cart.body(of: try name("ü"), at: instant), as: UTF8.self)
                == #"{"userId":"ü","items":[{"productId":"a\"b","quantity":2}],"version":1}"#)
        #expect(
            String(decoding: Cart().body(of: try name("u"), at: instant), as: UTF8.self) == #"{"userId":"u","items":[],"version":0}"#)
    }

    /// Whatever is asked: quantities stay positive and within bounds, products distinct, and replaying
    /// the stored payloads gives the same cart.
    @Test func anySequenceKeepsTheInvariantsAndReplays() throws {
        var random = SystemRandomNumberGenerator()
        let products = try (0..<8).map { try name("p\($0)") }
        for _ in 0..<300 {
            let actions: [CartAction] = (0..<60).map { _ in
                let product = products.randomElement(using: &random) ?? products[0]
                let quantity = [Int32.min, -1, 0, 1, 2, 1_000_000_000, .max].randomElement(using: &random) ?? 0
                switch Int.random(in: 0..<8, using: &random) {
                case 0: return .empty
                case 1: return .remove(product: product)
                case 2, 3: return .update(product: product, quantity: quantity)
                default: return .add(product: product, quantity: quantity)
                }
            }
            let (cart, events) = play(actions)
            #expect(cart.items.allSatisfy { $0.quantity > 0 })
            #expect(Set(cart.items.map(\.product)).count == cart.items.count)
            #expect(cart.version == UInt64(events.count))
            var replayed = Cart()
            for event in events {
                let stored = Event(
                    id: EventId(high: 0, low: 0), type: event.type, timestamp: .now(), payload: event.payload,
                    metadata: Metadata())
                replayed.apply(try #require(CartEvent(stored)), at: instant)
            }
            #expect(replayed == cart)
        }
    }

    @Test func doesNotReadWhatItDoesNotKnow() {
        func event(_ type: String, _ payload: String, schemaVersion: UInt32 = 1) -> CartEvent? {
            CartEvent(
                Event(
                    id: EventId(high: 0, low: 0), type: type, timestamp: .now(), schemaVersion: schemaVersion,
                    payload: Array(payload.utf8), metadata: Metadata()))
        }
        #expect(event("ItemAdded", #"{"productId":"a","quantity":1,"later":true}"#) != nil)
        #expect(event("ItemAdded", #"{"productId":"a"}"#) == nil)
        #expect(event("ItemAdded", #"{"productId":"a","quantity":3000000000}"#) == nil)
        #expect(event("ItemAdded", #"{"productId":"","quantity":1}"#) == nil)
        #expect(event("ItemAdded", #"{"productId":"a","quantity":1}"#, schemaVersion: 2) == nil)
        #expect(event("OrderPlaced", #"{"productId":"a","quantity":1}"#) == nil)
    }
}
