public import EventCore

/// What checkout asks of the orchestrator.
public protocol SagaStarter: Sendable {
    /// The saga's id (`checkout-<order>`, `cancel-<order>`), and the commands that start it: to be executed in the
    /// transaction of what causes it. The orchestrator sees the event and goes on from there.
    /// - Throws: when as many sagas are open as may be, or no definition has this name.
    func start(_ definition: String, order: Identifier) throws(Refusal) -> (saga: Identifier, commands: [Command])
    /// Waits until the saga is over (completed or compensated), or `parked` with nothing left to do but people's
    /// tasks on the way back, so that the order has failed; nil when that takes longer.
    func ending(of saga: Identifier, withinMS: UInt32) async -> SagaStatus?
    /// What the saga waited for is there: try again now.
    func wake(_ saga: Identifier)
}
