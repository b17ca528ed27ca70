import EventCore
import Exchanges
import Synchronization

/// One saga, carried on as far as it goes now. Reads the saga's state, does what is next, and reads again: what it
/// does is always decided by what is in the log.
struct SagaRun: Sendable {
    let home: Orchestrator
    let id: Identifier
    let impulse: Orchestrator.Impulse

    /// Times that it may find the saga as it was before it does something else.
    private static let patience = 3

    func advance() async -> Orchestrator.Waits {
        // Parked steps that were tried, each once.
        var tried: Set<String> = []
        var (version, idle) = (UInt64.max, 0)
        while !Task.isCancelled, !home.isHolding {
            guard let saga = await state() else { break }
            guard let order = saga.order, !saga.isOver else {
                forget()
                return .over
            }
            home.adopt(id, saga)
            idle = saga.version == version ? idle + 1 : 0
            version = saga.version
            guard idle < SagaRun.patience else { break }
            if let other = await predecessor(of: saga) { return .another(other) }
            if saga.isGoingBack {
                if let waits = await back(saga, order) { return waits }
                continue
            }
            guard saga.currentGroup != nil else {
                await end(saga, order)
                continue
            }
            let now = home.clock.now
            let steps = saga.due.filter { isRunnable($0, now, tried) }
            guard !steps.isEmpty else { return waits(of: saga) }
            tried.formUnion(steps.filter { $0.park != nil }.map(\.name))
            await forward(steps, of: saga, order)
        }
        return .later
    }

    private func isRunnable(_ step: Saga.Step, _ now: Timestamp, _ tried: Set<String>) -> Bool {
        guard let park = step.park else { return true }
        if let until = park.until, until <= now { return true }
        guard !tried.contains(step.name) else { return false }
        return impulse.contains(.woken) || (impulse.contains(.admitted) && park.nextTryAt != nil)
    }

    private func waits(of saga: Saga) -> Orchestrator.Waits {
        let parked = saga.parkedSteps
        guard !parked.isEmpty else { return .people }
        let operation = parked.first { $0.park?.nextTryAt != nil }?.definition.operation
        return .parked(operation: operation, until: parked.compactMap { $0.park?.until }.min())
    }

    /// The saga that has to be over before the first step.
    private func predecessor(of saga: Saga) async -> Identifier? {
        guard let other = saga.after, saga.steps.allSatisfy({ $0.progress == .pending && $0.attempts == 0 }) else { return nil }
        guard let found = await home.saga(other), found.version > 0, !found.isOver else { return nil }
        return other
    }

    private func forward(_ steps: [Saga.Step], of saga: Saga, _ order: Identifier) async {
        if steps.count == 1 {
            await StepRun(run: self, saga: saga, order: order, step: steps[0]).forward()
            return
        }
        await withTaskGroup { group in
            for step in steps {
                group.addTask { await StepRun(run: self, saga: saga, order: order, step: step).forward() }
            }
        }
    }

    // MARK: - Back

    private func back(_ saga: Saga, _ order: Identifier) async -> Orchestrator.Waits? {
        if let step = saga.unresolved.first {
            await StepRun(run: self, saga: saga, order: order, step: step).interrupted()
            return nil
        }
        if let step = saga.nextToUndo {
            await StepRun(run: self, saga: saga, order: order, step: step).undo()
            return nil
        }
        guard saga.openTasks.isEmpty else {
            guard !saga.isHandedOver else { return .people }
            await reach("hand-over", .beforeResult, saga)
            await recordEnd(saga, order, .handOver)
            await reach("hand-over", .afterResult, saga)
            return nil
        }
        await end(saga, order)
        return nil
    }

    // MARK: - End

    private func end(_ saga: Saga, _ order: Identifier) async {
        await reach("end", .beforeResult, saga)
        await recordEnd(saga, order, .end)
        await reach("end", .afterResult, saga)
    }

    /// With what becomes of the order, unless another saga sees to it.
    private func recordEnd(_ saga: Saga, _ order: Identifier, _ action: SagaAction) async {
        let recorded = await recordEnding(saga, order, action)
        guard case .done = recorded, action == .end else { return }
        home.meters.ended(saga.definition.name, saga.isGoingBack ? .compensated : .completed)
    }

    private func recordEnding(_ saga: Saga, _ order: Identifier, _ action: SagaAction) async -> Recorded {
        let name = saga.isGoingBack ? (saga.stoppedBy == nil ? saga.definition.compensated : nil) : saga.definition.completed
        let command = name.flatMap { Endings.command($0, order: order, cause: saga.cause) }
        let recorded = await record((command.map { [$0] } ?? []) + [.saga(id, action)])
        guard case .refused(let refusal) = recorded, command != nil else { return recorded }
        // The order is not what the saga took it for. Going forward that is a reason to go back; going back it
        // has its end already.
        if saga.isGoingBack { return await record([.saga(id, action)]) }
        await record([.saga(id, .stop(by: nil, reason: "the order cannot be ended so: \(refusal.words)"))])
        return recorded
    }

    // MARK: - The log

    enum Recorded: Sendable {
        case done
        case refused(Refusal)
        case stopped
    }

    /// Executes commands in one transaction, again and again while the store cannot be written.
    @discardableResult
    func record(_ commands: [Command]) async -> Recorded { await home.record(id, commands) }

    private func state() async -> Saga? { await home.saga(id) }

    /// The index may still have it.
    private func forget() {
        home.state.withLock { $0.open[id] = nil }
    }

    func reach(_ step: String, _ place: FailPoint.Place, _ saga: Saga) async {
        guard let failPoints = home.failPoints else { return }
        await failPoints.reach(FailPoint(saga: saga.definition.name, step: step, place: place))
    }
}

extension Refusal {
    var words: String { text ?? "\(outcome.detail)" }
}

extension Orchestrator {
    private static let longestPauseMS: UInt64 = 5000

    /// Nil when the orchestrator is stopped.
    func saga(_ id: Identifier) async -> Saga? {
        guard case .saga(let saga)? = await ask(AggregateName(kind: .saga, id: id)) else { return nil }
        return saga
    }

    /// Nil when the orchestrator is stopped, or the log cannot read the aggregate.
    func ask(_ name: AggregateName) async -> AnyAggregate? {
        var pause: UInt64 = 50
        while !Task.isCancelled, !state.withLock({ $0.isStopped }) {
            do throws(Refusal) {
                return try await log.state(of: name)
            } catch {
                guard error.outcome.code == .upstreamUnavailable else { return nil }
                await self.pause(milliseconds: pause)
                pause = min(pause * 2, Self.longestPauseMS)
            }
        }
        return nil
    }

    func record(_ id: Identifier, _ commands: [Command]) async -> SagaRun.Recorded {
        var pause: UInt64 = 50
        let metadata = state.withLock { $0.open[id]?.metadata } ?? Metadata(source: "saga")
        while !Task.isCancelled, !state.withLock({ $0.isStopped }) {
            do throws(Refusal) {
                let accepted = try await log.execute(commands, metadata)
                // What the next transaction is caused by.
                if let last = accepted.last?.eventIds.last {
                    state.withLock { $0.open[id]?.cause = last.description }
                }
                return .done
            } catch {
                // Neither a store that cannot be written nor another writer who is faster is the aggregate's answer.
                guard error.outcome.code == .upstreamUnavailable || error.outcome.code == .versionConflict else {
                    return .refused(error)
                }
                meters.retriedWrite()
                // What is to be noted has happened: an end in order waits for it.
                await self.pause(milliseconds: pause, isBusy: true)
                pause = min(pause * 2, Self.longestPauseMS)
            }
        }
        return .stopped
    }
}
