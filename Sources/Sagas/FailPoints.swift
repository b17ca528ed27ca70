public import EventCore
import Glibc
import Synchronization

/// A place between two things that a saga does, where a process can die.
public struct FailPoint: Sendable, Hashable, CustomStringConvertible {
    /// Around each transaction and each call.
    public enum Place: String, Sendable, CaseIterable {
        case beforeIntent = "before-intent"
        case afterIntent = "after-intent"
        case beforeCall = "before-call"
        case afterCall = "after-call"
        case beforeResult = "before-result"
        case afterResult = "after-result"
    }

    /// Of the definition.
    public var saga: String
    /// A step's name, `undo-` before it for its compensation; `end` for the transaction that ends the saga,
    /// `hand-over` for the one after which only people's tasks are left.
    public var step: String
    public var place: Place

    /// `checkout/process-payment/after-call`
    public var description: String { "\(saga)/\(step)/\(place.rawValue)" }

    /// Every one that a saga of this definition can pass. Which of them it does depends on what happens to it.
    public static func all(of definition: SagaDefinition) -> [FailPoint] {
        var points: [FailPoint] = []
        for step in definition.groups.joined() {
            for name in [step.name] + (step.compensation == nil ? [] : ["undo-" + step.name]) {
                points += Place.allCases.map { FailPoint(saga: definition.name, step: name, place: $0) }
            }
        }
        for step in ["end", "hand-over"] {
            points += [Place.beforeResult, .afterResult].map { FailPoint(saga: definition.name, step: step, place: $0) }
        }
        return points
    }
}

/// What happens at fail points. Nothing, but in tests.
public struct FailPoints: Sendable {
    private let reached: @Sendable (FailPoint) async -> Void

    public init(_ reached: @escaping @Sendable (FailPoint) async -> Void) { self.reached = reached }

    func reach(_ point: FailPoint) async { await reached(point) }

    /// `NEXUS_FAIL_POINT=name[:count]`: the process dies, as by kill -9, when it reaches the point of this name for
    /// the count-th time; nil when the variable is not set.
    public static func environment() -> FailPoints? {
        guard let raw = getenv("NEXUS_FAIL_POINT") else { return nil }
        let parts = String(cString: raw).split(separator: ":", maxSplits: 1)
        guard let name = parts.first.map(String.init) else { return nil }
        let count = parts.count > 1 ? Int(parts[1]) ?? 1 : 1
        let left = Mutex(count)
        return FailPoints { point in
            guard point.description == name else { return }
            let now = left.withLock { left in
                left -= 1
                return left == 0
            }
            if now { kill(getpid(), SIGKILL) }
        }
    }
}
