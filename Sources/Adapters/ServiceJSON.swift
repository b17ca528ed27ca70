import Contracts
import EventCore
import Exchanges

/// The messages that payment, shipping and email get when they are called by REST: the legacy messages in proto
/// JSON. Every field is written, also one with its default, so that no service has to know the defaults.
enum ServiceJSON {
    /// Values in an answer.
    private static let limits = JSONLimits(values: 4096)

    // MARK: - Requests

    /// `{"amount":{…},"creditCard":{…}}`
    static func charge(_ amount: Money, _ card: CardDetails) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("amount")
        json.money(amount)
        json.name("creditCard")
        json.beginObject()
        json.name("creditCardNumber")
        // As a customer typed it; what is no text at all is no card number either.
        json.string(utf8: JSONString.isUTF8(card.number.span) ? card.number : [])
        json.name("creditCardCvv")
        json.integer(card.cvv)
        json.name("creditCardExpirationYear")
        json.integer(card.expirationYear)
        json.name("creditCardExpirationMonth")
        json.integer(card.expirationMonth)
        json.endObject()
        json.endObject()
        return json.sink
    }

    /// `{"address":{…},"items":[{"productId","quantity"}]}`
    static func parcel(_ address: PostalAddress, _ items: [ShopItem]) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("address")
        json.address(address)
        json.name("items")
        json.beginArray()
        for item in items { json.item(item.product, item.quantity) }
        json.endArray()
        json.endObject()
        return json.sink
    }

    /// `{"email","order":{…}}`
    static func confirmation(_ email: String, _ order: ShopOrder) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("email")
        json.string(email)
        json.name("order")
        json.order(order)
        json.endObject()
        return json.sink
    }

    /// `{"transactionId","amount":{…}}` or `{"trackingId"}`
    static func undo(_ name: StaticString, _ id: String, _ amount: Money?) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name(name)
        json.string(id)
        if let amount {
            json.name("amount")
            json.money(amount)
        }
        json.endObject()
        return json.sink
    }

    // MARK: - Answers

    /// A member that is text; nil when the answer is no such object.
    static func text(_ camel: StaticString, _ snake: StaticString, in body: [UInt8]) -> String? {
        guard let tape = try? JSONTape(body.span, limits: limits),
            let at = tape.member(camel, of: 0, in: body.span) ?? tape.member(snake, of: 0, in: body.span),
            tape[at].kind == .string
        else { return nil }
        return String(decoding: tape.string(at, in: body.span), as: UTF8.self)
    }

    /// `{"costUsd":{"currencyCode","units","nanos"}}`, absent members being 0.
    static func quote(in body: [UInt8]) -> Money? {
        let text = body.span
        guard let tape = try? JSONTape(text, limits: limits),
            let at = tape.member("costUsd", of: 0, in: text) ?? tape.member("cost_usd", of: 0, in: text),
            tape[at].kind == .object
        else { return nil }
        var money = Money(currency: "")
        if let code = tape.member("currencyCode", of: at, in: text) ?? tape.member("currency_code", of: at, in: text) {
            guard tape[code].kind == .string else { return nil }
            money.currency = String(decoding: tape.string(code, in: text), as: UTF8.self)
        }
        if let place = tape.member("units", of: at, in: text) {
            guard let units = tape.integer(place, in: text) else { return nil }
            money.units = units
        }
        if let place = tape.member("nanos", of: at, in: text) {
            guard let value = tape.integer(place, in: text), let nanos = Int32(exactly: value) else { return nil }
            money.nanos = nanos
        }
        return money
    }

    /// Why a service says no: RFC 9457's `detail`, `message`, or `title`; empty when it says nothing one can read.
    static func reason(in body: [UInt8]) -> String {
        text("detail", "message", in: body) ?? text("title", "error", in: body) ?? ""
    }
}

extension JSONWriter {
    mutating func item(_ product: String, _ quantity: Int32) {
        beginObject()
        name("productId")
        string(product)
        name("quantity")
        integer(quantity)
        endObject()
    }

    /// `OrderResult`.
    mutating func order(_ order: ShopOrder) {
        beginObject()
        name("orderId")
        string(order.id)
        name("shippingTrackingId")
        string(order.tracking)
        name("shippingCost")
        money(order.shippingCost)
        name("shippingAddress")
        address(order.address)
        name("items")
        beginArray()
        for line in order.lines {
            beginObject()
            name("item")
            item(line.product.description, line.quantity)
            name("cost")
            money(line.cost)
            endObject()
        }
        endArray()
        endObject()
    }
}
