import EventCore
import Exchanges

/// What a cart costs (SPEC T-5), found by asking the shop's services as the legacy checkout does: for each product
/// the catalogue and then the currency service, then shipping and the currency service again. Nothing is kept from
/// one order to the next: prices must be right.
struct Pricing: Sendable {
    struct Priced: Sendable, Equatable {
        var lines: [OrderLine]
        var shippingCost: Money
        var total: Money
    }

    /// Products asked for at once.
    static let atOnce = 8

    let services: ShopServices

    /// - Throws: the refusal with the legacy's text (LEGACY 4). With several failures it is that of the first item in
    ///   the cart's order, as if they had been asked for one after another.
    func price(
        _ items: [ShopItem], to address: PostalAddress, in currency: String, _ frame: CallFrame
    ) async throws(Refusal) -> Priced {
        guard items.count <= Order.mostLines else {
            throw Refusal(.validationError, "there are more lines than an order may have", field: "/items")
        }
        guard items.allSatisfy({ $0.quantity > 0 }) else {
            throw Refusal(.validationError, "the quantity must be positive", field: "/items")
        }
        let offers = try await offers(of: items, in: currency, frame)
        var lines: [OrderLine] = []
        for item in items {
            guard let offer = offers[item.product] else { throw .legacy(.noProduct(item.product), nil) }
            lines.append(offer.line(item.quantity))
        }
        let shippingCost = try await shippingCost(of: items, to: address, in: currency, frame)
        var priced = PricedOrder(
            user: nil, email: "", address: address, currency: currency, lines: lines, shippingCost: shippingCost,
            total: shippingCost, card: CardReference(lastFour: "", token: ""))
        guard let total = priced.sum else { throw Refusal(.validationError, "the total is larger than an amount may be") }
        priced.total = total
        return Priced(lines: lines, shippingCost: shippingCost, total: total)
    }

    // MARK: - Products

    private struct Offer: Sendable {
        var product: Identifier
        var name: String
        var category: String
        var cost: Money

        func line(_ quantity: Int32) -> OrderLine {
            OrderLine(product: product, name: name, category: category, quantity: quantity, cost: cost)
        }
    }

    /// Each product once, several at a time. They are begun in the cart's order, so when one fails, all before it
    /// are under way already and are waited for; none is begun after it.
    private func offers(
        of items: [ShopItem], in currency: String, _ frame: CallFrame
    ) async throws(Refusal) -> [String: Offer] {
        var seen: Set<String> = []
        let products = items.map(\.product).filter { seen.insert($0).inserted }
        let results = await withTaskGroup(of: (Int, Result<Offer, Refusal>).self) { group in
            var results: [Int: Result<Offer, Refusal>] = [:]
            var next = 0
            var failed = false
            func begin() {
                guard next < products.count, !failed else { return }
                let place = next
                next += 1
                group.addTask { (place, await offer(of: products[place], in: currency, frame)) }
            }
            for _ in 0..<Pricing.atOnce { begin() }
            while let (place, result) = await group.next() {
                results[place] = result
                if case .failure = result { failed = true }
                begin()
            }
            return results
        }
        var offers: [String: Offer] = [:]
        for (place, product) in products.enumerated() {
            switch results[place] {
            case .success(let offer): offers[product] = offer
            case .failure(let refusal): throw refusal
            case nil: break
            }
        }
        return offers
    }

    private func offer(of product: String, in currency: String, _ frame: CallFrame) async -> Result<Offer, Refusal> {
        guard let id = Identifier(product) else { return .failure(.legacy(.noProduct(product), nil)) }
        let found: ShopProduct
        do throws(ServiceFault) {
            found = try await services.product(product, frame)
        } catch {
            return .failure(.legacy(.noProduct(product), error))
        }
        do throws(ServiceFault) {
            let cost = try await services.convert(found.price, to: currency, frame)
            guard !cost.isNegative else { throw .unreadable }
            return .success(
                Offer(product: id, name: ShownText.cut(found.name, to: 256), category: ShownText.cut(found.category, to: 256), cost: cost))
        } catch {
            return .failure(.legacy(.noPrice(product, currency), error))
        }
    }

    // MARK: - Shipping

    private func shippingCost(
        of items: [ShopItem], to address: PostalAddress, in currency: String, _ frame: CallFrame
    ) async throws(Refusal) -> Money {
        let quote: Money?
        do throws(ServiceFault) {
            quote = try await services.quote(address, items, frame)
        } catch {
            throw .legacy(.noQuote, error)
        }
        do throws(ServiceFault) {
            let cost = try await services.convert(quote, to: currency, frame)
            guard !cost.isNegative else { throw .unreadable }
            return cost
        } catch {
            throw .legacy(.noShippingPrice, error)
        }
    }
}
