import Exchanges

/// What may be asked of a sale.
public enum FlashSaleAction: Sendable, Equatable {
    /// Announces it; without `startsAt`, or with one that has passed, it begins at once.
    case start([PricedProduct], startsAt: Timestamp?, endsAt: Timestamp)
    case changePrice(product: Identifier, Money)
    case end
}

/// A product at a price.
public struct PricedProduct: Sendable, Equatable {
    public var product: Identifier
    public var price: Money

    public init(_ product: Identifier, _ price: Money) {
        self.product = product
        self.price = price
    }
}

extension FlashSale {
    public func decide(_ action: FlashSaleAction, at now: Timestamp) throws(Refusal) -> [FlashSaleEvent] {
        switch action {
        case .start(let products, let startsAt, let endsAt): return try start(products, startsAt, endsAt, now)
        case .changePrice(let product, let price): return try changePrice(of: product, to: price, now)
        case .end:
            guard version > 0 else { throw FlashSale.unknown }
            // Also when it has ended by itself: then the log says so.
            return endedAt == nil ? [.ended(at: min(now, endsAt))] : []
        }
    }

    private func start(
        _ products: [PricedProduct], _ startsAt: Timestamp?, _ endsAt: Timestamp, _ now: Timestamp
    ) throws(Refusal) -> [FlashSaleEvent] {
        if version > 0 {
            let asked = offers.compactMap { offer in offer.prices.last.map { PricedProduct(offer.product, $0.price) } }
            guard asked == products, self.endsAt == endsAt, endedAt == nil,
                self.startsAt == max(startsAt ?? announcedAt, announcedAt)
            else { throw Refusal(.illegalState, "there is another sale under this id", field: "/saleId") }
            return []
        }
        guard !products.isEmpty, products.count <= FlashSale.mostProducts else {
            throw Refusal(.validationError, "a sale has 1 to 200 products", field: "/products")
        }
        guard Set(products.map(\.product)).count == products.count else {
            throw Refusal(.validationError, "a product is given twice", field: "/products")
        }
        for product in products { try Product.check(product.price) }
        let begins = max(startsAt ?? now, now)
        guard begins.microseconds - now.microseconds <= FlashSale.longest else {
            throw Refusal(.validationError, "a sale begins within 366 days", field: "/startsAt")
        }
        guard endsAt > begins else {
            throw Refusal(.validationError, "the sale would have ended before it began", field: "/endsAt")
        }
        guard endsAt.microseconds - begins.microseconds <= FlashSale.longest else {
            throw Refusal(.validationError, "a sale lasts 366 days at most", field: "/endsAt")
        }
        return [.started(products, startsAt: begins, endsAt: endsAt)]
    }

    private func changePrice(
        of product: Identifier, to price: Money, _ now: Timestamp
    ) throws(Refusal) -> [FlashSaleEvent] {
        guard version > 0 else { throw FlashSale.unknown }
        try Product.check(price)
        guard status(at: now) != .ended else { throw Refusal(.illegalState, "the sale has ended") }
        guard let old = offers.first(where: { $0.product == product })?.prices.last?.price else {
            throw Refusal(.notFound, "the sale has no such product", field: "/productId")
        }
        if old == price { return [] }
        guard priceChanges < FlashSale.mostPriceChanges else {
            throw Refusal(.illegalState, "the sale's prices were changed as often as they may be")
        }
        return [.priceChanged(product, old: old, new: price)]
    }
}
