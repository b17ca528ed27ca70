import Exchanges

/// The types of aggregates, in memory; the store knows them by name.
public enum AggregateKind: UInt8, Sendable, CaseIterable {
    case cart, inventory, order, product, flashSale, saga, flag, affinity

    public var type: String {
        switch self {
        case .cart: Cart.type
        case .inventory: Inventory.type
        case .order: Order.type
        case .product: Product.type
        case .flashSale: FlashSale.type
        case .saga: Saga.type
        case .flag: Flag.type
        case .affinity: Affinity.type
        }
    }

    public init?(type: String) {
        guard let kind = AggregateKind.allCases.first(where: { $0.type == type }) else { return nil }
        self = kind
    }
}

/// Which aggregate: `AggregateKey` with the type as a number, which is cheaper to look up by.
public struct AggregateName: Hashable, Sendable {
    public var kind: AggregateKind
    public var id: Identifier

    public init(kind: AggregateKind, id: Identifier) {
        self.kind = kind
        self.id = id
    }

    public var key: AggregateKey { AggregateKey(type: kind.type, id: id) }

    /// By the id alone: few are shared by two types.
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

extension Command {
    public var target: AggregateName {
        switch self {
        case .cart(let user, _): AggregateName(kind: .cart, id: user)
        case .inventory(let product, _): AggregateName(kind: .inventory, id: product)
        case .order(let order, _): AggregateName(kind: .order, id: order)
        case .product(let product, _): AggregateName(kind: .product, id: product)
        case .flashSale(let sale, _): AggregateName(kind: .flashSale, id: sale)
        case .saga(let saga, _): AggregateName(kind: .saga, id: saga)
        case .flag(let flag, _): AggregateName(kind: .flag, id: flag)
        case .affinity(let affinity, _): AggregateName(kind: .affinity, id: affinity)
        }
    }
}

extension Query {
    var target: AggregateName {
        switch self {
        case .cart(let user): AggregateName(kind: .cart, id: user)
        case .inventory(let product): AggregateName(kind: .inventory, id: product)
        case .order(let order): AggregateName(kind: .order, id: order)
        case .product(let product): AggregateName(kind: .product, id: product)
        case .flashSale(let sale): AggregateName(kind: .flashSale, id: sale)
        case .saga(let saga): AggregateName(kind: .saga, id: saga)
        }
    }
}

/// An aggregate of any type. A new type gets a case here and in `AggregateKind`, `Command` and `Query`.
public enum AnyAggregate: Sendable {
    case cart(Cart)
    // Boxed: a cart's place in memory must not be as large as the largest aggregate.
    indirect case inventory(Inventory)
    indirect case order(Order)
    indirect case product(Product)
    indirect case flashSale(FlashSale)
    indirect case saga(Saga)
    indirect case flag(Flag)
    indirect case affinity(Affinity)

    /// Holds no memory of its own.
    static let nothing = AnyAggregate.cart(Cart())

    /// One that never was.
    init(_ kind: AggregateKind) {
        switch kind {
        case .cart: self = .cart(Cart())
        case .inventory: self = .inventory(Inventory())
        case .order: self = .order(Order())
        case .product: self = .product(Product())
        case .flashSale: self = .flashSale(FlashSale())
        case .saga: self = .saga(Saga())
        case .flag: self = .flag(Flag())
        case .affinity: self = .affinity(Affinity())
        }
    }

    // Asked at every command: a way over `any Aggregate` would put the larger ones into a box for it.

    public var version: UInt64 {
        switch self {
        case .cart(let state): state.version
        case .inventory(let state): state.version
        case .order(let state): state.version
        case .product(let state): state.version
        case .flashSale(let state): state.version
        case .saga(let state): state.version
        case .flag(let state): state.version
        case .affinity(let state): state.version
        }
    }

    var cost: Int {
        switch self {
        case .cart(let state): state.cost
        case .inventory(let state): state.cost
        case .order(let state): state.cost
        case .product(let state): state.cost
        case .flashSale(let state): state.cost
        case .saga(let state): state.cost
        case .flag(let state): state.cost
        case .affinity(let state): state.cost
        }
    }

    /// `Aggregate.execute`.
    mutating func execute(_ command: Command, _ stamp: inout EventStamp) throws(Refusal) -> [Event] {
        switch command {
        case .cart(_, let action): try execute(action, as: Cart.self, &stamp)
        case .inventory(_, let action): try execute(action, as: Inventory.self, &stamp)
        case .order(_, let action): try execute(action, as: Order.self, &stamp)
        case .product(_, let action): try execute(action, as: Product.self, &stamp)
        case .flashSale(_, let action): try execute(action, as: FlashSale.self, &stamp)
        case .saga(_, let action): try execute(action, as: Saga.self, &stamp)
        case .flag(_, let action): try execute(action, as: Flag.self, &stamp)
        case .affinity(_, let action): try execute(action, as: Affinity.self, &stamp)
        }
    }

    /// `self` is given up meanwhile, so that the state has one owner and is changed where it is instead of
    /// being copied.
    private mutating func execute<State: Aggregate>(
        _ action: State.Action, as type: State.Type, _ stamp: inout EventStamp
    ) throws(Refusal) -> [Event] {
        guard var state = State(self) else { throw Refusal(.internalError, "the aggregate is of another type") }
        self = .nothing
        defer { self = state.boxed }
        return try state.execute(action, &stamp)
    }

    /// `Aggregate.replay`.
    mutating func replay(_ event: Event) -> Bool {
        switch self {
        case .cart: replay(event, as: Cart.self)
        case .inventory: replay(event, as: Inventory.self)
        case .order: replay(event, as: Order.self)
        case .product: replay(event, as: Product.self)
        case .flashSale: replay(event, as: FlashSale.self)
        case .saga: replay(event, as: Saga.self)
        case .flag: replay(event, as: Flag.self)
        case .affinity: replay(event, as: Affinity.self)
        }
    }

    private mutating func replay<State: Aggregate>(_ event: Event, as type: State.Type) -> Bool {
        guard var state = State(self) else { return false }
        self = .nothing
        defer { self = state.boxed }
        return state.replay(event)
    }

    func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        switch self {
        case .cart(let state): state.body(of: id, at: now)
        case .inventory(let state): try state.body(of: id, at: now)
        case .order(let state): try state.body(of: id, at: now)
        case .product(let state): try state.body(of: id, at: now)
        case .flashSale(let state): try state.body(of: id, at: now)
        case .saga(let state): try state.body(of: id, at: now)
        case .flag(let state): try state.body(of: id, at: now)
        case .affinity(let state): try state.body(of: id, at: now)
        }
    }
}
