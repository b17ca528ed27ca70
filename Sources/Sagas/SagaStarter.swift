public import EventCore

/// How a saga stands (SPEC T-4).
public enum SagaStatus: String, Sendable, CaseIterable {
    case inProgress = "IN_PROGRESS"
    case completed = "COMPLETED"
    case compensated = "COMPENSATED"
    case parked = "PARKED"
}

/// What checkout asks of the orchestrator.
public protocol SagaStarter: Sendable {
    /// The saga's id (`checkout-<order>`, `cancel-<order>`), and the commands that start it: to be executed in the
    /// transaction of what causes it. The orchestrator sees the event and goes on from there.
    func start(_ definition: String, order: Identifier) throws(Refusal) -> (saga: Identifier, commands: [Command])
    /// Waits until the saga is over (completed or compensated); nil when that takes longer.
    func ending(of saga: Identifier, withinMS: UInt32) async -> SagaStatus?
    /// What the saga waited for is there: try again now.
    func wake(_ saga: Identifier)
}
