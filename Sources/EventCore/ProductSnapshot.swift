import Contracts
import Exchanges

extension Product {
    public static var snapshotVersion: UInt32 { 1 }

    public func snapshot() -> [UInt8]? {
        guard let details else { return nil }
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.members(details)
        json.name("prices")
        json.beginArray()
        for pricing in prices { json.pricing(pricing.price, pricing.from) }
        json.endArray()
        json.name("createdAt")
        json.integer(createdAt.microseconds)
        json.name("updatedAt")
        json.integer(updatedAt.microseconds)
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }

    public init?(snapshot: Span<UInt8>, version: UInt64) {
        guard let members = JSONMembers(snapshot.bytes), members.int64("version") == Int64(exactly: version),
            let details = ProductDetails(members), let prices = members.objects("prices"),
            let createdAt = members.microseconds("createdAt"), let updatedAt = members.microseconds("updatedAt")
        else { return nil }
        self.init()
        for pricing in prices {
            guard let price = pricing.money("price"), let from = pricing.microseconds("from") else { return nil }
            self.prices.append(Pricing(price: price, from: from))
        }
        self.details = details
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.version = version
    }
}

extension JSONWriter {
    /// A price and since when, in a snapshot: instants are exact numbers there.
    mutating func pricing(_ price: Money, _ from: Timestamp) {
        beginObject()
        name("price")
        money(price)
        name("from")
        integer(from.microseconds)
        endObject()
    }
}

extension JSONMembers {
    func microseconds(_ name: StaticString) -> Timestamp? { int64(name).map { Timestamp(microseconds: $0) } }
}
