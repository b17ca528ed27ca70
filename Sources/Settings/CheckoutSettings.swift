/// What checkout needs to know: `checkout` of the configuration. Times are milliseconds.
public struct CheckoutSettings: Sendable, Equatable {
    /// Which steps an order goes through: the name of a saga's definition.
    public var saga = Saga.checkout
    public enum Saga: String, Sendable, CaseIterable {
        case checkout
        case checkoutWithInventory = "checkout-with-inventory"
    }

    /// Folders of saga definitions, and single files.
    public var sagas = ["config/sagas"]
    public var cart = Cart.core
    public enum Cart: Sendable, Equatable {
        /// The event core's own.
        case core
        /// The event core's own, and for customers who have none there a CartService's.
        case cluster(String)
    }

    /// The flag that carts stay on one side of: a customer's is where that says, and with the order it is over. Nil = of two
    /// carts the core's comes first.
    public var cartFlag: PlacedName?

    public var catalogue = Service(cluster: "catalogue", timeout: 5_000)
    public var currency = Service(cluster: "currency", timeout: 5_000)
    /// A second parcel can be called back.
    public var shipping = Service(cluster: "shipping", unavailable: .notDone)
    /// A second charge is money that is missing.
    public var payment = Service(cluster: "payment", timeout: 30_000, unavailable: .unknown)
    /// Nothing is lost by a confirmation that comes twice.
    public var email = Service(cluster: "email", timeout: 5_000, isIdempotent: true, unavailable: .notDone)

    /// All calls that find an order's prices, together.
    public var pricing: UInt32 = 10_000
    /// How long stock is held for an order. Longer than an order may wait for its payment: what was let go meanwhile
    /// would be sold twice.
    public var reservation: UInt32 = 90_000_000
    /// How long a card is kept for an order that waits for its payment.
    public var paymentParkMax: UInt32 = 86_400_000
    /// Requests at once, until they are accepted.
    public var inFlight = 2_000
    /// Requests that wait for their saga's end at once.
    public var waiting = 10_000
    /// Cards in memory at once.
    public var cards = 100_000
    /// The key of card tokens; nil = made at each start.
    public var cardKeyFile: PlacedPath?

    public init() {}

    /// A service, and what it can do.
    public struct Service: Sendable, Equatable {
        public var cluster: String
        public var form = Form.grpc
        public enum Form: Sendable, Equatable {
            /// The methods of the legacy contract.
            case grpc
            /// The same messages as JSON, by POST. `quote` is shipping's second path.
            case rest(path: String, quote: String?)
        }

        /// One call.
        public var timeout: UInt32
        /// The same `idempotency-key` twice does it once.
        public var isIdempotent: Bool
        /// Of the call that undoes (refund, cancel): a method's or a resource's path; nil = there is none.
        public var undo: String?
        /// What it means when the service itself says UNAVAILABLE or RESOURCE_EXHAUSTED (503 or 429).
        public var unavailable: Unavailable
        public enum Unavailable: String, Sendable, CaseIterable {
            /// It may have done it all the same.
            case unknown
            /// It has certainly not done it.
            case notDone = "not-done"
        }

        public init(
            cluster: String, timeout: UInt32 = 10_000, isIdempotent: Bool = false, unavailable: Unavailable = .notDone
        ) {
            self.cluster = cluster
            self.timeout = timeout
            self.isIdempotent = isIdempotent
            self.unavailable = unavailable
        }
    }
}
