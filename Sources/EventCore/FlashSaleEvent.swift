import Contracts

/// What can have happened to a sale (SPEC 25). Version 1 of the payloads.
public enum FlashSaleEvent: AggregateEvent, Equatable {
    /// Announced; it is on from `startsAt`.
    case started([PricedProduct], startsAt: Timestamp, endsAt: Timestamp)
    case priceChanged(Identifier, old: Money, new: Money)
    case ended(at: Timestamp)

    public static let schemaVersion: UInt32 = 1

    public var type: String {
        switch self {
        case .started: "FlashSaleStarted"
        case .priceChanged: "FlashSalePriceChanged"
        case .ended: "FlashSaleEnded"
        }
    }

    public var payload: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        switch self {
        case .started(let products, let startsAt, let endsAt):
            json.name("products")
            json.products(products)
            json.name("startsAt")
            json.string(startsAt.description)
            json.name("endsAt")
            json.string(endsAt.description)
        case .priceChanged(let product, let old, let new):
            json.name("productId")
            json.string(product)
            json.name("old")
            json.money(old)
            json.name("new")
            json.money(new)
        case .ended(let instant):
            json.name("endedAt")
            json.string(instant.description)
        }
        json.endObject()
        return json.sink
    }

    /// From what the store holds; nil when it is not one of ours or of a version we cannot read.
    /// Members added by a later minor change are ignored.
    public init?(_ event: Event) {
        guard event.schemaVersion == FlashSaleEvent.schemaVersion, let members = JSONMembers(event.payload) else { return nil }
        switch event.type {
        case "FlashSaleStarted":
            guard let objects = members.objects("products"), let startsAt = members.timestamp("startsAt"),
                let endsAt = members.timestamp("endsAt")
            else { return nil }
            let products = objects.compactMap { PricedProduct($0) }
            guard products.count == objects.count else { return nil }
            self = .started(products, startsAt: startsAt, endsAt: endsAt)
        case "FlashSalePriceChanged":
            guard let product = members.identifier("productId"), let old = members.money("old"),
                let new = members.money("new")
            else { return nil }
            self = .priceChanged(product, old: old, new: new)
        case "FlashSaleEnded":
            guard let instant = members.timestamp("endedAt") else { return nil }
            self = .ended(at: instant)
        default: return nil
        }
    }
}

extension PricedProduct {
    init?(_ members: JSONMembers) {
        guard let product = members.identifier("productId"), let price = members.money("price") else { return nil }
        self.init(product, price)
    }
}

extension JSONWriter {
    mutating func products(_ products: [PricedProduct]) {
        beginArray()
        for product in products {
            beginObject()
            name("productId")
            string(product.product)
            name("price")
            money(product.price)
            endObject()
        }
        endArray()
    }
}
