import EventCore
import Synchronization

/// One step of a saga, on its way forward. The saga's state is the one it had when the step's turn came; whether
/// what is recorded still fits decides the aggregate.
struct StepRun: Sendable {
    static let wasInterrupted = "the process ended before the answer came"

    let run: SagaRun
    let saga: Saga
    let order: Identifier
    let step: Saga.Step

    var home: Orchestrator { run.home }
    var definition: StepDefinition { step.definition }

    func forward() async {
        if let until = step.park?.until, until <= home.clock.now {
            await failed(Failure(reason: "gave up waiting: \(step.park?.reason ?? "")"), attempt: step.attempts)
            return
        }
        guard let operation = home.operation(definition.operation) else {
            await result([], .raise(step.name, .action, text: "there is no operation '\(definition.operation)'"))
            return
        }
        if step.progress == .begun, !operation.isIdempotent {
            await outcomeUnknown(StepRun.wasInterrupted)
            return
        }
        await attempts(operation)
    }

    /// The attempts within the step's time.
    private func attempts(_ operation: any StepOperation) async {
        let end = home.clock.uptimeMS + UInt64(definition.timeoutMS)
        // What was parked is tried once; whether again, the gate says.
        let most = step.park == nil ? definition.attempts : 1
        var delay = UInt64(definition.delayMS)
        var mayHaveRun = step.progress == .begun
        var number = 0
        while true {
            number += 1
            let attempt = step.attempts + number
            guard !home.isHolding, let context = await context(attempt, until: end), await intent(operation, context, isFirst: number == 1) else { return }
            let answer = await call(operation, context)
            let failure: Failure
            switch answer {
            case .done(let commands)?:
                await done(commands, attempt)
                return
            case .refused(let failure, let commands)?:
                home.answered(definition.operation)
                await failed(failure, attempt: attempt, commands)
                return
            case .manual(let text)?:
                await result([], .raise(step.name, .action, text: text))
                return
            case .missing(let reason)?:
                await missing(reason, attempt)
                return
            case .unavailable(let why)?: failure = why
            case .unknown(let why)?:
                guard operation.isIdempotent else {
                    await outcomeUnknown(why.reason, attempt: attempt, why)
                    return
                }
                mayHaveRun = true
                failure = why
            case nil:
                guard operation.isIdempotent else {
                    await outcomeUnknown("no answer within \(definition.timeoutMS) ms", attempt: attempt)
                    return
                }
                mayHaveRun = true
                failure = Failure(reason: "no answer within \(definition.timeoutMS) ms")
            }
            // Where others have found the service away, there is no need to try again before it is back.
            let isParking = definition.parkMS > 0 && home.isAway(definition.operation)
            let isLast = number >= most || home.clock.uptimeMS + delay >= end || isParking
            guard !isLast else {
                await unavailable(failure, attempt, mayHaveRun)
                return
            }
            if !operation.isIdempotent {
                guard case .done = await run.record([.saga(run.id, .unavailable(step.name, attempt: attempt, failure))]) else { return }
            }
            await home.pause(milliseconds: delay)
            delay = min(delay * 2, 60_000)
            // Whoever has stopped the saga meanwhile need not wait for the remaining attempts.
            guard let now = await home.saga(run.id), !now.isGoingBack, !now.isOver else { return }
        }
    }

    // MARK: - What came of it

    private func done(_ commands: [Command], _ attempt: Int) async {
        home.answered(definition.operation)
        let action = SagaAction.complete(step.name, attempt: attempt, late: false, note: nil)
        guard case .refused(let refusal) = await result(commands, action), !commands.isEmpty else { return }
        // It has happened there, whatever the core says to it: noted, and undone if it matters.
        let note = "the core refused the result: \(refusal.words)"
        var notes: [Command] = [.saga(run.id, .complete(step.name, attempt: attempt, late: false, note: note))]
        if definition.onFailure == .compensate { notes.append(.saga(run.id, .stop(by: nil, reason: note))) }
        await run.record(notes)
    }

    /// Attempts or time are used up, and nothing has happened there, or nothing that does harm twice.
    private func unavailable(_ failure: Failure, _ attempt: Int, _ mayHaveRun: Bool) async {
        guard definition.parkMS > 0 else {
            await failed(failure, attempt: attempt, mayHaveRun: mayHaveRun)
            return
        }
        home.unavailable(definition.operation)
        await result([], .park(step.name, reason: failure.reason, nextTryAt: home.nextTry(definition.operation)))
    }

    private func missing(_ reason: String, _ attempt: Int) async {
        if definition.parkMS > 0 {
            await result([], .park(step.name, reason: reason, nextTryAt: nil))
        } else {
            await failed(Failure(reason: reason), attempt: attempt)
        }
    }

    private func failed(_ failure: Failure, attempt: Int, _ commands: [Command] = [], mayHaveRun: Bool = false) async {
        let action: SagaAction =
            switch definition.onFailure {
            case .compensate, .continue: .fail(step.name, attempt: attempt, failure, mayHaveRun: mayHaveRun)
            case .retryAsync: .defer(step.name, attempt: attempt, failure)
            case .task: .raise(step.name, .action, text: failure.reason)
            }
        guard case .refused = await result(commands, action), !commands.isEmpty else { return }
        await run.record([.saga(run.id, action)])
    }

    /// A call that must not be made twice, and nobody here knows what came of it: people find out. Where the saga
    /// goes on without the step anyway, it does.
    func outcomeUnknown(_ why: String, attempt: Int? = nil, _ failure: Failure? = nil) async {
        switch definition.onFailure {
        case .compensate, .task:
            await result([], .raise(step.name, .action, text: "nobody here knows whether it has happened: \(why)"))
        case .continue, .retryAsync:
            let failure = failure ?? Failure(reason: "not tried again: \(why)")
            await result([], .fail(step.name, attempt: attempt ?? step.attempts, failure, mayHaveRun: true))
        }
    }

    /// A call that an earlier process has made, of a saga that goes back.
    func interrupted() async {
        if home.operation(definition.operation)?.isIdempotent == true {
            // Undone as if it had happened: that does no harm if it has not.
            let failure = Failure(reason: StepRun.wasInterrupted)
            await result([], .fail(step.name, attempt: step.attempts, failure, mayHaveRun: true))
        } else {
            await outcomeUnknown(StepRun.wasInterrupted)
        }
    }

    // MARK: - Transactions and calls

    /// Before a call: notes that it begins, if it must not be made twice, or wants to be announced.
    /// - Returns: false when there is nothing to call for.
    func intent(
        _ operation: any StepOperation, _ context: StepContext, isFirst: Bool, _ part: SagaPart = .action
    ) async -> Bool {
        let announced = isFirst ? operation.announce(context) : []
        guard !announced.isEmpty || !operation.isIdempotent else { return true }
        let label = part.label(of: step.name)
        await run.reach(label, .beforeIntent, saga)
        let recorded = await run.record(announced + [.saga(run.id, .begin(step.name, part))])
        await run.reach(label, .afterIntent, saga)
        switch recorded {
        case .done: return true
        case .stopped: return false
        case .refused(let refusal):
            guard !announced.isEmpty, let now = await home.saga(run.id), now.version == saga.version, part == .action else {
                return false
            }
            await failed(Failure(reason: refusal.words), attempt: context.attempt)
            return false
        }
    }

    func call(_ operation: any StepOperation, _ context: StepContext, _ part: SagaPart = .action) async -> StepResult? {
        let label = part.label(of: step.name)
        await run.reach(label, .beforeCall, saga)
        let start = ContinuousClock.now
        let (home, id, step) = (home, run.id, step.name)
        let answer = await Attempt(operation: operation, context: context, clock: home.clock).run { late in
            await home.cameLate(id, step, part, context.attempt, late)
        }
        home.meters.call(
            saga.definition.name, label, answer?.word ?? "timeout", .now - start)
        await run.reach(label, .afterCall, saga)
        return answer
    }

    /// With what the core has to say to it, in one transaction.
    @discardableResult
    func result(_ commands: [Command], _ action: SagaAction, _ part: SagaPart = .action) async -> SagaRun.Recorded {
        let name = part.label(of: step.name)
        await run.reach(name, .beforeResult, saga)
        let recorded = await run.record(commands + [.saga(run.id, action)])
        await run.reach(name, .afterResult, saga)
        return recorded
    }

    /// Nil when the orchestrator is stopped.
    func context(_ attempt: Int, until end: UInt64, _ part: SagaPart = .action) async -> StepContext? {
        guard case .order(let state)? = await home.ask(AggregateName(kind: .order, id: order)) else { return nil }
        return home.context(
            run.id, step.name, part, attempt: attempt, order: order, state: state,
            timeoutMS: UInt32(clamping: max(1, Int64(end) - Int64(home.clock.uptimeMS))))
    }
}

extension Orchestrator {
    func context(
        _ id: Identifier, _ step: String, _ part: SagaPart, attempt: Int, order: Identifier, state: Order, timeoutMS: UInt32
    ) -> StepContext {
        StepContext(
            saga: id, step: step, part: part, attempt: attempt, order: order, state: state, timeoutMS: timeoutMS,
            metadata: self.state.withLock { $0.open[id]?.metadata } ?? Metadata(source: "saga"))
    }

    /// An answer after its step was given up (SPEC F-4): what has happened is noted, and undone if the saga is on
    /// its way back. What has not happened ends the question whether it has.
    func cameLate(_ id: Identifier, _ step: String, _ part: SagaPart, _ attempt: Int, _ answer: StepResult) async {
        meters.answeredLate()
        let action: SagaAction
        let commands: [Command]
        switch (answer, part) {
        case (.done(let caused), .action):
            (action, commands) = (.complete(step, attempt: attempt, late: true, note: nil), caused)
        case (.done(let caused), .compensation):
            (action, commands) = (.compensated(step, attempt: attempt), caused)
        case (.refused(let failure, let caused), .action):
            (action, commands) = (.fail(step, attempt: attempt, failure, mayHaveRun: false), caused)
        default: return
        }
        if case .refused = await record(id, commands + [.saga(id, action)]), !commands.isEmpty {
            _ = await record(id, [.saga(id, action)])
        }
        poke(id, [])
    }
}
