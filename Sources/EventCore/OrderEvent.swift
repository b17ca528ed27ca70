import Contracts

/// What can have happened to an order (SPEC 25). Version 1 of the payloads.
///
/// Stock of the order is told by names of its own where the stock tells of it too: `OrderStockReserved`, `OrderStockTaken`
/// and `OrderStockReleased` here, `InventoryReserved`, `StockTaken`, `InventoryReleased` and `StockReturned` in each
/// product's stream.
public enum OrderEvent: AggregateEvent, Equatable {
    case placed(PricedOrder)
    case paymentRequested
    case paymentCompleted(transaction: String)
    case paymentFailed(Failure)
    case paymentRefunded(transaction: String)
    case refundFailed(Failure)
    case shipmentRequested
    case shipmentScheduled(tracking: String)
    case shipmentFailed(Failure)
    case stockReserved(until: Timestamp)
    case stockUnavailable(Failure)
    case stockTaken
    case stockReleased
    case confirmed
    case failed(Failure)
    case cancellationRequested(reason: String)
    case cancelled
    case processing
    case shipped
    case delivered
    case completed

    public static let schemaVersion: UInt32 = 1

    public var type: String {
        switch self {
        case .placed: "OrderPlaced"
        case .paymentRequested: "PaymentRequested"
        case .paymentCompleted: "PaymentCompleted"
        case .paymentFailed: "PaymentFailed"
        case .paymentRefunded: "PaymentRefunded"
        case .refundFailed: "PaymentRefundFailed"
        case .shipmentRequested: "ShipmentRequested"
        case .shipmentScheduled: "ShipmentScheduled"
        case .shipmentFailed: "ShipmentFailed"
        case .stockReserved: "OrderStockReserved"
        case .stockUnavailable: "InventoryUnavailable"
        case .stockTaken: "OrderStockTaken"
        case .stockReleased: "OrderStockReleased"
        case .confirmed: "OrderConfirmed"
        case .failed: "OrderFailed"
        case .cancellationRequested: "OrderCancellationRequested"
        case .cancelled: "OrderCancelled"
        case .processing: "OrderProcessing"
        case .shipped: "OrderShipped"
        case .delivered: "OrderDelivered"
        case .completed: "OrderCompleted"
        }
    }

    public var payload: [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        switch self {
        case .placed(let order): json.members(order)
        case .paymentCompleted(let transaction), .paymentRefunded(let transaction):
            json.name("transactionId")
            json.string(transaction)
        case .shipmentScheduled(let tracking):
            json.name("trackingId")
            json.string(tracking)
        case .stockReserved(let until):
            json.name("expiresAt")
            json.string(until.description)
        case .paymentFailed(let failure), .refundFailed(let failure), .shipmentFailed(let failure),
            .stockUnavailable(let failure), .failed(let failure):
            json.members(failure)
        case .cancellationRequested(let reason):
            json.name("reason")
            json.string(reason)
        case .paymentRequested, .shipmentRequested, .stockTaken, .stockReleased, .confirmed, .cancelled, .processing,
            .shipped, .delivered, .completed:
            break
        }
        json.endObject()
        return json.sink
    }

    /// From what the store holds; nil when it is not one of ours or of a version we cannot read.
    /// Members added by a later minor change are ignored.
    public init?(_ event: Event) {
        guard event.schemaVersion == OrderEvent.schemaVersion, let members = JSONMembers(event.payload) else { return nil }
        func failed(_ make: (Failure) -> OrderEvent) -> OrderEvent? { members.failure.map(make) }
        let read: OrderEvent? =
            switch event.type {
            case "OrderPlaced": PricedOrder(members).map { .placed($0) }
            case "PaymentRequested": .paymentRequested
            case "PaymentCompleted": members.string("transactionId").map { .paymentCompleted(transaction: $0) }
            case "PaymentFailed": failed { .paymentFailed($0) }
            case "PaymentRefunded": members.string("transactionId").map { .paymentRefunded(transaction: $0) }
            case "PaymentRefundFailed": failed { .refundFailed($0) }
            case "ShipmentRequested": .shipmentRequested
            case "ShipmentScheduled": members.string("trackingId").map { .shipmentScheduled(tracking: $0) }
            case "ShipmentFailed": failed { .shipmentFailed($0) }
            case "OrderStockReserved": members.timestamp("expiresAt").map { .stockReserved(until: $0) }
            case "InventoryUnavailable": failed { .stockUnavailable($0) }
            case "OrderStockTaken": .stockTaken
            case "OrderStockReleased": .stockReleased
            case "OrderConfirmed": .confirmed
            case "OrderFailed": failed { .failed($0) }
            case "OrderCancellationRequested": members.string("reason").map { .cancellationRequested(reason: $0) }
            case "OrderCancelled": .cancelled
            case "OrderProcessing": .processing
            case "OrderShipped": .shipped
            case "OrderDelivered": .delivered
            case "OrderCompleted": .completed
            default: nil
            }
        guard let read else { return nil }
        self = read
    }
}
