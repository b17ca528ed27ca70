/// What an exchange has been charged, until it ends: to give back what it does not use up, and to say in its answer.
public struct Charges: Sendable, BitwiseCopyable {
    /// Budgets that one route may charge.
    public static var most: Int { 4 }
    public static var noBudget: UInt16 { .max }

    /// One charge that went well.
    public struct Receipt: Sendable, BitwiseCopyable {
        /// Index into the budgets of the exchange's generation.
        public var budget: UInt16
        public var cost: UInt32
        public var key: UInt64
        /// The time it was charged at, by which a window knows it.
        public var at: UInt64
    }

    private var receipts: InlineArray<4, Receipt> = .init(repeating: Receipt(budget: 0, cost: 0, key: 0, at: 0))
    private var used: UInt8 = 0

    /// The budget that answers tell of: the most restrictive one; `noBudget` = none.
    public private(set) var shown: UInt16 = Charges.noBudget
    /// Units it has left.
    public private(set) var remaining: UInt64 = 0
    /// Seconds until it is whole again, or, where it has refused, until it makes sense to come back; 0 = unknown.
    public private(set) var seconds: UInt32 = 0

    public init() {}

    public var count: Int { Int(used) }
    public var isEmpty: Bool { used == 0 }
    public subscript(i: Int) -> Receipt { receipts[i] }

    public mutating func add(_ receipt: Receipt) {
        receipts[Int(used)] = receipt
        used &+= 1
    }

    /// Shows this budget, if it has less left than the one that is shown.
    public mutating func show(_ budget: UInt16, _ decision: LimitDecision) {
        guard shown == Charges.noBudget || decision.remaining < remaining else { return }
        set(budget, decision.remaining, decision.resetNS)
    }

    /// Shows the budget that has refused.
    public mutating func showRefusal(by budget: UInt16, _ decision: LimitDecision) {
        set(budget, decision.remaining, decision.retryAfterNS)
    }

    private mutating func set(_ budget: UInt16, _ remaining: UInt64, _ nanoseconds: UInt64) {
        shown = budget
        self.remaining = remaining
        let (up, over) = nanoseconds.addingReportingOverflow(999_999_999)
        seconds = over ? 0 : UInt32(clamping: up / 1_000_000_000)
    }

    /// All was given back.
    public mutating func settle() { used = 0 }

    /// Makes it fit for the next exchange.
    public mutating func clear() {
        used = 0
        shown = Charges.noBudget
    }
}
