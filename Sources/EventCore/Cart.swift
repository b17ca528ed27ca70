import Contracts
import Exchanges

/// A shopping cart; its id is the user's. State is the fold of its events, nothing else.
public struct Cart: Aggregate, Equatable {
    public static let type = "Cart"
    /// Distinct products in one cart.
    public static let mostItems = 500

    public struct Item: Sendable, Equatable {
        public var product: Identifier
        /// At least 1.
        public var quantity: Int32
    }

    /// In the order they were first added.
    public private(set) var items: [Item] = []
    /// Of its last event; 0 for a cart that never was.
    public private(set) var version: UInt64 = 0

    public init() {}

    init(items: [Item], version: UInt64) {
        self.items = items
        self.version = version
    }

    /// Bytes of memory it takes, about.
    var cost: Int { items.reduce(128) { $0 + 64 + $1.product.bytes.count } }

    // MARK: - Fold

    /// The state after `event`. Total: any sequence of events gives a cart, also one that `decide`
    /// would never have written.
    public mutating func apply(_ event: CartEvent, at instant: Timestamp) {
        version += 1
        switch event {
        case .itemAdded(let product, let quantity):
            if let i = place(of: product) {
                let (sum, overflow) = items[i].quantity.addingReportingOverflow(quantity)
                items[i].quantity = overflow ? .max : sum
            } else {
                items.append(Item(product: product, quantity: quantity))
            }
        case .itemRemoved(let product):
            if let i = place(of: product) { items.remove(at: i) }
        case .quantityUpdated(let product, _, let new):
            if let i = place(of: product) { items[i].quantity = new }
        case .cartEmptied:
            items = []
        }
    }

    // MARK: - Decide

    /// What happens when `action` is asked of this cart: the events, none when it already is as asked.
    public func decide(_ action: CartAction, at now: Timestamp) throws(Refusal) -> [CartEvent] {
        switch action {
        case .add(let product, let quantity):
            guard quantity > 0 else {
                throw Refusal(.validationError, "the quantity must be positive", field: "/item/quantity")
            }
            guard let i = place(of: product) else {
                guard items.count < Cart.mostItems else {
                    throw Refusal(.illegalState, "the cart holds as many products as it may")
                }
                return [.itemAdded(product, quantity: quantity)]
            }
            guard !items[i].quantity.addingReportingOverflow(quantity).overflow else {
                throw Refusal(.illegalState, "the sum of the quantities is too large", field: "/item/quantity")
            }
            return [.itemAdded(product, quantity: quantity)]
        case .remove(let product):
            _ = try present(product)
            return [.itemRemoved(product)]
        case .update(let product, let quantity):
            guard quantity >= 0 else {
                throw Refusal(.validationError, "the quantity must not be negative", field: "/quantity")
            }
            let old = items[try present(product)].quantity
            if quantity == old { return [] }
            return quantity == 0 ? [.itemRemoved(product)] : [.quantityUpdated(product, old: old, new: quantity)]
        case .empty:
            return items.isEmpty ? [] : [.cartEmptied]
        }
    }

    private func present(_ product: Identifier) throws(Refusal) -> Int {
        guard let i = place(of: product) else {
            throw Refusal(.notFound, "the cart does not hold this product", field: "/productId")
        }
        return i
    }

    private func place(of product: Identifier) -> Int? { items.firstIndex { $0.product == product } }

    // MARK: - Answer

    /// `{"userId","items":[{"productId","quantity"}],"version"}`
    public func body(of user: Identifier, at now: Timestamp) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("userId")
        json.string(user)
        json.name("items")
        json.beginArray()
        for item in items {
            json.beginObject()
            json.name("productId")
            json.string(item.product)
            json.name("quantity")
            json.integer(item.quantity)
            json.endObject()
        }
        json.endArray()
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }
}

/// What may be asked of a cart.
public enum CartAction: Sendable, Equatable {
    case add(product: Identifier, quantity: Int32)
    case remove(product: Identifier)
    /// To 0 removes.
    case update(product: Identifier, quantity: Int32)
    case empty
}
