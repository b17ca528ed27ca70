import EventCore
import Exchanges
import Testing

private func at(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }

private let mug = ProductDetails(name: "Mug", description: "Holds \"tea\".", picture: "/mug.jpg", categories: ["kitchen", "gifts"])

/// The events of `action`, applied; or the code of the refusal.
private func ask(_ product: inout Product, _ action: ProductAction, at now: Timestamp) -> Result<[ProductEvent], Refusal> {
    do throws(Refusal) {
        let events = try product.decide(action, at: now)
        for event in events { product.apply(event, at: now) }
        return .success(events)
    } catch {
        return .failure(error)
    }
}

private func said(_ result: Result<[ProductEvent], Refusal>) -> String {
    switch result {
    case .success(let events): "ok " + events.map(\.type).joined(separator: " ")
    case .failure(let refusal): refusal.outcome.code.name.description
    }
}

@Suite struct ProductTests {
    @Test func isCreatedOnce() {
        var product = Product()
        #expect(said(ask(&product, .update(ProductChange(name: "x")), at: at(1))) == "NOT_FOUND")
        #expect(said(ask(&product, .changePrice(usd(1)), at: at(1))) == "NOT_FOUND")
        #expect(said(ask(&product, .create(mug, price: usd(-1)), at: at(1))) == "VALIDATION_ERROR")
        #expect(said(ask(&product, .create(mug, price: usd(1, -1)), at: at(1))) == "VALIDATION_ERROR")
        #expect(said(ask(&product, .create(mug, price: usd(8)), at: at(1))) == "ok ProductCreated")
        #expect(said(ask(&product, .create(mug, price: usd(8)), at: at(2))) == "ok ")
        #expect(said(ask(&product, .create(mug, price: usd(9)), at: at(2))) == "ILLEGAL_STATE")
        #expect(said(ask(&product, .create(ProductDetails(name: "Cup"), price: usd(8)), at: at(2))) == "ILLEGAL_STATE")
        #expect(product.version == 1)
    }

    @Test func changesOnlyWhatIsSaid() {
        var product = Product()
        _ = ask(&product, .create(mug, price: usd(8)), at: at(1))
        #expect(said(ask(&product, .update(ProductChange()), at: at(2))) == "ok ")
        #expect(said(ask(&product, .update(ProductChange(name: "Mug")), at: at(2))) == "ok ")
        #expect(said(ask(&product, .update(ProductChange(description: "", categories: [])), at: at(2))) == "ok ProductUpdated")
        #expect(product.details == ProductDetails(name: "Mug", picture: "/mug.jpg"))
        #expect(product.price == usd(8) && product.createdAt == at(1) && product.updatedAt == at(2))
    }

    @Test func remembersItsPrices() throws {
        var product = Product()
        _ = ask(&product, .create(mug, price: usd(8)), at: at(1))
        #expect(said(ask(&product, .changePrice(usd(8)), at: at(2))) == "ok ")
        #expect(try ask(&product, .changePrice(usd(9)), at: at(2)).get() == [.priceChanged(old: usd(8), new: usd(9))])
        #expect(product.prices.map(\.price) == [usd(8), usd(9)] && product.prices.map(\.from) == [at(1), at(2)])
        for i in 0..<200 { _ = ask(&product, .changePrice(usd(Int64(i))), at: at(3)) }
        #expect(product.prices.count == Product.mostPrices && product.price == usd(199))
    }

    @Test func answersAsJSON() throws {
        var product = Product()
        let id = try #require(Identifier("mug"))
        #expect(throws: Refusal.self) { try product.body(of: id, at: at(1)) }
        _ = ask(&product, .create(mug, price: usd(8, 990_000_000)), at: at(1))
        #expect(
            String(decoding: try product.body(of: id, at: at(5)), as: UTF8.self)
                == #"{"productId":"mug","name":"Mug","description":"Holds \"tea\".","picture":"/mug.jpg","categories":["kitchen","gifts"],"price":{"currencyCode":"USD","units":"8","nanos":990000000},"priceHistory":[{"price":{"currencyCode":"USD","units":"8","nanos":990000000},"from":"1970-01-01T00:00:01.000000Z"}],"createdAt":"1970-01-01T00:00:01.000000Z","updatedAt":"1970-01-01T00:00:01.000000Z","version":1}"#)
    }

    /// Whatever is asked: replaying the stored payloads, across snapshots, gives what memory had at every version.
    @Test func anySequenceReplays() throws {
        var random = SystemRandomNumberGenerator()
        let schemas = try eventSchemas(["ProductCreated", "ProductUpdated", "ProductPriceChanged"])
        for _ in 0..<200 {
            var (product, replayed) = (Product(), Product())
            for step in 0..<150 {
                let name = ["Mug", "Cup", "ü\u{1F}"].randomElement(using: &random) ?? "Mug"
                let price = usd(.random(in: -1...5, using: &random))
                let action: ProductAction =
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0: .create(ProductDetails(name: name), price: price)
                    case 1: .update(ProductChange(name: name, categories: Bool.random(using: &random) ? [name] : nil))
                    default: .changePrice(price)
                    }
                let now = at(Int64(step))
                guard case .success(let events) = ask(&product, action, at: now) else { continue }
                for event in events {
                    let stored = Event(
                        id: EventId(high: 0, low: 0), type: event.type, timestamp: now, payload: event.payload, metadata: Metadata())
                    #expect(schemas.violations(ofType: event.type, version: 1, payload: event.payload.span) == [])
                    replayed.apply(try #require(ProductEvent(stored)), at: now)
                }
                #expect(replayed == product)
                if step % 7 == 0, product.version > 0 {
                    let snapshot = try #require(replayed.snapshot())
                    let again = Product(snapshot: snapshot.span, version: replayed.version)
                    replayed = try #require(again)
                    #expect(replayed == product)
                    #expect(Product(snapshot: snapshot.span, version: replayed.version + 1) == nil)
                }
            }
        }
    }
}
