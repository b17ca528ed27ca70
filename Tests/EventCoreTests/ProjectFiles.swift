import Contracts
import EventCore
import Glibc
import Testing

/// The bytes of a file of the project, by its path in it.
func projectFile(_ path: String) throws -> [UInt8] {
    let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    let handle = open("\(root)/\(path)", O_RDONLY)
    try #require(handle >= 0, "\(path) is missing")
    defer { close(handle) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let n = read(handle, &bytes, bytes.count)
    return Array(bytes[0..<max(0, n)])
}

/// Schemas of some types of events.
func eventSchemas(_ types: [String]) throws -> EventSchemas {
    var schemas = EventSchemas()
    for type in types {
        let text = try projectFile("contracts/events/\(type).json")
        try schemas.add(try JSONSchema(text.span))
    }
    return schemas
}

let orderEventTypes = [
    "OrderPlaced", "PaymentRequested", "PaymentCompleted", "PaymentFailed", "PaymentRefunded", "PaymentRefundFailed",
    "ShipmentRequested", "ShipmentScheduled", "ShipmentFailed", "OrderStockReserved", "InventoryUnavailable",
    "OrderStockTaken", "OrderStockReleased", "OrderConfirmed", "OrderFailed", "OrderCancellationRequested", "OrderCancelled", "OrderProcessing",
    "OrderShipped", "OrderDelivered", "OrderCompleted",
]
