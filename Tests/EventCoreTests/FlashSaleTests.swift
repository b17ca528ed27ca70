import EventCore
import Exchanges
import Testing

private func at(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }
private func name(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

/// A sale that does as it is told, at its own time.
private struct Sale {
    var state = FlashSale()
    var now = at(1000)
    var history: [(event: FlashSaleEvent, time: Timestamp, state: FlashSale)] = []

    mutating func ask(_ action: FlashSaleAction) -> String {
        do throws(Refusal) {
            let events = try state.decide(action, at: now)
            for event in events {
                state.apply(event, at: now)
                history.append((event, now, state))
            }
            return "ok " + events.map(\.type).joined(separator: " ")
        } catch {
            return error.outcome.code.name.description
        }
    }

    mutating func start(_ from: Int64?, _ to: Int64, _ products: [(String, Int64)] = [("mug", 5), ("cup", 3)]) throws -> String {
        ask(.start(try products.map { PricedProduct(try name($0.0), usd($0.1)) }, startsAt: from.map(at), endsAt: at(to)))
    }

    mutating func change(_ product: String, _ units: Int64) throws -> String {
        ask(.changePrice(product: try name(product), usd(units)))
    }

    func price(_ product: String, _ second: Int64) throws -> Money? { state.price(of: try name(product), at: at(second)) }
}

@Suite struct FlashSaleTests {
    @Test func isOnFromItsBeginningToItsEnd() throws {
        var sale = Sale()
        #expect(sale.ask(.end) == "NOT_FOUND")
        #expect(try sale.change("mug", 1) == "NOT_FOUND")
        #expect(try sale.start(1100, 1200) == "ok FlashSaleStarted")
        #expect(try sale.start(1100, 1200) == "ok ")
        #expect(try sale.start(1100, 1201) == "ILLEGAL_STATE")
        #expect(try sale.start(nil, 1200) == "ILLEGAL_STATE")
        #expect(sale.state.status(at: at(1099)) == .scheduled && sale.state.status(at: at(1100)) == .active)
        #expect(sale.state.status(at: at(1199)) == .active && sale.state.status(at: at(1200)) == .ended)
        #expect(try sale.price("mug", 1099) == nil && sale.price("mug", 1200) == nil && sale.price("hat", 1100) == nil)
        #expect(try sale.price("mug", 1100) == usd(5) && sale.price("cup", 1199) == usd(3))
    }

    @Test func beginsAtOnceWhenTheTimeHasPassedOrThereIsNone() throws {
        for from in [nil, 900, 1000] as [Int64?] {
            var sale = Sale()
            #expect(try sale.start(from, 1200) == "ok FlashSaleStarted")
            #expect(sale.state.startsAt == at(1000))
            sale.now = at(1050)
            #expect(try sale.start(from, 1200) == "ok ")
        }
    }

    @Test func refusesWhatIsNoSale() throws {
        var sale = Sale()
        #expect(try sale.start(1100, 1100) == "VALIDATION_ERROR")
        #expect(try sale.start(nil, 1000) == "VALIDATION_ERROR")
        #expect(try sale.start(nil, 1200, []) == "VALIDATION_ERROR")
        #expect(try sale.start(nil, 1200, [("mug", 1), ("mug", 1)]) == "VALIDATION_ERROR")
        #expect(try sale.start(nil, 1200, [("mug", -1)]) == "VALIDATION_ERROR")
        #expect(try sale.start(nil, 1200, (0...200).map { ("p\($0)", 1) }) == "VALIDATION_ERROR")
        #expect(try sale.start(nil, 1001 + 366 * 86_400) == "VALIDATION_ERROR")
        #expect(try sale.start(1001 + 366 * 86_400, 1002 + 366 * 86_400) == "VALIDATION_ERROR")
        #expect(sale.state.version == 0)
        #expect(try sale.start(nil, 1200, (0..<200).map { ("p\($0)", 0) }) == "ok FlashSaleStarted")
    }

    @Test func pricesChangeFromThenOn() throws {
        var sale = Sale()
        _ = try sale.start(1100, 1200)
        #expect(try sale.change("mug", 4) == "ok FlashSalePriceChanged")
        #expect(try sale.change("hat", 4) == "NOT_FOUND")
        #expect(try sale.change("mug", -4) == "VALIDATION_ERROR")
        sale.now = at(1150)
        #expect(try sale.change("mug", 2) == "ok FlashSalePriceChanged")
        #expect(try sale.change("mug", 2) == "ok ")
        #expect(try sale.price("mug", 1100) == usd(4) && sale.price("mug", 1149) == usd(4) && sale.price("mug", 1150) == usd(2))
        sale.now = at(1200)
        #expect(try sale.change("mug", 1) == "ILLEGAL_STATE")
    }

    @Test func endsEarlyOrByItself() throws {
        var sale = Sale()
        _ = try sale.start(nil, 1200)
        sale.now = at(1100)
        #expect(sale.ask(.end) == "ok FlashSaleEnded" && sale.ask(.end) == "ok ")
        #expect(try sale.price("mug", 1099) == usd(5) && sale.price("mug", 1100) == nil)
        #expect(try sale.change("mug", 1) == "ILLEGAL_STATE")
        #expect(try sale.start(nil, 1200) == "ILLEGAL_STATE")
        // It has ended when it said it would, whenever the log comes to say so.
        var late = Sale()
        _ = try late.start(nil, 1200)
        late.now = at(1300)
        #expect(late.ask(.end) == "ok FlashSaleEnded" && late.state.endedAt == at(1200))
    }

    @Test func whatIsKeptIsBounded() throws {
        var sale = Sale()
        _ = try sale.start(nil, 100_000)
        for i in 1...Int64(FlashSale.mostPriceChanges) {
            sale.now = at(1000 + i)
            #expect(try sale.change("mug", 10 + i) == "ok FlashSalePriceChanged")
        }
        #expect(try sale.change("mug", 1) == "ILLEGAL_STATE")
        #expect(try sale.price("mug", 1500) == nil && sale.price("mug", 2000) == usd(1010))
        #expect(sale.state.offers[0].prices.count == 32)
    }

    @Test func answersAsJSON() throws {
        var sale = Sale()
        #expect(throws: Refusal.self) { try sale.state.body(of: name("s"), at: at(1)) }
        _ = try sale.start(nil, 1200, [("mug", 5)])
        #expect(
            String(decoding: try sale.state.body(of: name("s"), at: at(1000)), as: UTF8.self)
                == #"{"saleId":"s","status":"ACTIVE","products":[{"productId":"mug","price":{"currencyCode":"USD","units":"5","nanos":0}}],"startsAt":"1970-01-01T00:16:40.000000Z","endsAt":"1970-01-01T00:20:00.000000Z","version":1}"#)
        _ = sale.ask(.end)
        #expect(
            String(decoding: try sale.state.body(of: name("s"), at: at(1000)), as: UTF8.self)
                .contains(#""status":"ENDED""#))
    }

    /// Whatever is asked: replaying the stored payloads, across snapshots, gives what memory had at every version,
    /// and a price that was told stays true while it is remembered.
    @Test func anySequenceReplays() throws {
        var random = SystemRandomNumberGenerator()
        let schemas = try eventSchemas(["FlashSaleStarted", "FlashSalePriceChanged", "FlashSaleEnded"])
        for _ in 0..<200 {
            var (sale, replayed) = (Sale(), FlashSale())
            var told: [(product: String, second: Int64, price: Money)] = []
            for _ in 0..<80 {
                let second = sale.now.microseconds / 1_000_000 + Int64.random(in: 0...3, using: &random)
                sale.now = at(second)
                let product = ["mug", "cup", "hat"].randomElement(using: &random) ?? "mug"
                switch Int.random(in: 0..<12, using: &random) {
                case 0...2: _ = try sale.start([nil, second + 5].randomElement(using: &random) ?? nil, second + .random(in: 4...150, using: &random))
                case 3 where Int.random(in: 0..<4, using: &random) == 0: _ = sale.ask(.end)
                default: _ = try sale.change(product, .random(in: 1...9, using: &random))
                }
                if let price = try sale.price(product, second - 1) { told.append((product, second - 1, price)) }
                for (event, time, state) in sale.history {
                    let stored = Event(
                        id: EventId(high: 0, low: 0), type: event.type, timestamp: time, payload: event.payload, metadata: Metadata())
                    #expect(schemas.violations(ofType: event.type, version: 1, payload: event.payload.span) == [])
                    replayed.apply(try #require(FlashSaleEvent(stored)), at: time)
                    #expect(replayed == state)
                    let snapshot = try #require(replayed.snapshot())
                    #expect(FlashSale(snapshot: snapshot.span, version: replayed.version + 1) == nil)
                    let again = FlashSale(snapshot: snapshot.span, version: replayed.version)
                    replayed = try #require(again)
                    #expect(replayed == state)
                }
                sale.history = []
            }
            for (product, second, price) in told {
                let now = try sale.price(product, second)
                #expect(now == nil || now == price)
            }
        }
    }
}
