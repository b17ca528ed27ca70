public import Exchanges

/// What is left of an authorization, looked at by who holds the object, in the step that decides.
extension ObjectAccess {
    /// - Throws: `.notFound` for an order or saga that never was, whoever asks; `.forbidden` to whom it is not open;
    ///   `.illegalState` where only its state stands against it.
    public func check(_ aggregate: AnyAggregate, of id: Identifier) throws(Refusal) {
        if let unknown = aggregate.unknown { throw unknown }
        try check(owner: aggregate.owner(of: id), state: aggregate.stateName)
    }

    /// - Parameter state: nil = the object has none.
    public func check(owner: Identifier?, state: StaticString?) throws(Refusal) {
        let state = state?.description
        let mine = grants.filter { $0.owner == nil || !($0.owner ?? []).isEmpty && $0.owner == owner?.bytes }
        if mine.contains(where: { $0.states.isEmpty || state != nil && $0.states.contains(state ?? "") }) { return }
        guard let state, !mine.isEmpty else {
            var refusal = Refusal(.forbidden, "this is not allowed")
            refusal.isByPolicy = true
            throw refusal
        }
        var states: [String] = []
        for name in mine.flatMap(\.states) where !states.contains(name) { states.append(name) }
        var refusal = Refusal(.illegalState, "this is not allowed in the object's present state")
        refusal.text = "this is not allowed in the state \(state), only in \(states.joined(separator: ", "))"
        refusal.isByPolicy = true
        throw refusal
    }
}

extension AnyAggregate {
    /// Whose it is, by the subject's name; nil = nobody's in particular.
    func owner(of id: Identifier) -> Identifier? {
        switch self {
        case .cart: id
        case .order(let order): order.priced?.user
        case .inventory, .product, .flashSale, .saga, .flag, .affinity: nil
        }
    }

    /// As policies name it; nil for what has none.
    var stateName: StaticString? {
        guard case .order(let order) = self else { return nil }
        return order.state?.name
    }

    /// What is said of it when it never was: nil where it may still become.
    fileprivate var unknown: Refusal? {
        switch self {
        case .order(let order) where order.state == nil: Order.unknown
        case .saga(let saga) where saga.version == 0: Refusal(.notFound, "there is no such saga", field: "/sagaId")
        case .order, .saga, .cart, .inventory, .product, .flashSale, .flag, .affinity: nil
        }
    }
}
