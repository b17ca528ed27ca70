public import Bus
public import EventCore
import Exchanges

/// Steps that a saga has left to the bus (`on_failure: retry-async`, SPEC T-1): performed with its retries, and put
/// aside where they cannot be. The saga does not wait for them.
public struct DeferredSteps: Consumer {
    public let name = "deferred-steps"
    public let types: Set<String> = ["SagaStepDeferred"]
    public let path: DeliveryPath? = .secondary

    private let log: EventLog
    private let operation: @Sendable (String) -> (any StepOperation)?
    private let applied: AppliedVersions
    /// For a step whose saga says nothing.
    private static let timeoutMS: UInt32 = 30_000

    /// - Parameters:
    ///   - store: of the bus. It keeps which steps are done, so that a crash right after one hardly repeats it.
    ///   - operations: by their names.
    public init(log: EventLog, store: any ConsumerStore, operations: @escaping @Sendable (String) -> (any StepOperation)?) {
        self.log = log
        operation = operations
        applied = AppliedVersions(store, of: "deferred-steps")
    }

    public func apply(_ event: StoredEvent) async -> Applied {
        guard case .stepDeferred(let step, let name, let order, let attempt, _) = SagaEvent(event.event) else {
            return .permanent(Failure(reason: "the event cannot be read"))
        }
        guard let operation = operation(name) else {
            return .permanent(Failure(reason: "there is no operation '\(name)'"))
        }
        do throws(StoreError) {
            if try applied.includes(event) { return .done }
        } catch {
            return .transient(Failure(reason: "the store of consumers cannot be read"))
        }
        let context: StepContext
        do throws(Refusal) {
            context = try await self.context(event, step, order, attempt: attempt + 1)
        } catch {
            return .transient(Failure(reason: "the event store cannot be read"))
        }
        let outcome = await perform(operation, context)
        // When it cannot be noted, the checkpoint will say it.
        if outcome == .done { try? applied.note(event) }
        return outcome
    }

    private func context(
        _ event: StoredEvent, _ step: String, _ id: Identifier, attempt: Int
    ) async throws(Refusal) -> StepContext {
        var order = Order()
        if case .order(let found) = try await log.state(of: AggregateName(kind: .order, id: id)) { order = found }
        var timeout = DeferredSteps.timeoutMS
        if case .saga(let saga) = try await log.state(of: AggregateName(kind: .saga, id: event.aggregate.id)),
            let definition = saga.step(step)?.definition
        {
            timeout = definition.timeoutMS
        }
        let cause = event.event.metadata
        return StepContext(
            saga: event.aggregate.id, step: step, attempt: attempt, order: id, state: order, timeoutMS: timeout,
            metadata: Metadata(
                correlationId: cause.correlationId, causationId: "\(event.event.id)", userId: cause.userId,
                source: "saga", traceparent: cause.traceparent))
    }

    private func perform(_ operation: any StepOperation, _ context: StepContext) async -> Applied {
        switch await operation.perform(context) {
        case .done(let commands):
            // What has been done elsewhere is not done again only because the core cannot note it.
            return await execute(commands, context, mayRepeat: operation.isIdempotent) ?? .done
        case .refused(let failure, let commands):
            return await execute(commands, context, mayRepeat: true) ?? .permanent(failure)
        case .unavailable(let failure): return .transient(failure)
        case .unknown(let failure): return operation.isIdempotent ? .transient(failure) : .permanent(failure)
        case .manual(let text), .missing(let text): return .permanent(Failure(reason: text))
        }
    }

    /// Nil when they have been executed.
    private func execute(_ commands: [Command], _ context: StepContext, mayRepeat: Bool) async -> Applied? {
        guard !commands.isEmpty else { return nil }
        do throws(Refusal) {
            try await log.execute(commands, context.metadata)
            return nil
        } catch {
            let failure = Failure(reason: "the core refused the result: \(error.text ?? error.outcome.detail.description)")
            let isPassing = error.outcome.code == .upstreamUnavailable || error.outcome.code == .versionConflict
            return isPassing && mayRepeat ? .transient(failure) : .permanent(failure)
        }
    }
}
