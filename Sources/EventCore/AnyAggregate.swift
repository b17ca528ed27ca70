import Exchanges

/// The types of aggregates, in memory; the store knows them by name.
enum AggregateKind: UInt8, Sendable {
    case cart, inventory

    var type: String {
        switch self {
        case .cart: Cart.type
        case .inventory: Inventory.type
        }
    }
}

/// Which aggregate: `AggregateKey` with the type as a number, which is cheaper to look up by.
struct AggregateName: Hashable, Sendable {
    var kind: AggregateKind
    var id: Identifier

    var key: AggregateKey { AggregateKey(type: kind.type, id: id) }

    /// By the id alone: few are shared by two types.
    func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

extension Command {
    var target: AggregateName {
        switch self {
        case .cart(let user, _): AggregateName(kind: .cart, id: user)
        case .inventory(let product, _): AggregateName(kind: .inventory, id: product)
        }
    }
}

extension Query {
    var target: AggregateName {
        switch self {
        case .cart(let user): AggregateName(kind: .cart, id: user)
        case .inventory(let product): AggregateName(kind: .inventory, id: product)
        }
    }
}

/// An aggregate of any type. A new type gets a case here and in `AggregateKind`, `Command` and `Query`.
enum AnyAggregate: Sendable {
    case cart(Cart)
    /// Boxed: a cart's place in memory must not be as large as the largest aggregate.
    indirect case inventory(Inventory)

    /// Holds no memory of its own.
    static let nothing = AnyAggregate.cart(Cart())
    private static let other = Refusal(.internalError, "the aggregate is of another type")

    /// One that never was.
    init(_ kind: AggregateKind) {
        switch kind {
        case .cart: self = .cart(Cart())
        case .inventory: self = .inventory(Inventory())
        }
    }

    var version: UInt64 {
        switch self {
        case .cart(let cart): cart.version
        case .inventory(let inventory): inventory.version
        }
    }

    var cost: Int {
        switch self {
        case .cart(let cart): cart.cost
        case .inventory(let inventory): inventory.cost
        }
    }

    /// `Aggregate.execute`. `self` is given up meanwhile, so that the state has one owner and is changed
    /// where it is instead of being copied.
    mutating func execute(_ command: Command, _ stamp: inout EventStamp) throws(Refusal) -> [Event] {
        switch command {
        case .cart(_, let action):
            guard case .cart(var cart) = self else { throw AnyAggregate.other }
            self = .nothing
            defer { self = .cart(cart) }
            return try cart.execute(action, &stamp)
        case .inventory(_, let action):
            guard case .inventory(var inventory) = self else { throw AnyAggregate.other }
            self = .nothing
            defer { self = .inventory(inventory) }
            return try inventory.execute(action, &stamp)
        }
    }

    /// `Aggregate.replay`.
    mutating func replay(_ event: Event) -> Bool {
        switch self {
        case .cart(var cart):
            self = .nothing
            defer { self = .cart(cart) }
            return cart.replay(event)
        case .inventory(var inventory):
            self = .nothing
            defer { self = .inventory(inventory) }
            return inventory.replay(event)
        }
    }

    func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        switch self {
        case .cart(let cart): cart.body(of: id, at: now)
        case .inventory(let inventory): try inventory.body(of: id, at: now)
        }
    }
}
