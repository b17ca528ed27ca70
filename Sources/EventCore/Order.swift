import Contracts
import Exchanges

public struct Order: Aggregate, Equatable {
    public static let type = "Order"
    public private(set) var version: UInt64 = 0
    public init() {}
    var cost: Int { 256 }
    public mutating func apply(_ event: OrderEvent, at instant: Timestamp) { version += 1 }
    public func decide(_ action: OrderAction, at now: Timestamp) throws(Refusal) -> [OrderEvent] {
        throw Refusal(.unsupported, "not there yet")
    }
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        throw Refusal(.notFound, "not there yet")
    }
}

public struct OrderEvent: AggregateEvent, Equatable {
    static let schemaVersion: UInt32 = 1
    var type: String { "Order" }
    var payload: [UInt8] { [] }
    init?(_ event: Event) { return nil }
}
