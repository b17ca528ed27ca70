/// Where an order goes (the legacy contract's `Address`).
public struct PostalAddress: Sendable, Hashable {
    public var street: String
    public var city: String
    public var state: String
    public var country: String
    public var zipCode: Int32

    public init(street: String, city: String, state: String, country: String, zipCode: Int32) {
        self.street = street
        self.city = city
        self.state = state
        self.country = country
        self.zipCode = zipCode
    }
}

/// So many of one product, at the price the customer was promised.
public struct OrderLine: Sendable, Hashable {
    public var product: Identifier
    public var name: String
    /// The first of the catalogue's; empty when it has none.
    public var category: String
    public var quantity: Int32
    /// Of one piece, in the order's currency.
    public var cost: Money

    public init(product: Identifier, name: String, category: String, quantity: Int32, cost: Money) {
        self.product = product
        self.name = name
        self.category = category
        self.quantity = quantity
        self.cost = cost
    }
}

/// All that may be kept of a card (SPEC 24).
public struct CardReference: Sendable, Hashable {
    /// Four digits; fewer when the number had fewer.
    public var lastFour: String
    /// Says that two orders were paid with the same card, to whoever knows the key; not the card.
    public var token: String

    public init(lastFour: String, token: String) {
        self.lastFour = lastFour
        self.token = token
    }
}

/// A card as the customer gave it. Lives in memory only, and never leaves it but to the payment service:
/// it has no textual form, is no part of a command, and is not `Codable`.
public struct CardDetails: Sendable, CustomStringConvertible, CustomReflectable {
    public var number: [UInt8]
    public var cvv: Int32
    public var expirationYear: Int32
    public var expirationMonth: Int32

    public init(number: [UInt8], cvv: Int32, expirationYear: Int32, expirationMonth: Int32) {
        self.number = number
        self.cvv = cvv
        self.expirationYear = expirationYear
        self.expirationMonth = expirationMonth
    }

    public var description: String { "a card" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// An order, priced (SPEC T-5): what `OrderPlaced` says.
public struct PricedOrder: Sendable, Equatable {
    public var user: Identifier?
    public var email: String
    public var address: PostalAddress
    public var currency: String
    /// In the order of the cart.
    public var lines: [OrderLine]
    public var shippingCost: Money
    /// Shipping and all lines.
    public var total: Money
    public var card: CardReference

    public init(
        user: Identifier?, email: String, address: PostalAddress, currency: String, lines: [OrderLine],
        shippingCost: Money, total: Money, card: CardReference
    ) {
        self.user = user
        self.email = email
        self.address = address
        self.currency = currency
        self.lines = lines
        self.shippingCost = shippingCost
        self.total = total
        self.card = card
    }
}

/// Why something failed, as whoever failed said it.
public struct Failure: Sendable, Hashable {
    /// For people: at most 1024 bytes are kept.
    public var reason: String
    /// Of the service that failed, where it said one: any number, the demo's payment says 400.
    public var grpcCode: UInt32?
    /// Of the event that asked for what failed, where it is known (SPEC D-3).
    public var originalEventId: EventId?

    public init(reason: String, grpcCode: UInt32? = nil, originalEventId: EventId? = nil) {
        self.reason = reason
        self.grpcCode = grpcCode
        self.originalEventId = originalEventId
    }
}
