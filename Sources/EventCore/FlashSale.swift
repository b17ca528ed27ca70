import Contracts
import Exchanges

public struct FlashSale: Aggregate, Equatable {
    public static let type = "FlashSale"
    public private(set) var version: UInt64 = 0
    public init() {}
    var cost: Int { 256 }
    public mutating func apply(_ event: FlashSaleEvent, at instant: Timestamp) { version += 1 }
    public func decide(_ action: FlashSaleAction, at now: Timestamp) throws(Refusal) -> [FlashSaleEvent] {
        throw Refusal(.unsupported, "not there yet")
    }
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        throw Refusal(.notFound, "not there yet")
    }
}

public struct FlashSaleEvent: AggregateEvent, Equatable {
    static let schemaVersion: UInt32 = 1
    var type: String { "FlashSale" }
    var payload: [UInt8] { [] }
    init?(_ event: Event) { return nil }
}

public enum FlashSaleAction: Sendable, Equatable {
    case nothing
}
