import EventCore
import Synchronization

// Which saga is carried out when. Each by one task at a time, so many at the same time, the rest in a queue.
extension Orchestrator {
    /// How long until what could not be done is tried again.
    static let laterMS: UInt64 = 60_000
    /// Longest time for which nobody looks at what is due: the wall clock may step.
    private static let longestSleepMS: UInt64 = 60_000

    /// Has a saga looked at. One that is being carried out is looked at again afterwards.
    func poke(_ id: Identifier, _ impulse: Impulse) {
        state.withLock { state in
            guard !state.isStopped else { return }
            if let present = state.running[id]?.again ?? (state.running[id] == nil ? nil : []) {
                state.running[id]?.again = present.union(impulse)
            } else if let present = state.queued[id] {
                state.queued[id] = present.union(impulse)
            } else {
                state.queued[id] = impulse
                state.ready.append(id)
            }
        }
        launch()
    }

    private func launch() {
        state.withLock { state in
            while !state.isStopped, !state.isHolding, state.running.count < options.running, let id = state.ready.popFirst() {
                let impulse = state.queued.removeValue(forKey: id) ?? []
                if let operation = state.gateOf[id], !impulse.contains(.admitted) {
                    state.gates[operation]?.leave(id)
                    state.gateOf[id] = nil
                }
                // Begins before it is noted down, but cannot end before: that takes this lock.
                let task = Task {
                    let waits = await SagaRun(home: self, id: id, impulse: impulse).advance()
                    self.finished(id, waits)
                }
                state.running[id] = Running(task: task)
            }
        }
    }

    private func finished(_ id: Identifier, _ waits: Waits) {
        let again: Impulse? = state.withLock { state in
            let meanwhile = state.running.removeValue(forKey: id)?.again
            if let operation = state.gateOf.removeValue(forKey: id) { state.gates[operation]?.leave(id) }
            if let meanwhile { return meanwhile }
            switch waits {
            case .over, .people: break
            case .another(let other):
                // Over meanwhile: nobody would say so again.
                guard state.open[other] != nil else { return [] }
                state.successors[other, default: []].insert(id)
            case .parked(let operation, let until):
                if let operation {
                    state.gates[operation, default: Gate()].wait(id)
                    state.gateOf[id] = operation
                }
                if let until { state.insertDeadline(id, at: until) }
            case .later: state.revisits.insert(id, at: clock.uptimeMS + Self.laterMS)
            }
            return nil
        }
        if let again { poke(id, again) } else { launch() }
        keepTime()
    }

    // MARK: - Gates

    func isAway(_ operation: String) -> Bool { state.withLock { $0.gates[operation]?.isAway == true } }

    func nextTry(_ operation: String) -> Timestamp {
        let now = clock.now
        let uptime = clock.uptimeMS
        return now.adding(milliseconds: state.withLock { ($0.gates[operation] ?? Gate()).waitMS(atMS: uptime) })
    }

    func answered(_ operation: String) {
        let isAwaited = state.withLock { state in
            guard var gate = state.gates[operation] else { return false }
            gate.answered()
            state.gates[operation] = gate.isIdle ? nil : gate
            return !gate.isIdle
        }
        if isAwaited { letThrough() }
    }

    func unavailable(_ operation: String) {
        let now = clock.uptimeMS
        state.withLock { $0.gates[operation, default: Gate()].unavailable(atMS: now) }
    }

    // MARK: - Time

    private func letThrough() {
        let (now, uptime) = (clock.now, clock.uptimeMS)
        let due: [(Identifier, Impulse)] = state.withLock { state in
            var due: [(Identifier, Impulse)] = []
            for operation in state.gates.keys {
                for id in state.gates[operation]?.admit(atMS: uptime) ?? [] { due.append((id, .admitted)) }
            }
            while let id = state.deadlines.popFirst(at: now) { if state.open[id] != nil { due.append((id, [])) } }
            while let id = state.revisits.popFirst(at: uptime) { due.append((id, [])) }
            return due
        }
        for (id, impulse) in due { poke(id, impulse) }
    }

    /// One task sleeps for all, until the first of them is due.
    private func keepTime() {
        let (now, uptime) = (clock.now, clock.uptimeMS)
        state.withLock { state in
            guard !state.isStopped, let wait = state.nextDue(at: now, uptime) else { return }
            let untilMS = uptime + min(wait, Self.longestSleepMS)
            if let timer = state.timer {
                guard untilMS < timer.untilMS else { return }
                timer.task.cancel()
            }
            let task = Task {
                await self.clock.sleep(milliseconds: untilMS - uptime)
                guard !Task.isCancelled else { return }
                self.state.withLock { $0.timer = nil }
                self.letThrough()
                self.keepTime()
            }
            state.timer = (task, untilMS)
        }
    }

    /// Sleeps in the midst of a run.
    /// - Parameter isBusy: something is not finished that must not be cut.
    func pause(milliseconds: UInt64, isBusy: Bool = false) async {
        state.withLock {
            $0.sleeping += 1
            $0.sleepingBusy += isBusy ? 1 : 0
        }
        await clock.sleep(milliseconds: milliseconds)
        state.withLock {
            $0.sleeping -= 1
            $0.sleepingBusy -= isBusy ? 1 : 0
        }
    }
}

extension Orchestrator.State {
    /// Milliseconds until somebody must look at something.
    fileprivate func nextDue(at now: Timestamp, _ uptimeMS: UInt64) -> UInt64? {
        var next = deadlines.next.map { now.milliseconds(until: $0) }
        for due in gates.values.map(\.nextMS) + [revisits.next] {
            guard let due else { continue }
            let wait = due > uptimeMS ? due - uptimeMS : 0
            next = min(next ?? wait, wait)
        }
        return next
    }

    /// Most sagas are over long before their deadline, a day after they were parked.
    fileprivate mutating func insertDeadline(_ id: Identifier, at time: Timestamp) {
        deadlines.insert(id, at: time)
        if deadlines.count > 2 * open.count + 1024 { deadlines.keep { open[$0] != nil } }
    }
}
