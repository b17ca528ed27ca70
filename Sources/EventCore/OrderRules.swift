import Exchanges

// What an order must be like, and how much of what others say is kept of it.

extension PricedOrder {
    /// Bytes of an address's part, a product's name, or an e-mail address.
    public static let longestText = 512

    /// Why nothing can be ordered like this; nil when it can.
    var mistake: Refusal? {
        guard lines.count <= Order.mostLines else {
            return Refusal(.validationError, "there are more lines than an order may have", field: "/items")
        }
        let texts = [email, address.street, address.city, address.state, address.country, card.lastFour, card.token]
        guard texts.allSatisfy({ $0.utf8.count <= PricedOrder.longestText }), card.lastFour.utf8.count <= 4 else {
            return Refusal(.validationError, "a text is longer than it may be")
        }
        for line in lines {
            guard line.quantity > 0 else {
                return Refusal(.validationError, "the quantity must be positive", field: "/items")
            }
            guard line.name.utf8.count <= PricedOrder.longestText, line.category.utf8.count <= PricedOrder.longestText else {
                return Refusal(.validationError, "a text is longer than it may be", field: "/items")
            }
            guard !line.cost.isNegative else {
                return Refusal(.validationError, "a price must not be negative", field: "/items")
            }
        }
        guard total == sum else {
            return Refusal(.validationError, "the total is not the sum of shipping and lines", field: "/total")
        }
        return nil
    }

    /// Shipping and all lines, exact, in the order's currency; nil where that has no sum.
    public var sum: Money? {
        do throws(MoneyError) {
            var sum = try Money(currency: currency).adding(shippingCost)
            for line in lines { sum = try sum.adding(try line.cost.multiplied(by: Int64(line.quantity))) }
            return sum
        } catch {
            return nil
        }
    }
}

extension Failure {
    static let longestReason = 1024

    /// With a reason that is not too long to keep.
    var kept: Failure {
        var kept = self
        kept.reason = reason.kept(Failure.longestReason)
        return kept
    }
}

extension String {
    /// The first so many bytes, less when they would end inside a character.
    func kept(_ most: Int) -> String {
        guard utf8.count > most else { return self }
        var end = utf8.index(utf8.startIndex, offsetBy: most)
        while end > startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return String(self[..<end])
    }
}
