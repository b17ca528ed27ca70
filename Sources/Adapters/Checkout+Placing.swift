import EventCore
import Exchanges
import Sagas
import Settings

extension Checkout {
    func place(_ placement: Placement, _ wait: Wait, _ metadata: Metadata, _ claim: RepeatClaim?) async throws(Refusal) -> Reply.Outcome {
        if let known = claim?.known, let saga = Identifier("checkout-\(known.aggregateId)") {
            return try await placed(Acceptance(order: known.aggregateId, accepted: [known], saga: saga), wait, claim)
        }
        let began = ContinuousClock.now
        guard !placement.address.isMissing else {
            throw Refusal(.validationError, "an address is needed", field: "/address")
        }
        guard placement.currency.utf8.count <= Money.longestCurrency else {
            throw Refusal(.validationError, "a currency's code has at most 128 bytes", field: "/userCurrency")
        }
        // An order that nobody could take a card for need not be priced.
        guard cards.count < settings.cards else { throw Checkout.full }
        let frame = CallFrame(milliseconds: wait.workTime(atMost: settings.pricing), metadata: metadata)
        let items = try await cart(of: placement.user, frame)
        let priced = try await Pricing(services: services).price(items, to: placement.address, in: placement.currency, frame)
        guard let card = tokens.reference(of: placement.card) else {
            throw Refusal(.internalError, "the card's token cannot be made")
        }
        let order = PricedOrder(
            user: placement.user, email: placement.email, address: placement.address, currency: placement.currency,
            lines: priced.lines, shippingCost: priced.shippingCost, total: priced.total, card: card)
        let id = Identifier.newOrder()
        let (saga, started) = try sagas.start(settings.saga.rawValue, order: id)
        guard cards.put(placement.card, for: id) else { throw Checkout.full }
        let accepted: [Accepted]
        do throws(Refusal) {
            accepted = try await execute([.order(id, .place(order))] + started, metadata.of(placement.user), nil, claim)
        } catch {
            cards.remove(id)
            throw error
        }
        meters.placed(priced.total, to: placement.address.country, seconds: (.now - began) / .seconds(1))
        return try await placed(Acceptance(order: id, accepted: accepted, saga: saga), wait, claim)
    }

    private func placed(
        _ acceptance: Acceptance, _ wait: Wait, _ claim: RepeatClaim?
    ) async throws(Refusal) -> Reply.Outcome {
        let id = acceptance.order
        return try await ending(of: acceptance, wait, claim) { order throws(Refusal) in
            guard order.state?.isConfirmed == true, let told = ShopOrder(order, id: id) else {
                throw order.refusalOfPlacing(id)
            }
            return told.placed
        }
    }

    /// Where its flag's affinity says that it was begun. Where that says nothing: what the core holds; if that is nothing, what the cart service holds, where there is one: of two arms of a
    /// canary a customer's cart is in one. Nobody's cart is empty.
    private func cart(of user: Identifier?, _ frame: CallFrame) async throws(Refusal) -> [ShopItem] {
        guard let user else { return [] }
        let isOn: Bool?
        do throws(Refusal) {
            isOn = try await sideOfCart(user)
            if isOn != false, case .cart(let cart) = try await log.state(of: AggregateName(kind: .cart, id: user)),
                isOn == true || !cart.items.isEmpty
            {
                return cart.items.map { ShopItem(product: $0.product.description, quantity: $0.quantity) }
            }
        } catch {
            throw .legacy(.noCart, ServiceFault(error.outcome, mayHaveRun: false))
        }
        do throws(ServiceFault) {
            return try await services.cart(of: user.description, frame) ?? []
        } catch {
            throw .legacy(.noCart, error)
        }
    }

    /// The side of the carts' flag on which this one was begun; nil = none that is known of.
    private func sideOfCart(_ user: Identifier) async throws(Refusal) -> Bool? {
        guard let flag = settings.cartFlag?.name, let id = Affinity.id(flag: flag, entity: user.bytes),
            case .affinity(let affinity) = try await log.state(of: AggregateName(kind: .affinity, id: id))
        else { return nil }
        return affinity.holding?.isOn
    }

    /// What the client gets who has been accepted: that, or, if it waits and there is one in time, the end.
    /// - Parameter made: what a caller of the façade is told of the order as it is then.
    func ending(
        of acceptance: Acceptance, _ wait: Wait, _ claim: RepeatClaim?, _ made: (Order) throws(Refusal) -> [UInt8]
    ) async throws(Refusal) -> Reply.Outcome {
        // Accepted: repetitions find the record, and wait for the same end.
        claim?.release()
        guard wait.patience != .none else { return acceptance.answer }
        // Parked is an end too: the order has failed, and only people can undo the rest.
        guard let end = await end(of: acceptance.saga, wait), end != .inProgress else {
            guard wait.isRequired else { return acceptance.answer }
            let detail: StaticString = "the order is accepted, and not finished yet"
            throw Refusal(Outcome(.deadline, detail), "order \(acceptance.order) is accepted, and not finished yet")
        }
        guard case .order(let order) = try await log.state(of: AggregateName(kind: .order, id: acceptance.order)) else {
            return acceptance.answer
        }
        if wait.isRequired { return .answered(status: 200, body: try made(order), fields: []) }
        let body = try order.body(of: acceptance.order, at: .now())
        return .answered(status: 200, body: body, fields: acceptance.fields(version: order.version))
    }

    static let full = Refusal(.upstreamUnavailable, "as many orders wait for their payment as may", retryAfterMS: 10_000)
}

extension PostalAddress {
    /// Was there none? An empty one is taken for none: no parcel finds its way by it.
    fileprivate var isMissing: Bool { street.isEmpty && city.isEmpty && state.isEmpty && country.isEmpty && zipCode == 0 }
}

extension Metadata {
    /// For events: whose order it is, where no session says it.
    fileprivate func of(_ user: Identifier?) -> Metadata {
        Metadata(
            correlationId: correlationId, causationId: causationId, userId: userId ?? user?.description, source: source,
            traceparent: traceparent)
    }
}

extension Identifier {
    /// A UUID of version 4 (RFC 9562, 5.4): 122 bits that nobody can guess.
    static func newOrder() -> Identifier {
        var system = SystemRandomNumberGenerator()
        let high = system.next() & ~0xF000 | 0x4000
        let low = system.next() & ~(3 << 62) | 2 << 62
        // Of 36 letters, digits and dashes there is always an identifier.
        return Identifier(EventId(high: high, low: low).characters) ?? newOrder()
    }
}
