import Contracts
import Exchanges

extension FlashSale {
    public static var snapshotVersion: UInt32 { 1 }

    public func snapshot() -> [UInt8]? {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("offers")
        json.beginArray()
        for offer in offers {
            json.beginObject()
            json.name("productId")
            json.string(offer.product)
            json.name("prices")
            json.beginArray()
            for pricing in offer.prices { json.pricing(pricing.price, pricing.from) }
            json.endArray()
            json.endObject()
        }
        json.endArray()
        json.name("announcedAt")
        json.integer(announcedAt.microseconds)
        json.name("startsAt")
        json.integer(startsAt.microseconds)
        json.name("endsAt")
        json.integer(endsAt.microseconds)
        if let endedAt {
            json.name("endedAt")
            json.integer(endedAt.microseconds)
        }
        json.name("priceChanges")
        json.integer(priceChanges)
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }

    public init?(snapshot: Span<UInt8>, version: UInt64) {
        guard let members = JSONMembers(snapshot.bytes), members.int64("version") == Int64(exactly: version),
            let offers = members.objects("offers"), let announcedAt = members.microseconds("announcedAt"),
            let startsAt = members.microseconds("startsAt"), let endsAt = members.microseconds("endsAt"),
            let priceChanges = members.int64("priceChanges")
        else { return nil }
        self.init()
        for offer in offers {
            guard let product = offer.identifier("productId"), let objects = offer.objects("prices") else { return nil }
            let prices = objects.compactMap { object -> Product.Pricing? in
                guard let price = object.money("price"), let from = object.microseconds("from") else { return nil }
                return Product.Pricing(price: price, from: from)
            }
            guard prices.count == objects.count else { return nil }
            self.offers.append(Offer(product: product, prices: prices))
        }
        self.announcedAt = announcedAt
        self.startsAt = startsAt
        self.endsAt = endsAt
        endedAt = members.microseconds("endedAt")
        self.priceChanges = Int(priceChanges)
        self.version = version
    }
}
