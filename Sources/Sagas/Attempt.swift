import EventCore
import Synchronization

/// One call of an operation, with an end to the waiting but not to the call.
struct Attempt: Sendable {
    let operation: any StepOperation
    let context: StepContext
    let clock: any SagaClock

    /// - Parameter late: gets what comes after the waiting has ended.
    /// - Returns: nil when nothing came in time.
    func run(late: @escaping @Sendable (StepResult) async -> Void) async -> StepResult? {
        let first = First()
        return await withCheckedContinuation { continuation in
            first.expect(continuation)
            let timer = Task {
                await clock.sleep(milliseconds: UInt64(context.timeoutMS))
                _ = first.take(nil)
            }
            // On its own: whoever gives the saga up must not tear a call apart that may be under way.
            Task {
                let result = await operation.perform(context)
                if first.take(result) { timer.cancel() } else { await late(result) }
            }
        }
    }

    /// Whichever comes first, the answer or the end of the waiting.
    private final class First: Sendable {
        private let waiting = Mutex<CheckedContinuation<StepResult?, Never>?>(nil)

        func expect(_ continuation: CheckedContinuation<StepResult?, Never>) { waiting.withLock { $0 = continuation } }

        /// False when the other was first.
        func take(_ result: StepResult?) -> Bool {
            guard let continuation = waiting.withLock({ $0.take() }) else { return false }
            continuation.resume(returning: result)
            return true
        }
    }
}

extension StepResult {
    /// For figures.
    var word: String {
        switch self {
        case .done: "done"
        case .refused: "refused"
        case .unavailable: "unavailable"
        case .unknown: "unknown"
        case .manual: "manual"
        case .missing: "missing"
        }
    }
}
