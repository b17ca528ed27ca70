// Each type of aggregate, in and out of `AnyAggregate`.

extension Cart {
    init?(_ any: AnyAggregate) {
        guard case .cart(let state) = any else { return nil }
        self = state
    }

    var boxed: AnyAggregate { .cart(self) }
}

extension Inventory {
    init?(_ any: AnyAggregate) {
        guard case .inventory(let state) = any else { return nil }
        self = state
    }

    var boxed: AnyAggregate { .inventory(self) }
}

extension Order {
    init?(_ any: AnyAggregate) {
        guard case .order(let state) = any else { return nil }
        self = state
    }

    var boxed: AnyAggregate { .order(self) }
}

extension Product {
    init?(_ any: AnyAggregate) {
        guard case .product(let state) = any else { return nil }
        self = state
    }

    var boxed: AnyAggregate { .product(self) }
}

extension FlashSale {
    init?(_ any: AnyAggregate) {
        guard case .flashSale(let state) = any else { return nil }
        self = state
    }

    var boxed: AnyAggregate { .flashSale(self) }
}

extension Saga {
    init?(_ any: AnyAggregate) {
        guard case .saga(let state) = any else { return nil }
        self = state
    }

    var boxed: AnyAggregate { .saga(self) }
}

extension Flag {
    init?(_ any: AnyAggregate) {
        guard case .flag(let state) = any else { return nil }
        self = state
    }

    var boxed: AnyAggregate { .flag(self) }
}

extension Affinity {
    init?(_ any: AnyAggregate) {
        guard case .affinity(let state) = any else { return nil }
        self = state
    }

    var boxed: AnyAggregate { .affinity(self) }
}
