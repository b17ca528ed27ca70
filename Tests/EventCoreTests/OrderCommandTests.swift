import EventCore
import Testing

private func read(_ name: String, _ body: String, path: [(String, String)] = []) -> Result<Request, Invalid> {
    let index = Registry.command(named: name) ?? -1
    let parameters = Registry.parameters(ofCommand: index).map { name in path.first { $0.0 == name }.map { Array($0.1.utf8) } }
    return Registry.decode(command: index, body: body.utf8Span.span, parameters: parameters)
}

private func command(_ name: String, _ body: String, path: [(String, String)] = []) throws -> Command {
    guard case .command(let command) = try read(name, body, path: path).get() else {
        throw Invalid("no command of the log", [])
    }
    return command
}

private func wrong(_ name: String, _ body: String, path: [(String, String)] = []) -> [String] {
    if case .failure(let invalid) = read(name, body, path: path) { return invalid.fields.map { "\($0.pointer): \($0.error)" } }
    return []
}

private func placement(_ body: String) throws -> Placement {
    guard case .checkout(.place(let placement)) = try read("order.place", body).get() else { throw Invalid("no placement", []) }
    return placement
}

private let card = #"{"creditCardNumber":"4111-1111 1111-1111","creditCardCvv":672,"creditCardExpirationYear":2039,"creditCardExpirationMonth":1}"#

@Suite struct OrderCommandTests {
    @Test func readsThePlacementOfTheLegacyShop() throws {
        let whole = try placement(
            #"{"userId":"u","userCurrency":"EUR","address":{"streetAddress":"s","city":"c","state":"st","country":"co","zipCode":94043},"email":"e@x","creditCard":\#(card)}"#)
        #expect(whole.user == Identifier("u") && whole.currency == "EUR" && whole.email == "e@x")
        #expect(whole.address == PostalAddress(street: "s", city: "c", state: "st", country: "co", zipCode: 94043))
        #expect(whole.card.number == Array("4111-1111 1111-1111".utf8) && whole.card.cvv == 672)
        #expect(whole.card.expirationYear == 2039 && whole.card.expirationMonth == 1)
        let snake = try placement(
            #"{"user_id":"u","user_currency":"EUR","address":{"street_address":"s","zip_code":"7"},"credit_card":{"credit_card_number":"4","credit_card_cvv":"1","credit_card_expiration_year":2,"credit_card_expiration_month":3}}"#)
        #expect(snake.user == Identifier("u") && snake.address.street == "s" && snake.address.zipCode == 7)
        #expect(snake.card.number == [0x34] && snake.card.cvv == 1 && snake.card.expirationMonth == 3)
    }

    /// LEGACY 4: empty user, e-mail and currency are fine; without an address the shipping service crashed.
    @Test func allowsWhatTheLegacyShopAllowed() throws {
        for body in [#"{"address":{},"creditCard":{}}"#, #"{"userId":"","userCurrency":"","email":"","address":{},"creditCard":{}}"#] {
            let empty = try placement(body)
            #expect(empty.user == nil && empty.currency == "" && empty.email == "" && empty.card.number == [])
        }
        #expect(wrong("order.place", #"{"userId":"u","creditCard":{}}"#) == ["/address: is required"])
        #expect(wrong("order.place", #"{"address":null,"creditCard":{}}"#) == ["/address: is required"])
        #expect(wrong("order.place", #"{"address":{}}"#) == ["/creditCard: is required"])
        #expect(wrong("order.place", #"{"address":[],"creditCard":"4"}"#) == ["/address: must be an object", "/creditCard: must be an object"])
        #expect(
            wrong("order.place", #"{"userId":"\u0000","userCurrency":7,"email":[],"address":{"zipCode":"x","city":1},"creditCard":{}}"#)
                == [
                    "/userId: must be 1 to 128 bytes of UTF-8 without control characters", "/userCurrency: must be a string",
                    "/address/city: must be a string", "/address/zipCode: must be an integer from -2147483648 to 2147483647",
                    "/email: must be a string",
                ])
    }

    /// SPEC 24: whatever is wrong with the body, no answer tells what it holds.
    @Test(arguments: [
        #"{"address":{},"creditCard":{"creditCardNumber":4111111111111111}}"#,
        #"{"address":{},"creditCard":{"creditCardNumber":"4111111111111111 4111111111111111"}}"#,
        #"{"address":{},"creditCard":{"creditCardNumber":["4111111111111111"]}}"#,
        #"{"address":{},"creditCard":{"creditCardCvv":4111111111111111}}"#,
        #"{"address":{},"creditCard":{"creditCardCvv":"4111111111111111"}}"#,
        #"{"address":{},"creditCard":{"4111111111111111":1}}"#,
        #"{"address":{},"creditCard":"4111111111111111"}"#,
        #"{"address":{},"4111111111111111":{}}"#,
        #"{"address":{},"creditCard":{"4111111111111111":tru"#,
        #"{"address":{},"creditCard":{"4111111111111111":1,"4111111111111111":1}}"#,
        #"{"address":{},"creditCard":{"creditCardNumber":"4111111111111111"#,
    ])
    func errorsTellNothingOfTheCard(_ body: String) {
        for name in ["order.place", "order.pay"] {
            let errors = wrong(name, body, path: name == "order.pay" ? [("orderId", "o")] : [])
            #expect(!errors.isEmpty)
            for error in errors { #expect(!error.contains("4111"), "\(error)") }
        }
        #expect(!"\(read("order.place", body))".contains("4111"))
    }

    @Test func aCardHasNoTextualForm() throws {
        let request = try read("order.pay", #"{"orderId":"o","creditCard":\#(card)}"#).get()
        var dumped = ""
        dump(request, to: &dumped)
        for text in ["\(request)", String(reflecting: request), dumped] { #expect(!text.contains("4111") && !text.contains("672")) }
    }

    @Test func theCardsNumberIsBounded() throws {
        #expect(throws: Never.self) { try placement(#"{"address":{},"creditCard":{"creditCardNumber":"\#(String(repeating: "4", count: 32))"}}"#) }
        #expect(
            wrong("order.place", #"{"address":{},"creditCard":{"creditCardNumber":"\#(String(repeating: "4", count: 33))"}}"#)
                == ["/creditCard/creditCardNumber: must be 0 to 32 bytes long"])
    }

    @Test func thePathStandsInForTheBody() throws {
        let o = try #require(Identifier("o 7"))
        for body in ["", "{}", #"{"orderId":"o 7"}"#, #"{"order_id":"o 7"}"#] {
            #expect(try command("order.ship", body, path: [("orderId", "o 7")]) == .order(o, .ship))
        }
        guard case .checkout(.cancel(o, "dear", .any)) = try read("order.cancel", #"{"reason":"dear"}"#, path: [("orderId", "o 7")]).get() else {
            Issue.record("no cancellation")
            return
        }
        #expect(wrong("order.ship", #"{"orderId":"other"}"#, path: [("orderId", "o 7")]) == ["/orderId: differs from the path"])
        #expect(wrong("order.ship", "", path: [("orderId", "\u{1}")]) == ["/orderId: must be 1 to 128 bytes of UTF-8 without control characters"])
        #expect(wrong("order.ship", "") == [": the text is empty, at byte 0"])
        #expect(wrong("order.ship", "{}", path: [("productId", "p")]) == ["/orderId: is required"])
        #expect(wrong("order.ship", "x", path: [("orderId", "o")]) == [": unexpected character, at byte 0"])
        #expect(
            try command("flash-sale.change-price", #"{"price":{"amount":1}}"#, path: [("saleId", "s"), ("productId", "p")])
                == .flashSale(try #require(Identifier("s")), .changePrice(product: try #require(Identifier("p")), Money(currency: "", units: 1))))
    }

    @Test func readsOperatorsCommands() throws {
        let o = try #require(Identifier("o"))
        let actions: [(String, OrderAction)] = [
            ("order.process", .startProcessing), ("order.ship", .ship), ("order.deliver", .deliver), ("order.complete", .complete),
        ]
        for (name, action) in actions { #expect(try command(name, #"{"orderId":"o"}"#) == .order(o, action)) }
        #expect(wrong("order.complete", #"{"orderId":"o","reason":"r"}"#) == ["/reason: unknown member"])
        #expect(wrong("order.cancel", #"{"orderId":"o","reason":"\#(String(repeating: "x", count: 1025))"}"#) == ["/reason: must be 0 to 1024 bytes long"])
    }

    @Test(arguments: [
        #"{"currencyCode":"USD","units":"19","nanos":990000000}"#, #"{"currency_code":"USD","units":19,"nanos":"990000000"}"#,
        #"{"currencyCode":"USD","amount":"19.99"}"#, #"{"currencyCode":"USD","amount":19.99}"#, #"{"currencyCode":"USD","amount":1999e-2}"#,
    ])
    func readsPrices(_ price: String) throws {
        let p = try #require(Identifier("p"))
        #expect(try command("product.change-price", #"{"productId":"p","price":\#(price)}"#) == .product(p, .changePrice(usd(19, 990_000_000))))
    }

    @Test(arguments: [
        ("{\"units\":-1}", "/price: must be an amount that is not negative"), ("{\"nanos\":1000000000}", "/price: must be an amount that is not negative"),
        ("{\"amount\":\"-0.01\"}", "/price: must be an amount that is not negative"),
        ("{\"amount\":0.0000000001}", "/price/amount: must be a decimal number with at most 9 decimals"),
        ("{\"amount\":\"19,99\"}", "/price/amount: must be a decimal number with at most 9 decimals"),
        ("{\"amount\":true}", "/price/amount: must be a decimal number with at most 9 decimals"),
        ("{\"amount\":1,\"units\":1}", "/price/amount: stands in place of units and nanos"),
        ("{\"units\":1.5}", "/price/units: must be an integer of 64 bits"), ("{\"nanos\":1.5}", "/price/nanos: must be an integer from -2147483648 to 2147483647"),
        ("19.99", "/price: must be an object"), ("null", "/price: is required"), ("{\"cents\":1}", "/price/cents: unknown member"),
    ])
    func readsNoOtherPrices(_ price: String, _ error: String) {
        #expect(wrong("product.change-price", #"{"productId":"p","price":\#(price)}"#) == [error])
    }

    @Test func readsProducts() throws {
        let p = try #require(Identifier("p"))
        #expect(
            try command("product.create", #"{"productId":"p","name":"n","picture":"i","categories":["a","b"],"price":{"amount":1}}"#)
                == .product(p, .create(ProductDetails(name: "n", picture: "i", categories: ["a", "b"]), price: Money(currency: "", units: 1))))
        #expect(
            try command("product.update", #"{"productId":"p","description":"","categories":[],"name":null}"#)
                == .product(p, .update(ProductChange(description: "", categories: []))))
        #expect(
            wrong("product.create", #"{"productId":"p","name":"","categories":["a",1,""],"price":{"amount":1}}"#)
                == ["/name: must be 1 to 512 bytes long", "/categories/1: must be a string", "/categories/2: must be 1 to 128 bytes long"])
        let many = Array(repeating: "\"c\"", count: 65).joined(separator: ",")
        #expect(wrong("product.update", #"{"productId":"p","categories":[\#(many)]}"#) == ["/categories: must have at most 64 elements"])
        #expect(wrong("product.update", #"{"productId":"p","categories":{}}"#) == ["/categories: must be an array"])
    }

    @Test func readsSales() throws {
        let (s, p) = (try #require(Identifier("s")), try #require(Identifier("p")))
        #expect(
            try command("flash-sale.start", #"{"saleId":"s","products":[{"productId":"p","price":{"amount":1}}],"endsAt":"1970-01-01T00:00:01Z"}"#)
                == .flashSale(s, .start([PricedProduct(p, Money(currency: "", units: 1))], startsAt: nil, endsAt: Timestamp(microseconds: 1_000_000))))
        #expect(try command("flash-sale.end", #"{"saleId":"s"}"#) == .flashSale(s, .end))
        #expect(
            wrong("flash-sale.start", #"{"saleId":"s","products":[{"price":{"amount":1}},7],"endsAt":"x"}"#)
                == ["/products/0/productId: is required", "/products/1: must be an object", "/endsAt: must be a time as RFC 3339 writes it"])
        // As many as there may be, each with all there is to say; and wrong ones are not all named.
        let offer = #"{"productId":"p","price":{"currencyCode":"USD","units":"1","nanos":2}}"#
        let most = Array(repeating: offer, count: FlashSale.mostProducts).joined(separator: ",")
        #expect(wrong("flash-sale.start", #"{"saleId":"s","products":[\#(most)],"endsAt":"1970-01-01T00:00:01Z"}"#) == [])
        #expect(wrong("flash-sale.start", #"{"saleId":"s","products":[\#(most),\#(offer)],"endsAt":"1970-01-01T00:00:01Z"}"#).count == 1)
        let bad = Array(repeating: "7", count: 200).joined(separator: ",")
        #expect(wrong("flash-sale.start", #"{"saleId":"s","products":[\#(bad)],"endsAt":"1970-01-01T00:00:01Z"}"#).count == 16)
    }

    @Test func readsQueries() throws {
        let id = try #require(Identifier("x"))
        let queries: [(String, String, Query)] = [
            ("order.get", "orderId", .order(id)), ("saga.get", "sagaId", .saga(id)), ("product.get", "productId", .product(id)),
            ("flash-sale.get", "saleId", .flashSale(id)),
        ]
        for (name, parameter, query) in queries {
            let index = try #require(Registry.query(named: name))
            #expect(Registry.parameters(ofQuery: index) == [parameter])
            #expect(try Registry.decode(query: index, parameters: [[UInt8(ascii: "x")]]).get() == query)
        }
    }
}
