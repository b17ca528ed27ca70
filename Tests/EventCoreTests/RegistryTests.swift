import EventCore
import Testing

private func decode(_ name: String, _ body: String) -> Result<Command, Invalid> {
    Registry.decode(command: Registry.command(named: name) ?? -1, body: body.utf8Span.span).flatMap { request in
        guard case .command(let command) = request else { return .failure(Invalid("no command of the log", [])) }
        return .success(command)
    }
}

/// `pointer: error` of each wrong field.
private func wrong(_ name: String, _ body: String) -> [String] {
    if case .failure(let invalid) = decode(name, body) { return invalid.fields.map { "\($0.pointer): \($0.error)" } }
    return []
}

@Suite struct RegistryTests {
    @Test func decodesEveryCommand() throws {
        let (u, p) = (try #require(Identifier("u")), try #require(Identifier("p")))
        #expect(
            try decode("cart.add", #"{"userId":"u","item":{"productId":"p","quantity":2}}"#).get()
                == .cart(u, .add(product: p, quantity: 2)))
        #expect(
            try decode("cart.add", #"{"item":{"quantity":"2","product_id":"p"},"user_id":"u"}"#).get()
                == .cart(u, .add(product: p, quantity: 2)))
        #expect(
            try decode("cart.remove", #"{"userId":"u","productId":"\u0070"}"#).get() == .cart(u, .remove(product: p)))
        #expect(
            try decode("cart.update", #"{"userId":"u","productId":"p","quantity":0}"#).get()
                == .cart(u, .update(product: p, quantity: 0)))
        #expect(try decode("cart.empty", #"{"userId":"u"}"#).get() == .cart(u, .empty))
    }

    @Test func decodesEveryCommandOfTheInventory() throws {
        let (p, r, o) = (try #require(Identifier("p")), try #require(Identifier("r")), try #require(Identifier("o")))
        #expect(
            try decode("inventory.adjust", #"{"productId":"p","delta":-3,"reason":"r","eventId":"o"}"#).get()
                == .inventory(p, .adjust(delta: -3, reason: r, eventId: o)))
        #expect(
            try decode("inventory.adjust", #"{"productId":"p","delta":-3,"reason":"r","eventId":"o","ts":"2026-03-01T09:45:00Z"}"#).get()
                == .inventory(p, .adjust(delta: -3, reason: r, eventId: o)))
        // As a gRPC message without them is written.
        #expect(
            try decode("inventory.reserve", #"{"productId":"p","reservationId":"r","orderId":"","quantity":2,"expiresAt":null}"#).get()
                == .inventory(p, .reserve(reservation: r, order: nil, quantity: 2, expiresAt: nil)))
        #expect(
            try decode(
                "inventory.reserve",
                #"{"product_id":"p","reservation_id":"r","order_id":"o","quantity":"2","expires_at":"1970-01-01T01:00:01.0000019+01:00"}"#
            ).get()
                == .inventory(p, .reserve(reservation: r, order: o, quantity: 2, expiresAt: Timestamp(microseconds: 1_000_001))))
        #expect(
            try decode("inventory.release", #"{"productId":"p","reservationId":"r","reason":"RELEASE_REASON_COMPENSATION"}"#).get()
                == .inventory(p, .release(reservation: r, order: nil, reason: .compensation)))
        #expect(
            try decode("inventory.release", #"{"productId":"p","reservationId":"r"}"#).get()
                == .inventory(p, .release(reservation: r, order: nil, reason: .unspecified)))
    }

    @Test func namesEveryWrongFieldOfTheInventory() {
        #expect(
            wrong("inventory.reserve", #"{"productId":"p","reservationId":"r","quantity":0,"expiresAt":"soon"}"#)
                == ["/quantity: must be an integer from 1 to 2147483647", "/expiresAt: must be a time as RFC 3339 writes it"])
        #expect(
            wrong("inventory.reserve", #"{"productId":"p","reservationId":"r","quantity":1,"expiresAt":7}"#)
                == ["/expiresAt: must be a time as RFC 3339 writes it"])
        #expect(wrong("inventory.adjust", #"{"productId":"p","delta":2147483648,"reason":"r","eventId":1}"#).count == 2)
        #expect(
            wrong("inventory.adjust", #"{"productId":"p","delta":1,"reason":"r","ts":"yesterday"}"#)
                == ["/ts: must be a time as RFC 3339 writes it"])
        for reason in ["\"RELEASE_REASON_EXPIRED\"", "\"sold\"", "1", "\"\""] {
            #expect(
                wrong("inventory.release", #"{"productId":"p","reservationId":"r","reason":\#(reason)}"#)
                    == ["/reason: must be RELEASE_REASON_COMPENSATION or RELEASE_REASON_ORDER_CANCELLED"])
        }
    }

    @Test(arguments: ["1", "\"1\"", "1.0", "10e-1", "\"1e0\"", "2147483647"])
    func acceptsIntegers(_ quantity: String) {
        #expect(wrong("cart.add", #"{"userId":"u","item":{"productId":"p","quantity":\#(quantity)}}"#) == [])
    }

    @Test(arguments: [
        "1.5", "\"1.5\"", "0", "-1", "2147483648", "\"2147483648\"", "1e10", "true", "[]", "\"\"", "\" 1\"", "\"x\"",
    ])
    func refusesOtherQuantities(_ quantity: String) {
        #expect(
            wrong("cart.add", #"{"userId":"u","item":{"productId":"p","quantity":\#(quantity)}}"#)
                == ["/item/quantity: must be an integer from 1 to 2147483647"])
    }

    @Test func namesEveryWrongField() {
        #expect(wrong("cart.add", "{}") == ["/userId: is required", "/item: is required"])
        #expect(wrong("cart.add", "[]") == [": must be an object"])
        #expect(wrong("cart.add", #"{"userId":1,"item":[]}"#) == ["/userId: must be a string", "/item: must be an object"])
        #expect(
            wrong("cart.remove", #"{"userId":"","productId":null,"a/b":1}"#)
                == [
                    "/a~1b: unknown member", "/userId: must be 1 to 128 bytes of UTF-8 without control characters",
                    "/productId: is required",
                ])
        #expect(wrong("cart.empty", #"{"userId":"u","user_id":"u"}"#) == ["/user_id: given twice"])
        #expect(wrong("cart.empty", #"{"userId":"u\n"}"#).count == 1)
        #expect(wrong("cart.update", #"{"userId":"u","productId":"p"}"#) == ["/quantity: is required"])
        let many = (0..<1000).map { "\"x\($0)\":0" }.joined(separator: ",")
        #expect(wrong("cart.empty", "{\(many)}").count <= 20)
    }

    @Test func saysWhereTheJSONIsWrong() {
        #expect(wrong("cart.add", #"{"userId":"u","item":{"productId":x}}"#) == ["/item/productId: unexpected character, at byte 34"])
        #expect(wrong("cart.add", "") == [": the text is empty, at byte 0"])
        #expect(wrong("cart.empty", #"{"userId":"u","userId":"v"}"#) == ["/userId: member name used twice, at byte 14"])
    }

    @Test func decodesTheQuery() throws {
        let index = try #require(Registry.query(named: "cart.get"))
        #expect(Registry.parameters(ofQuery: index) == ["userId"])
        #expect(try Registry.decode(query: index, parameters: [[0x75]]).get() == .cart(try #require(Identifier("u"))))
        for bad in [nil, [], [0xFF], [0x0A]] as [[UInt8]?] {
            #expect(throws: Invalid.self) { try Registry.decode(query: index, parameters: [bad]).get() }
        }
        #expect(Registry.command(named: "cart.get") == nil)
    }
}
