// What has come of an order's steps, each by itself: an order that failed may still be told that it was paid.

/// What was asked of the payment service last, and every charge it made.
public struct OrderPayment: Sendable, Equatable {
    public enum Attempt: Sendable, Equatable {
        case none, requested, made
        case failed(Failure)
    }

    public struct Charge: Sendable, Equatable {
        public var transaction: String
        public internal(set) var isRefunded = false
    }

    /// Charges of one order: the first, and those that came late after another try had been made.
    public static let mostCharges = 8

    public internal(set) var attempt = Attempt.none
    /// In the order in which they became known.
    public internal(set) var charges: [Charge] = []
    /// Of the last try to give money back, while there is some to give.
    public internal(set) var refundFailure: Failure?

    public init() {}

    /// Charges that were not given back.
    public var held: Int { charges.count { !$0.isRefunded } }

    func charge(_ transaction: String) -> Charge? { charges.first { $0.transaction == transaction } }

    mutating func refund(_ transaction: String) {
        guard let at = charges.firstIndex(where: { $0.transaction == transaction }) else { return }
        charges[at].isRefunded = true
        if held == 0 { refundFailure = nil }
    }
}

public enum OrderShipment: Sendable, Equatable {
    case none, requested
    case scheduled(tracking: String)
    case failed(Failure)
}

/// The stock reserved under the order's id.
public enum OrderStock: Sendable, Equatable {
    case none
    case reserved(until: Timestamp)
    case unavailable(Failure)
    /// Sold; `until` is the reservation's that was.
    case taken(until: Timestamp)
    /// Given back; `until` is the reservation's that was.
    case released(until: Timestamp)
}
