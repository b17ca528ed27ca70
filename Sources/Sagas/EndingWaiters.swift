import EventCore
import Synchronization

/// Who waits for sagas' ends.
final class EndingWaiters: Sendable {
    private struct State {
        var waiting: [Identifier: [UInt64: CheckedContinuation<SagaStatus?, Never>]] = [:]
        var timers: [UInt64: Task<Void, Never>] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())
    private let clock: any SagaClock

    init(clock: any SagaClock) { self.clock = clock }

    /// - Parameter present: how the saga stands; asked after whoever waits is noted down, so no end falls between.
    func wait(
        for saga: Identifier, withinMS: UInt32, present: @escaping @Sendable () async -> SagaStatus?
    ) async -> SagaStatus? {
        let number = state.withLock { state in
            state.next += 1
            return state.next
        }
        return await withCheckedContinuation { continuation in
            state.withLock { $0.waiting[saga, default: [:]][number] = continuation }
            let timer = Task {
                if let status = await present() { return self.answer(saga, number, status) }
                await self.clock.sleep(milliseconds: UInt64(withinMS))
                self.answer(saga, number, nil)
            }
            state.withLock { state in
                // Answered already: nobody waits for the timer.
                if state.waiting[saga]?[number] == nil { timer.cancel() } else { state.timers[number] = timer }
            }
        }
    }

    func ended(_ saga: Identifier, _ status: SagaStatus) {
        let waiting = state.withLock { state in
            let waiting = state.waiting.removeValue(forKey: saga) ?? [:]
            return waiting.map { ($0.value, state.timers.removeValue(forKey: $0.key)) }
        }
        for (continuation, timer) in waiting {
            timer?.cancel()
            continuation.resume(returning: status)
        }
    }

    private func answer(_ saga: Identifier, _ number: UInt64, _ status: SagaStatus?) {
        let continuation = state.withLock { state in
            state.timers[number] = nil
            let continuation = state.waiting[saga]?.removeValue(forKey: number)
            if state.waiting[saga]?.isEmpty == true { state.waiting[saga] = nil }
            return continuation
        }
        continuation?.resume(returning: status)
    }
}
