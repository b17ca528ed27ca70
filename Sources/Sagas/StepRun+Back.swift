import EventCore

// A step of a saga, on its way back.
extension StepRun {
    func undo() async {
        guard let name = definition.compensation, let operation = home.operation(name) else {
            await result([], .raise(step.name, .compensation, text: "there is no operation '\(definition.compensation ?? "")'"), .compensation)
            return
        }
        if step.undoing == .begun, !operation.isIdempotent {
            await ask("nobody here knows whether it has been undone: \(StepRun.wasInterrupted)")
            return
        }
        let end = home.clock.uptimeMS + UInt64(definition.timeoutMS)
        var delay = UInt64(definition.delayMS)
        var number = 0
        while true {
            number += 1
            let attempt = step.undoAttempts + number
            guard !home.isHolding, let context = await context(attempt, until: end, .compensation),
                await intent(operation, context, isFirst: number == 1, .compensation)
            else { return }
            let failure: Failure
            switch await call(operation, context, .compensation) {
            case .done(let commands)?:
                await undone(commands, attempt)
                return
            case .refused(let failure, let commands)?:
                let action = SagaAction.compensationFailed(step.name, attempt: attempt, failure)
                if case .refused = await result(commands, action, .compensation), !commands.isEmpty {
                    await run.record([.saga(run.id, action)])
                }
                await ask(failure.reason)
                return
            case .manual(let text)?, .missing(let text)?:
                await ask(text)
                return
            case .unavailable(let why)?: failure = why
            case .unknown(let why)? where operation.isIdempotent: failure = why
            case .unknown(let why)?:
                await ask("nobody here knows whether it has been undone: \(why.reason)")
                return
            case nil where operation.isIdempotent: failure = Failure(reason: "no answer within \(definition.timeoutMS) ms")
            case nil:
                await ask("nobody here knows whether it has been undone: no answer within \(definition.timeoutMS) ms")
                return
            }
            await result([], .compensationFailed(step.name, attempt: attempt, failure), .compensation)
            guard number < definition.attempts, home.clock.uptimeMS + delay < end else {
                await ask(failure.reason)
                return
            }
            await home.pause(milliseconds: delay)
            delay = min(delay * 2, 60_000)
            if Task.isCancelled { return }
        }
    }

    private func undone(_ commands: [Command], _ attempt: Int) async {
        let action = SagaAction.compensated(step.name, attempt: attempt)
        guard case .refused = await result(commands, action, .compensation), !commands.isEmpty else { return }
        await run.record([.saga(run.id, action)])
    }

    private func ask(_ text: String) async {
        await result([], .raise(step.name, .compensation, text: text), .compensation)
    }
}
