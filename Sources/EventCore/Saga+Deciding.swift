import Exchanges

/// What may be asked of a saga. Most of it only whoever carries it out asks; `resolve` and `stop` also people. What
/// already is as asked causes nothing. `attempt` counts from 1 over all calls of the operation.
public enum SagaAction: Sendable, Equatable {
    case start(SagaDefinition, order: Identifier, after: Identifier?)
    /// A call is about to be made.
    case begin(String, SagaPart)
    /// It came to nothing, and will be made again.
    case unavailable(String, attempt: Int, Failure)
    case complete(String, attempt: Int, late: Bool, note: String?)
    case fail(String, attempt: Int, Failure, mayHaveRun: Bool)
    case `defer`(String, attempt: Int, Failure)
    case compensated(String, attempt: Int)
    case compensationFailed(String, attempt: Int, Failure)
    case raise(String, SagaPart, text: String)
    /// Without a step: the only one that waits for people, or is parked.
    case resolve(String?, SagaDecision, note: String?)
    /// Without `nextTryAt`: for something from outside.
    case park(String, reason: String, nextTryAt: Timestamp?)
    /// Nothing is left to do but people's tasks.
    case handOver
    /// Go back. A saga that is over, or never was, stays as it is.
    case stop(by: Identifier?, reason: String)
    case end
}

extension Saga {
    public func decide(_ action: SagaAction, at now: Timestamp) throws(Refusal) -> [SagaEvent] {
        switch action {
        case .start(let definition, let order, let after): return try start(definition, order, after)
        case .stop(let by, let reason):
            guard version > 0, !isOver, !isGoingBack else { return [] }
            return [.stopped(by: by, reason: reason.kept(Failure.longestReason))]
        case .resolve(let name, let decision, let note):
            return try resolve(name, decision, note?.kept(Failure.longestReason))
        case .handOver:
            guard isGoingBack, !isOver, tasks.contains(where: \.isOpen) else { throw Saga.otherwise }
            return isHandedOver ? [] : [.parked(step: nil, reason: "waits for people", nextTryAt: nil, until: nil)]
        case .end: return try end()
        case .begin(let name, let part): return try begin(name, part)
        case .unavailable(let name, let attempt, let failure):
            _ = try open(name)
            return [.stepUnavailable(name, attempt: attempt, failure.kept)]
        case .complete(let name, let attempt, let late, let note): return try complete(name, attempt, late, note)
        case .fail(let name, let attempt, let failure, let mayHaveRun):
            if try present(name).progress == .failed { return [] }
            _ = try open(name)
            return answered(name, .action) + [.stepFailed(name, attempt: attempt, failure.kept, mayHaveRun: mayHaveRun)]
        case .defer(let name, let attempt, let failure):
            let step = try open(name)
            guard let order else { throw Saga.unknown }
            return [
                .stepDeferred(
                    name, operation: step.definition.operation, order: order, attempt: attempt, failure.kept)
            ]
        case .compensated(let name, let attempt):
            if try present(name).undoing == .done { return [] }
            _ = try undoable(name)
            return answered(name, .compensation) + [.stepCompensated(name, attempt: attempt, note: nil)]
        case .compensationFailed(let name, let attempt, let failure):
            _ = try undoable(name)
            return [.compensationFailed(name, attempt: attempt, failure.kept)]
        case .raise(let name, let part, let text):
            if isAsked(name, part) { return [] }
            _ = part == .action ? try open(name) : try undoable(name)
            return [.taskRaised(name, part, text: text.kept(Failure.longestReason))]
        case .park(let name, let reason, let nextTryAt):
            let step = try open(name)
            guard !isGoingBack else { throw Saga.otherwise }
            let longest = Int64(clamping: min(step.definition.parkMS, UInt64(Int32.max))) * 1000
            return [
                .parked(
                    step: name, reason: reason.kept(Failure.longestReason), nextTryAt: nextTryAt,
                    until: step.parkDeadline ?? Timestamp(microseconds: now.microseconds + longest))
            ]
        }
    }

    private func start(
        _ definition: SagaDefinition, _ order: Identifier, _ after: Identifier?
    ) throws(Refusal) -> [SagaEvent] {
        if version > 0 {
            guard self.definition.name == definition.name, self.order == order else {
                throw Refusal(.illegalState, "another saga has this id")
            }
            return []
        }
        return [.started(definition, order: order, after: after)]
    }

    private func begin(_ name: String, _ part: SagaPart) throws(Refusal) -> [SagaEvent] {
        if part == .compensation {
            let step = try undoable(name)
            return [.stepStarted(name, .compensation, attempt: step.undoAttempts + 1)]
        }
        let step = try open(name)
        guard !isGoingBack, !isAsked(name, .action) else { throw Saga.otherwise }
        return (step.park == nil ? [] : [.resumed(step: name)])
            + [.stepStarted(name, .action, attempt: step.attempts + 1)]
    }

    /// Also of a step that was given up: what is late has happened all the same.
    private func complete(
        _ name: String, _ attempt: Int, _ late: Bool, _ note: String?
    ) throws(Refusal) -> [SagaEvent] {
        let step = try present(name)
        if step.progress == .done || ending == .completed { return [] }
        guard late || !isOver else { throw Saga.otherwise }
        return answered(name, .action)
            + [.stepCompleted(name, attempt: attempt, late: late, note: note?.kept(Failure.longestReason))]
    }

    /// Nobody need find out any more.
    private func answered(_ name: String, _ part: SagaPart) -> [SagaEvent] {
        isAsked(name, part) ? [.taskResolved(name, part, .answered, note: nil)] : []
    }

    private func end() throws(Refusal) -> [SagaEvent] {
        guard version > 0 else { throw Saga.unknown }
        if isOver { return [] }
        guard !tasks.contains(where: \.isOpen) else { throw Saga.otherwise }
        if isGoingBack {
            guard nextToUndo == nil, unresolved.isEmpty else { throw Saga.otherwise }
            return [.compensated(cause)]
        }
        guard currentGroup == nil else { throw Saga.otherwise }
        return [.completed]
    }

    // MARK: - People

    private func resolve(_ name: String?, _ decision: SagaDecision, _ note: String?) throws(Refusal) -> [SagaEvent] {
        guard version > 0 else { throw Saga.unknown }
        guard !isOver else { throw Refusal(.illegalState, "the saga is over") }
        guard decision != .answered else { throw Refusal(.validationError, "not a decision") }
        let asked = openTasks.filter { name == nil || $0.step == name }
        guard asked.count < 2 else { throw Refusal(.validationError, "several tasks are open: say which step", field: "/step") }
        guard let task = asked.first else { return try resolveWithoutTask(name, decision, note) }
        let resolved = SagaEvent.taskResolved(task.step, task.part, decision, note: note)
        let step = try present(task.step)
        switch (task.part, decision) {
        case (.action, .retry):
            guard !isGoingBack else { throw Refusal(.illegalState, "the saga goes back: skip or compensate") }
            return [resolved]
        case (.action, .skip):
            return [resolved, .stepCompleted(task.step, attempt: step.attempts, late: false, note: note)]
        case (.action, .compensate):
            return [resolved, .stepFailed(task.step, attempt: step.attempts, Failure(reason: task.text), mayHaveRun: false)]
                + (isGoingBack || step.definition.onFailure == .compensate ? [] : [.stopped(by: nil, reason: Saga.asDecided)])
        case (.compensation, .retry): return [resolved]
        case (.compensation, .skip):
            return [resolved, .stepCompensated(task.step, attempt: step.undoAttempts, note: note)]
        default: throw Refusal(.illegalState, "it goes back already: retry or skip")
        }
    }

    private static let asDecided = "somebody decided so"

    /// Of a saga that waits for no task: a parked step can count as done, and any saga can be sent back.
    private func resolveWithoutTask(
        _ name: String?, _ decision: SagaDecision, _ note: String?
    ) throws(Refusal) -> [SagaEvent] {
        if decision == .compensate, name == nil {
            guard !isGoingBack else { throw Refusal(.illegalState, "it goes back already") }
            return [.stopped(by: nil, reason: note ?? Saga.asDecided)]
        }
        let parked = parkedSteps.filter { name == nil || $0.name == name }
        guard let step = parked.first else { throw Refusal(.illegalState, "nothing of this saga waits for anybody") }
        guard parked.count == 1 else { throw Refusal(.validationError, "several steps are parked: say which step", field: "/step") }
        switch decision {
        case .skip: return [.stepCompleted(step.name, attempt: step.attempts, late: false, note: note)]
        case .compensate: return [.stopped(by: nil, reason: note ?? Saga.asDecided)]
        default: return []
        }
    }

    // MARK: - Steps

    private static let unknown = Refusal(.notFound, "there is no such saga")
    /// Whoever asks has read an older state.
    private static let otherwise = Refusal(.illegalState, "the saga does not stand so that this could happen")

    private func present(_ name: String) throws(Refusal) -> Step {
        guard version > 0 else { throw Saga.unknown }
        guard let step = step(name) else { throw Refusal(.notFound, "the saga has no such step", field: "/step") }
        return step
    }

    /// A step that is neither done nor given up.
    private func open(_ name: String) throws(Refusal) -> Step {
        let step = try present(name)
        guard !isOver, step.progress == .pending || step.progress == .begun else { throw Saga.otherwise }
        return step
    }

    private func undoable(_ name: String) throws(Refusal) -> Step {
        let step = try present(name)
        guard !isOver, isGoingBack, step.undoing == .due || step.undoing == .begun else { throw Saga.otherwise }
        return step
    }
}
