public import Sagas

/// The operations that saga definitions may name.
public struct Operations: Sendable {
    private let all: [String: any StepOperation]

    public init(_ operations: [any StepOperation]) {
        all = Dictionary(operations.map { ($0.name, $0) }) { first, _ in first }
    }

    public subscript(_ name: String) -> (any StepOperation)? { all[name] }
    public var names: [String] { all.keys.sorted() }
}
