import Contracts
import Exchanges

public struct Saga: Aggregate, Equatable {
    public static let type = "Saga"
    public private(set) var version: UInt64 = 0
    public init() {}
    var cost: Int { 256 }
    public mutating func apply(_ event: SagaEvent, at instant: Timestamp) { version += 1 }
    public func decide(_ action: SagaAction, at now: Timestamp) throws(Refusal) -> [SagaEvent] {
        throw Refusal(.unsupported, "not there yet")
    }
    public func body(of id: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        throw Refusal(.notFound, "not there yet")
    }
}

public struct SagaEvent: AggregateEvent, Equatable {
    static let schemaVersion: UInt32 = 1
    var type: String { "Saga" }
    var payload: [UInt8] { [] }
    init?(_ event: Event) { return nil }
}

public enum SagaAction: Sendable, Equatable {
    case nothing
}
