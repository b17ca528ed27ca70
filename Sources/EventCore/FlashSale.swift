import Contracts
import Exchanges

/// Lower prices for some products, for a while; its id is the sale's. State is the fold of its events, nothing else.
///
/// A sale ends by itself when its time is up, at once and without an event.
public struct FlashSale: Aggregate, Equatable {
    public static let type = "FlashSale"
    public static let mostProducts = 200
    /// Prices of one product that are remembered, the latest.
    static let mostPrices = 32
    /// Changes of prices in one sale.
    public static let mostPriceChanges = 1000
    /// From now to its beginning, and from there to its end: 366 days, in microseconds.
    public static let longest: Int64 = 366 * 24 * 3600 * 1_000_000

    /// A product in the sale.
    public struct Offer: Sendable, Equatable {
        public var product: Identifier
        /// The latest is last.
        public internal(set) var prices: [Product.Pricing]
    }

    public enum Status: String, Sendable {
        case scheduled = "SCHEDULED"
        case active = "ACTIVE"
        case ended = "ENDED"
    }

    /// In the order in which they were given.
    public internal(set) var offers: [Offer] = []
    public internal(set) var announcedAt = Timestamp(microseconds: 0)
    public internal(set) var startsAt = Timestamp(microseconds: 0)
    /// As it was announced.
    public internal(set) var endsAt = Timestamp(microseconds: 0)
    /// When it was ended, if somebody has done so.
    public internal(set) var endedAt: Timestamp?
    public internal(set) var priceChanges = 0
    /// Of its last event; 0 for a sale that never was.
    public internal(set) var version: UInt64 = 0

    public init() {}

    var cost: Int { 512 + offers.reduce(0) { $0 + 192 + 96 * $1.prices.count } }

    static let unknown = Refusal(.notFound, "there is no such sale", field: "/saleId")

    public func status(at now: Timestamp) -> Status {
        if now >= min(endsAt, endedAt ?? endsAt) { return .ended }
        return now < startsAt ? .scheduled : .active
    }

    /// The product's price in the sale at an instant; nil when the sale was not on then, or has no such product, or
    /// the price of then is forgotten.
    public func price(of product: Identifier, at instant: Timestamp) -> Money? {
        guard version > 0, status(at: instant) == .active, let offer = offers.first(where: { $0.product == product }) else { return nil }
        return offer.prices.last { $0.from <= instant }?.price
    }

    // MARK: - Fold

    public mutating func apply(_ event: FlashSaleEvent, at instant: Timestamp) {
        version += 1
        switch event {
        case .started(let products, let startsAt, let endsAt):
            announcedAt = instant
            self.startsAt = startsAt
            self.endsAt = endsAt
            offers = products.map { Offer(product: $0.product, prices: [.init(price: $0.price, from: startsAt)]) }
        case .priceChanged(let product, _, let new):
            priceChanges += 1
            guard let at = offers.firstIndex(where: { $0.product == product }) else { return }
            let from = max(instant, startsAt)
            // Before the sale has begun nobody has bought for the price that was.
            if offers[at].prices.last?.from == from { offers[at].prices.removeLast() }
            offers[at].prices.append(.init(price: new, from: from))
            if offers[at].prices.count > FlashSale.mostPrices { offers[at].prices.removeFirst() }
        case .ended(let instant):
            if endedAt == nil { endedAt = instant }
        }
    }

    // MARK: - Answer

    /// `{"saleId","status","products":[{"productId","price"}],"startsAt","endsAt","endedAt"?,"version"}`
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        guard version > 0 else { throw FlashSale.unknown }
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("saleId")
        json.string(id)
        json.name("status")
        json.string(status(at: now).rawValue)
        json.name("products")
        json.products(offers.compactMap { offer in offer.prices.last.map { .init(offer.product, $0.price) } })
        json.name("startsAt")
        json.string(startsAt.description)
        json.name("endsAt")
        json.string(endsAt.description)
        if let endedAt {
            json.name("endedAt")
            json.string(endedAt.description)
        }
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }
}
