public import Contracts

// The parts of an order as events, snapshots and answers write them, and as the first two are read.

extension JSONWriter {
    /// Proto JSON with every field.
    public mutating func address(_ address: PostalAddress) {
        beginObject()
        name("streetAddress")
        string(address.street)
        name("city")
        string(address.city)
        name("state")
        string(address.state)
        name("country")
        string(address.country)
        name("zipCode")
        integer(address.zipCode)
        endObject()
    }

    mutating func lines(_ lines: [OrderLine]) {
        beginArray()
        for line in lines {
            beginObject()
            name("productId")
            string(line.product)
            name("name")
            string(line.name)
            name("category")
            string(line.category)
            name("quantity")
            integer(line.quantity)
            name("cost")
            money(line.cost)
            endObject()
        }
        endArray()
    }

    /// The members of `OrderPlaced`.
    mutating func members(_ order: PricedOrder) {
        if let user = order.user {
            name("userId")
            string(user)
        }
        name("email")
        string(order.email)
        name("currency")
        string(order.currency)
        name("shippingAddress")
        address(order.address)
        name("items")
        lines(order.lines)
        name("shippingCost")
        money(order.shippingCost)
        name("total")
        money(order.total)
        name("card")
        beginObject()
        name("lastFour")
        string(order.card.lastFour)
        name("token")
        string(order.card.token)
        endObject()
    }

    /// The members of every event that tells of a failure.
    mutating func members(_ failure: Failure) {
        name("reason")
        string(failure.reason)
        if let code = failure.grpcCode {
            name("grpcCode")
            integer(code)
        }
        if let id = failure.originalEventId {
            name("originalEventId")
            string(utf8: id.characters)
        }
    }
}

extension PostalAddress {
    init?(_ members: JSONMembers) {
        guard let street = members.string("streetAddress"), let city = members.string("city"),
            let state = members.string("state"), let country = members.string("country"),
            let zipCode = members.int32("zipCode")
        else { return nil }
        self.init(street: street, city: city, state: state, country: country, zipCode: zipCode)
    }
}

extension OrderLine {
    init?(_ members: JSONMembers) {
        guard let product = members.identifier("productId"), let name = members.string("name"),
            let category = members.string("category"), let quantity = members.int32("quantity"),
            let cost = members.money("cost")
        else { return nil }
        self.init(product: product, name: name, category: category, quantity: quantity, cost: cost)
    }
}

extension PricedOrder {
    init?(_ members: JSONMembers) {
        guard let email = members.string("email"), let currency = members.string("currency"),
            let address = members.object("shippingAddress").flatMap({ PostalAddress($0) }),
            let items = members.objects("items"), let shippingCost = members.money("shippingCost"),
            let total = members.money("total"), let card = members.object("card"),
            let lastFour = card.string("lastFour"), let token = card.string("token")
        else { return nil }
        var lines: [OrderLine] = []
        lines.reserveCapacity(items.count)
        for item in items {
            guard let line = OrderLine(item) else { return nil }
            lines.append(line)
        }
        self.init(
            user: members.identifier("userId"), email: email, address: address, currency: currency, lines: lines,
            shippingCost: shippingCost, total: total, card: CardReference(lastFour: lastFour, token: token))
    }
}

extension JSONMembers {
    /// What `JSONWriter.members(_: Failure)` writes.
    var failure: Failure? {
        guard let reason = string("reason") else { return nil }
        let code = int64("grpcCode").flatMap { UInt32(exactly: $0) }
        return Failure(reason: reason, grpcCode: code, originalEventId: string("originalEventId").flatMap { EventId(text: $0) })
    }
}
