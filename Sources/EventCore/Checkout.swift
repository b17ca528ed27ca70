public import Exchanges

/// What a customer sends to place an order; prices are still to be found (SPEC T-5).
public struct Placement: Sendable {
    /// Nil = nobody's, as the legacy shop allowed: an order without lines.
    public var user: Identifier?
    public var currency: String
    public var address: PostalAddress
    public var email: String
    public var card: CardDetails

    public init(user: Identifier?, currency: String, address: PostalAddress, email: String, card: CardDetails) {
        self.user = user
        self.currency = currency
        self.address = address
        self.email = email
        self.card = card
    }
}

/// Requests that take more than one decision: others are asked first, or steps follow that can be waited for.
public enum CheckoutRequest: Sendable {
    case place(Placement)
    /// Gives the card (again) to an order that waits for payment.
    case pay(order: Identifier, CardDetails)
    case cancel(order: Identifier, reason: String, expected: ExpectedVersion)
}

/// What a request of a command route turns out to be.
public enum Request: Sendable {
    case command(Command)
    case checkout(CheckoutRequest)
}

/// How long the client waits, and for what.
public enum Patience: Sendable, Equatable {
    /// For the acceptance only.
    case none
    /// `Prefer: wait`: for the end of the work, but no longer than so many milliseconds; then the acceptance.
    case preferred(milliseconds: UInt32)
    /// The synchronous façade (SPEC T-6): the end of the work, or a deadline error after so many milliseconds.
    case required(milliseconds: UInt32)
}

/// What a checkout request comes with, beside itself.
public struct Circumstances: Sendable {
    /// Of the events it causes.
    public var metadata: Metadata
    public var patience: Patience
    /// What an order must be for whoever asks; nil = anything.
    public var access: ObjectAccess?
    /// What makes it a repetition of another request; nil = nothing does.
    public var repeatKey: RepeatKey?

    public init(
        metadata: Metadata = Metadata(), patience: Patience = .none, access: ObjectAccess? = nil, repeatKey: RepeatKey? = nil
    ) {
        self.metadata = metadata
        self.patience = patience
        self.access = access
        self.repeatKey = repeatKey
    }
}

/// Carries out checkout requests. Safe from any thread; must not block.
public protocol CheckoutDesk: Sendable {
    /// False when as many requests as may be are under way: nothing happens, and no reply comes. Otherwise exactly
    /// one reply comes, through the function that the log's replies come by.
    func take(_ request: CheckoutRequest, ticket: Ticket, _ circumstances: Circumstances) -> Bool
}
