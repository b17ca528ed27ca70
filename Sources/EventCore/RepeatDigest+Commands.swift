/// What is asked, as decoded: neither the order of JSON's members nor the protocol makes a difference. A card's data
/// goes in, and cannot be read from what comes out.
extension RepeatDigest {
    public mutating func add(_ request: Request, expected: ExpectedVersion) {
        switch expected {
        case .any: add(0 as UInt64)
        case .none: add(1 as UInt64)
        case .exact(let version): add(1 + version)
        }
        switch request {
        case .command(let command): add(command)
        case .checkout(let request): add(request)
        }
    }

    private mutating func add(_ request: CheckoutRequest) {
        switch request {
        case .place(let placement):
            begin("order.place", placement.user)
            add(placement.currency)
            add(placement.email)
            add(placement.address.street)
            add(placement.address.city)
            add(placement.address.state)
            add(placement.address.country)
            add(placement.address.zipCode)
            add(placement.card)
        case .pay(let order, let card):
            begin("order.pay", order)
            add(card)
        case .cancel(let order, let reason, _):
            begin("order.cancel", order)
            add(reason)
        }
    }

    private mutating func add(_ card: CardDetails) {
        add(card.number)
        add(card.cvv)
        add(card.expirationYear)
        add(card.expirationMonth)
    }

    private mutating func add(_ command: Command) {
        switch command {
        case .cart(let user, let action): add(action, of: user)
        case .inventory(let product, let action): add(action, of: product)
        case .product(let product, let action): add(action, of: product)
        case .flashSale(let sale, let action): add(action, of: sale)
        // Steps of an order have nothing beside their name; what has is the gateway's own, which no client repeats.
        case .order(let order, let action): begin("order \(action)", order)
        case .saga(let saga, let action): begin("saga \(action)", saga)
        case .flag(let flag, let action): begin("flag \(action)", flag)
        case .affinity(let affinity, let action): begin("affinity \(action)", affinity)
        }
    }

    private mutating func add(_ action: CartAction, of user: Identifier) {
        switch action {
        case .add(let product, let quantity):
            begin("cart.add", user)
            add(product.bytes)
            add(quantity)
        case .remove(let product):
            begin("cart.remove", user)
            add(product.bytes)
        case .update(let product, let quantity):
            begin("cart.update", user)
            add(product.bytes)
            add(quantity)
        case .empty: begin("cart.empty", user)
        }
    }

    private mutating func add(_ action: InventoryAction, of product: Identifier) {
        switch action {
        case .adjust(let delta, let reason, let eventId):
            begin("inventory.adjust", product)
            add(delta)
            add(reason.bytes)
            add(eventId)
        case .reserve(let reservation, let order, let quantity, let expiresAt):
            begin("inventory.reserve", product)
            add(reservation.bytes)
            add(order)
            add(quantity)
            add(expiresAt)
        case .release(let reservation, let order, let reason):
            begin("inventory.release", product)
            add(reservation.bytes)
            add(order)
            add("\(reason)")
        case .take(let reservation, let order, let quantity):
            begin("inventory.take", product)
            add(reservation.bytes)
            add(order)
            add(quantity)
        case .putBack(let reservation, let order, let quantity):
            begin("inventory.put-back", product)
            add(reservation.bytes)
            add(order)
            add(quantity)
        }
    }

    private mutating func add(_ action: ProductAction, of product: Identifier) {
        switch action {
        case .create(let details, let price):
            begin("product.create", product)
            add(details.name)
            add(details.description)
            add(details.picture)
            add(details.categories)
            add(price)
        case .update(let change):
            begin("product.update", product)
            add(change.name)
            add(change.description)
            add(change.picture)
            add(UInt64(change.categories == nil ? 0 : 1))
            add(change.categories ?? [])
        case .changePrice(let price):
            begin("product.change-price", product)
            add(price)
        }
    }

    private mutating func add(_ action: FlashSaleAction, of sale: Identifier) {
        switch action {
        case .start(let products, let startsAt, let endsAt):
            begin("flash-sale.start", sale)
            add(UInt64(products.count))
            for priced in products {
                add(priced.product.bytes)
                add(priced.price)
            }
            add(startsAt)
            add(endsAt)
        case .changePrice(let product, let price):
            begin("flash-sale.change-price", sale)
            add(product.bytes)
            add(price)
        case .end: begin("flash-sale.end", sale)
        }
    }

    // MARK: - Parts

    private mutating func begin(_ name: String, _ of: Identifier?) {
        add(name)
        add(of)
    }

    private mutating func add(_ number: Int32) { add(UInt64(bitPattern: Int64(number))) }

    /// No identifier is empty.
    private mutating func add(_ identifier: Identifier?) { add(identifier?.bytes ?? []) }

    private mutating func add(_ time: Timestamp?) {
        add(UInt64(time == nil ? 0 : 1))
        add(UInt64(bitPattern: time?.microseconds ?? 0))
    }

    private mutating func add(_ text: String?) {
        add(UInt64(text == nil ? 0 : 1))
        add(text ?? "")
    }

    private mutating func add(_ texts: [String]) {
        add(UInt64(texts.count))
        for text in texts { add(text) }
    }

    private mutating func add(_ money: Money) {
        add(money.currency)
        add(UInt64(bitPattern: money.units))
        add(money.nanos)
    }
}
