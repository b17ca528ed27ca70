import Contracts

/// What the event core answers, in the words of JSON Schema: the objects that queries find, and what commands say they
/// have done. More members may come; those that are required stay.
enum APIStates {
    /// By the query's name.
    static func ofQuery(_ name: String) -> (name: String, schema: JSONValue)? {
        switch name {
        case "cart.get": ("Cart", cart)
        case "inventory.get": ("Inventory", inventory)
        case "order.get": ("Order", order)
        case "saga.get": ("Saga", saga)
        case "product.get": ("Product", product)
        case "flash-sale.get": ("FlashSale", flashSale)
        default: nil
        }
    }

    /// Commands that checkout carries out: their answer is about the order, and its end can be waited for.
    static let ofCheckout: Set<String> = ["order.place", "order.pay", "order.cancel"]

    static let accepted = object(
        "What a command has done.",
        required: ["aggregateId": text, "version": version, "eventIds": list(text)])

    static let orderAccepted = object(
        "What has been done to an order, and how far it is.",
        required: ["orderId": text, "version": version, "status": text, "sagaId": text],
        optional: ["state": text, "eventIds": list(text)])

    // MARK: - Objects

    private static let cart = object(
        "A cart.",
        required: [
            "userId": text,
            "items": list(object("A product.", required: ["productId": text, "quantity": .members(["type": .string("integer")])])),
            "version": version,
        ])

    private static let inventory = object(
        "What of a product is in stock.",
        required: [
            "productId": text, "onHand": integer, "reserved": integer, "available": .members(["type": .string("integer"), "minimum": .integer(0)]),
            "updatedAt": time, "version": version,
        ])

    private static let order = object(
        "An order. Of the card there are four digits, of the e-mail address two characters and the domain.",
        required: [
            "orderId": text, "status": text, "state": text,
            "items": list(
                object("A line.", required: ["productId": text, "name": text, "category": text, "quantity": integer, "cost": money])),
            "shippingCost": money, "total": money, "currency": text,
            "shippingAddress": object(
                "Where it goes.", required: ["streetAddress": text, "city": text, "state": text, "country": text, "zipCode": integer]),
            "email": text, "card": object("The card.", required: ["lastFour": text]), "refundOwed": .members(["type": .string("boolean")]),
            "timeline": list(object("A state, and since when.", required: ["state": text, "at": time])), "version": version,
        ],
        optional: ["reason": text, "paymentTransactionId": text, "shippingTrackingId": text])

    private static let saga = object(
        "A process over several services.",
        required: [
            "sagaId": text, "definition": text, "status": text, "completedSteps": list(text),
            "steps": list(object("A step.", required: ["name": text, "status": text, "attempts": integer], optional: ["reason": text])),
            "tasks": list(object("What somebody has to decide.", required: ["step": text, "part": text, "text": text])), "version": version,
        ],
        optional: ["orderId": text, "currentStep": text, "reason": text, "nextTryAt": time, "startedAt": time, "updatedAt": time])

    private static let product = object(
        "A product.",
        required: [
            "productId": text, "name": text, "description": text, "picture": text, "categories": list(text), "price": money,
            "priceHistory": list(object("A price, and since when.", required: ["price": money, "from": time])), "createdAt": time,
            "updatedAt": time, "version": version,
        ])

    private static let flashSale = object(
        "A sale with prices of its own.",
        required: [
            "saleId": text, "status": text,
            "products": list(object("A product of the sale.", required: ["productId": text, "price": money])), "startsAt": time,
            "endsAt": time, "version": version,
        ],
        optional: ["endedAt": time])

    // MARK: - Words

    private static let text = JSONValue.members(["type": .string("string")])
    private static let time = JSONValue.members(["type": .string("string"), "format": .string("date-time")])
    private static let integer = JSONValue.members(["type": .string("integer")])
    private static let version = JSONValue.members(["type": .string("integer"), "minimum": .integer(0)])
    /// google.type.Money as ProtoJSON writes it.
    private static let money = object(
        "An amount of money.",
        required: [
            "currencyCode": text, "units": .members(["type": .string("string"), "pattern": .string("^-?[0-9]+$")]), "nanos": integer,
        ])

    private static func list(_ items: JSONValue) -> JSONValue { .members(["type": .string("array"), "items": items]) }

    private static func object(
        _ description: String, required: KeyValuePairs<String, JSONValue>, optional: KeyValuePairs<String, JSONValue> = [:]
    ) -> JSONValue {
        let members = required.map { JSONValue.Member($0.key, $0.value) } + optional.map { JSONValue.Member($0.key, $0.value) }
        return .members([
            "type": .string("object"), "description": .string(description), "properties": .object(members),
            "required": .texts(required.map(\.key)),
        ])
    }
}
