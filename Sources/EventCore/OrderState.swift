/// Where an order stands (SPEC 25): one machine, and its three vocabularies.
public enum OrderState: UInt8, Sendable, CaseIterable {
    case created
    /// Payment was asked for. It stays here when payment fails, and while the payment service is out.
    case paymentPending
    case paymentAuthorized
    case confirmed
    case processing
    case shipped
    case delivered
    case completed
    /// The customer does not want it any more; what was done is being undone.
    case cancellationPending
    case cancelled
    /// The checkout came to nothing.
    case failed

    /// The detailed state's name.
    public var name: StaticString { row.name }
    /// What clients of the API read as `status`.
    public var apiStatus: StaticString { row.api }
    /// What an index of orders is filtered by.
    public var indexStatus: StaticString { row.index }
    /// The states that may follow. None follows itself, and no way leads back.
    public var next: [OrderState] { row.next }

    private struct Row {
        var name, api, index: StaticString
        var next: [OrderState]
        init(_ name: StaticString, _ api: StaticString, _ index: StaticString, _ next: [OrderState]) {
            self.name = name
            self.api = api
            self.index = index
            self.next = next
        }
    }

    private static let rows: [Row] = [
        Row("Created", "PENDING", "PLACED", [.paymentPending, .cancellationPending, .failed]),
        Row("PaymentPending", "PENDING", "PLACED", [.paymentAuthorized, .cancellationPending, .failed]),
        Row("PaymentAuthorized", "PROCESSING", "PROCESSING", [.confirmed, .cancellationPending, .failed]),
        Row("Confirmed", "COMPLETED", "COMPLETED", [.processing, .cancellationPending]),
        Row("Processing", "COMPLETED", "COMPLETED", [.shipped]),
        Row("Shipped", "COMPLETED", "COMPLETED", [.delivered]),
        Row("Delivered", "COMPLETED", "COMPLETED", [.completed]),
        Row("Completed", "COMPLETED", "COMPLETED", []),
        Row("CancellationPending", "PROCESSING", "PROCESSING", [.cancelled]),
        Row("Cancelled", "FAILED", "FAILED", []),
        Row("Failed", "FAILED", "FAILED", []),
    ]

    private var row: Row { OrderState.rows[Int(rawValue)] }

    /// From the detailed state's name.
    init?(named name: String) {
        guard let state = OrderState.allCases.first(where: { $0.name.description == name }) else { return nil }
        self = state
    }

    /// Is the order given up, or about to be?
    public var isGivenUp: Bool { self == .cancellationPending || self == .cancelled || self == .failed }
    /// Is the checkout through, and the order not given up?
    public var isConfirmed: Bool { self >= .confirmed && self <= .completed }
}

extension OrderState: Comparable {
    /// As they are declared: up to `completed`, from the beginning to the end.
    public static func < (a: OrderState, b: OrderState) -> Bool { a.rawValue < b.rawValue }
}
