/// What the operator has settled about how commands are decided. Events that were decided under other rules stay as
/// they are.
public struct DecisionRules: Sendable, Equatable {
    /// May a product's pieces on hand fall below zero? Otherwise what would take them there is applied in part, and the
    /// event says so (SPEC M-6).
    public var stockBelowZero: Bool

    public init(stockBelowZero: Bool = false) { self.stockBelowZero = stockBelowZero }
}
