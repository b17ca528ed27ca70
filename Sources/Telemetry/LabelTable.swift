import Synchronization

/// Names of routes (or clusters) that became numbers once, at load, for the life of the process.
///
/// Counters are kept by number, so a reload that keeps a route's name keeps its series, exchanges of
/// the old generation go on counting in the right place, and nothing has to be folded when a
/// generation retires. The budget is fixed: names past it share one overflow series (SPEC O-6).
public final class LabelTable: Sendable {
    /// A name's number. `0` is the overflow series.
    public typealias ID = UInt16

    /// The label of the overflow series.
    public static let overflow = "_other"

    private struct State {
        var names: [String] = [LabelTable.overflow]
        var numbers: [String: ID] = [:]
        var refused = 0
    }

    private let state = Mutex(State())
    /// How many names may have a series of their own.
    public let budget: Int

    /// - Parameter budget: 1 to 65,534 names.
    public init(budget: Int) {
        precondition(budget > 0 && budget < Int(UInt16.max))
        self.budget = budget
    }

    /// The number of `name`; the overflow number once the budget is spent. For load time, not requests.
    public func intern(_ name: String) -> ID {
        state.withLock { state in
            if let known = state.numbers[name] { return known }
            guard state.names.count <= budget else {
                state.refused += 1
                return 0
            }
            let id = ID(state.names.count)
            state.names.append(name)
            state.numbers[name] = id
            return id
        }
    }

    /// Names by number.
    var names: [String] { state.withLock { $0.names } }
    /// How often a name found no place.
    var refused: Int { state.withLock { $0.refused } }
}
