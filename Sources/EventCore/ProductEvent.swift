import Contracts

/// What may be asked of a product.
public enum ProductAction: Sendable, Equatable {
    /// The same again changes nothing; something else under the id of one that is there is refused.
    case create(ProductDetails, price: Money)
    case update(ProductChange)
    case changePrice(Money)
}

/// What can have happened to a product (SPEC 25). Version 1 of the payloads.
public enum ProductEvent: AggregateEvent, Equatable {
    case created(ProductDetails, price: Money)
    /// All of the details, as they are now.
    case updated(ProductDetails)
    case priceChanged(old: Money, new: Money)

    public static let schemaVersion: UInt32 = 1

    public var type: String {
        switch self {
        case .created: "ProductCreated"
        case .updated: "ProductUpdated"
        case .priceChanged: "ProductPriceChanged"
        }
    }

    public var payload: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        switch self {
        case .created(let details, let price):
            json.members(details)
            json.name("price")
            json.money(price)
        case .updated(let details):
            json.members(details)
        case .priceChanged(let old, let new):
            json.name("old")
            json.money(old)
            json.name("new")
            json.money(new)
        }
        json.endObject()
        return json.sink
    }

    /// From what the store holds; nil when it is not one of ours or of a version we cannot read.
    /// Members added by a later minor change are ignored.
    public init?(_ event: Event) {
        guard event.schemaVersion == ProductEvent.schemaVersion, let members = JSONMembers(event.payload) else { return nil }
        switch event.type {
        case "ProductCreated":
            guard let details = ProductDetails(members), let price = members.money("price") else { return nil }
            self = .created(details, price: price)
        case "ProductUpdated":
            guard let details = ProductDetails(members) else { return nil }
            self = .updated(details)
        case "ProductPriceChanged":
            guard let old = members.money("old"), let new = members.money("new") else { return nil }
            self = .priceChanged(old: old, new: new)
        default: return nil
        }
    }
}
