import Contracts
import Exchanges

/// A product of the catalogue; its id is its SKU. State is the fold of its events, nothing else.
public struct Product: Aggregate, Equatable {
    public static let type = "Product"
    /// Prices that are remembered, the latest.
    public static let mostPrices = 100

    /// A price, and since when it holds.
    public struct Pricing: Sendable, Equatable {
        public var price: Money
        public var from: Timestamp
    }

    /// Nil for a product that never was.
    public internal(set) var details: ProductDetails?
    /// The price history: the latest is last.
    public internal(set) var prices: [Pricing] = []
    public internal(set) var createdAt = Timestamp(microseconds: 0)
    /// Of the last event.
    public internal(set) var updatedAt = Timestamp(microseconds: 0)
    /// Of its last event; 0 for a product that never was.
    public internal(set) var version: UInt64 = 0

    public init() {}

    public var price: Money? { prices.last?.price }

    var cost: Int { 512 + (details?.cost ?? 0) + 96 * prices.count }

    static let unknown = Refusal(.notFound, "there is no such product", field: "/productId")

    // MARK: - Fold

    public mutating func apply(_ event: ProductEvent, at instant: Timestamp) {
        version += 1
        updatedAt = instant
        switch event {
        case .created(let details, let price):
            self.details = details
            createdAt = instant
            prices = [Pricing(price: price, from: instant)]
        case .updated(let details):
            self.details = details
        case .priceChanged(_, let new):
            prices.append(Pricing(price: new, from: instant))
            if prices.count > Product.mostPrices { prices.removeFirst() }
        }
    }

    // MARK: - Decide

    public func decide(_ action: ProductAction, at now: Timestamp) throws(Refusal) -> [ProductEvent] {
        switch action {
        case .create(let wanted, let price):
            try Product.check(price)
            guard let details else { return [.created(wanted, price: price)] }
            guard details == wanted, self.price == price else {
                throw Refusal(.illegalState, "there is another product under this id", field: "/productId")
            }
            return []
        case .update(let change):
            guard let details else { throw Product.unknown }
            let changed = change.applied(to: details)
            return changed == details ? [] : [.updated(changed)]
        case .changePrice(let new):
            try Product.check(new)
            guard details != nil, let price else { throw Product.unknown }
            return new == price ? [] : [.priceChanged(old: price, new: new)]
        }
    }

    static func check(_ price: Money) throws(Refusal) {
        guard price.isValid, !price.isNegative else {
            throw Refusal(.validationError, "the price must be a valid amount and not negative", field: "/price")
        }
    }

    // MARK: - Answer

    /// `{"productId","name","description","picture","categories":[…],"price","priceHistory":[{"price","from"}],
    /// "createdAt","updatedAt","version"}`
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        guard let details, let price else { throw Product.unknown }
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("productId")
        json.string(id)
        json.members(details)
        json.name("price")
        json.money(price)
        json.name("priceHistory")
        json.beginArray()
        for pricing in prices {
            json.beginObject()
            json.name("price")
            json.money(pricing.price)
            json.name("from")
            json.string(pricing.from.description)
            json.endObject()
        }
        json.endArray()
        json.name("createdAt")
        json.string(createdAt.description)
        json.name("updatedAt")
        json.string(updatedAt.description)
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }
}
