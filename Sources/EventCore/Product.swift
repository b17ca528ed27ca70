import Contracts
import Exchanges

public struct Product: Aggregate, Equatable {
    public static let type = "Product"
    public private(set) var version: UInt64 = 0
    public init() {}
    var cost: Int { 256 }
    public mutating func apply(_ event: ProductEvent, at instant: Timestamp) { version += 1 }
    public func decide(_ action: ProductAction, at now: Timestamp) throws(Refusal) -> [ProductEvent] {
        throw Refusal(.unsupported, "not there yet")
    }
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        throw Refusal(.notFound, "not there yet")
    }
}

public struct ProductEvent: AggregateEvent, Equatable {
    static let schemaVersion: UInt32 = 1
    var type: String { "Product" }
    var payload: [UInt8] { [] }
    init?(_ event: Event) { return nil }
}

public enum ProductAction: Sendable, Equatable {
    case nothing
}
