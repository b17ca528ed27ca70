public import EventCore

/// What of this process answers requests that the log alone cannot. Made once, before the workers start.
public struct Desks: Sendable {
    /// Nil = there is no checkout, and its requests are refused.
    public var checkout: (any CheckoutDesk)?

    public init(checkout: (any CheckoutDesk)? = nil) { self.checkout = checkout }
}
