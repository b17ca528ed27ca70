/// The orders' commands and queries, as they come. Placing, paying and cancelling are for the checkout, which asks
/// others first; the rest goes to the order at once.
enum OrderCommands {
    static let commands = [
        CommandName(checkout: "order.place", holdsCard: true, place),
        CommandName(checkout: "order.pay", path: ["orderId"], holdsCard: true, pay),
        CommandName(checkout: "order.cancel", path: ["orderId"], cancel),
        CommandName("order.process", path: ["orderId"]) { order(&$0, $1, .startProcessing) },
        CommandName("order.ship", path: ["orderId"]) { order(&$0, $1, .ship) },
        CommandName("order.deliver", path: ["orderId"]) { order(&$0, $1, .deliver) },
        CommandName("order.complete", path: ["orderId"]) { order(&$0, $1, .complete) },
    ]
    static let queries = [
        QueryName(name: "order.get", parameter: "orderId") { .order($0) },
        QueryName(name: "saga.get", parameter: "sagaId") { .saga($0) },
    ]

    private static let text = 0...PricedOrder.longestText

    /// The legacy shop's PlaceOrder (LEGACY 5). User, currency and e-mail may be empty or absent, as there; what
    /// crashed its services halfway through is refused.
    @Sendable private static func place(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> CheckoutRequest? {
        let root = decoder.members(of: 0, at: "", [.userId, .userCurrency, .address, .email, .creditCard], text)
        let user = decoder.identifierIfAny(root[0], at: "/userId", text)
        let currency = decoder.textIfAny(root[1], bytes: 0...Money.longestCurrency, at: "/userCurrency", text)
        let address = address(&decoder, root[2], at: "/address", text)
        let email = decoder.textIfAny(root[3], bytes: Self.text, at: "/email", text)
        let card = card(&decoder, root[4], at: "/creditCard", text)
        guard let address, let card else { return nil }
        return .place(Placement(user: user, currency: currency ?? "", address: address, email: email ?? "", card: card))
    }

    @Sendable private static func pay(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> CheckoutRequest? {
        let root = decoder.members(of: 0, at: "", [.orderId, .creditCard], text)
        let order = decoder.identifier(root[0], at: "/orderId", text)
        let card = card(&decoder, root[1], at: "/creditCard", text)
        guard let order, let card else { return nil }
        return .pay(order: order, card)
    }

    @Sendable private static func cancel(_ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> CheckoutRequest? {
        let root = decoder.members(of: 0, at: "", [.orderId, .reason], text)
        let order = decoder.identifier(root[0], at: "/orderId", text)
        let reason = decoder.textIfAny(root[1], bytes: 0...Failure.longestReason, at: "/reason", text)
        return order.map { .cancel(order: $0, reason: reason ?? "", expected: .any) }
    }

    private static func order(_ decoder: inout CommandDecoder, _ text: Span<UInt8>, _ action: OrderAction) -> Command? {
        let root = decoder.members(of: 0, at: "", [.orderId], text)
        return decoder.identifier(root[0], at: "/orderId", text).map { .order($0, action) }
    }

    private static func address(
        _ decoder: inout CommandDecoder, _ at: Int?, at pointer: String, _ text: Span<UInt8>
    ) -> PostalAddress? {
        let names: [CommandDecoder.Name] = [.streetAddress, .city, .state, .country, .zipCode]
        guard let members = decoder.object(at, at: pointer, names, text) else { return nil }
        func part(_ i: Int, _ decoder: inout CommandDecoder, _ text: Span<UInt8>) -> String {
            decoder.textIfAny(members[i], bytes: Self.text, at: pointer + "/" + names[i].camel.description, text) ?? ""
        }
        return PostalAddress(
            street: part(0, &decoder, text), city: part(1, &decoder, text), state: part(2, &decoder, text),
            country: part(3, &decoder, text), zipCode: decoder.int32(members[4], at: pointer + "/zipCode", text))
    }

    /// As given: which numbers are good is for the payment service to say.
    private static func card(
        _ decoder: inout CommandDecoder, _ at: Int?, at pointer: String, _ text: Span<UInt8>
    ) -> CardDetails? {
        let names: [CommandDecoder.Name] = [.cardNumber, .cardCvv, .cardYear, .cardMonth]
        guard let members = decoder.object(at, at: pointer, names, text) else { return nil }
        let number = decoder.textIfAny(
            members[0], bytes: 0...CardDetails.longestNumber, at: pointer + "/creditCardNumber", text)
        return CardDetails(
            number: Array((number ?? "").utf8), cvv: decoder.int32(members[1], at: pointer + "/creditCardCvv", text),
            expirationYear: decoder.int32(members[2], at: pointer + "/creditCardExpirationYear", text),
            expirationMonth: decoder.int32(members[3], at: pointer + "/creditCardExpirationMonth", text))
    }
}

extension CardDetails {
    /// Characters of a card's number, spaces and dashes included.
    static let longestNumber = 32
}

extension CommandDecoder.Name {
    fileprivate static let userCurrency = Self(camel: "userCurrency", snake: "user_currency")
    fileprivate static let address = Self(camel: "address", snake: "address")
    fileprivate static let email = Self(camel: "email", snake: "email")
    fileprivate static let creditCard = Self(camel: "creditCard", snake: "credit_card")
    fileprivate static let streetAddress = Self(camel: "streetAddress", snake: "street_address")
    fileprivate static let city = Self(camel: "city", snake: "city")
    fileprivate static let state = Self(camel: "state", snake: "state")
    fileprivate static let country = Self(camel: "country", snake: "country")
    fileprivate static let zipCode = Self(camel: "zipCode", snake: "zip_code")
    fileprivate static let cardNumber = Self(camel: "creditCardNumber", snake: "credit_card_number")
    fileprivate static let cardCvv = Self(camel: "creditCardCvv", snake: "credit_card_cvv")
    fileprivate static let cardYear = Self(camel: "creditCardExpirationYear", snake: "credit_card_expiration_year")
    fileprivate static let cardMonth = Self(camel: "creditCardExpirationMonth", snake: "credit_card_expiration_month")
}
