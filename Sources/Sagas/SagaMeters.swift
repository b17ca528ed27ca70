public import EventCore
import Synchronization

/// Figures of the sagas, read by whoever exports them.
public final class SagaMeters: Sendable {
    public struct StepKey: Hashable, Sendable {
        public var saga: String
        public var step: String
        /// `done`, `refused`, `unavailable`, `unknown`, `manual`, `missing` or `timeout`.
        public var outcome: String
    }

    public struct Durations: Sendable {
        /// Upper bounds, in seconds.
        public static let bounds: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
        /// One more than `bounds`: the last is for what exceeds them all.
        public fileprivate(set) var counts = [UInt64](repeating: 0, count: Durations.bounds.count + 1)
        public fileprivate(set) var sum = 0.0
    }

    public struct Figures: Sendable {
        /// Calls of operations. Keys come from definitions, so there are not many.
        public fileprivate(set) var steps: [StepKey: Durations] = [:]
        /// By definition.
        public fileprivate(set) var compensated: [String: UInt64] = [:]
        public fileprivate(set) var completed: [String: UInt64] = [:]
        /// Sagas that are not over.
        public internal(set) var open: [SagaStatus: Int] = [:]
        public internal(set) var openTasks = 0
        /// Orders of sagas that are not over.
        public internal(set) var orders = 0
        /// Being carried out at this moment.
        public internal(set) var running = 0
        /// Those of them that wait for their next attempt.
        public internal(set) var sleeping = 0
        /// Global position of the last event that was looked at.
        public internal(set) var position: UInt64 = 0
        /// Ready, and waiting for a place among the running ones.
        public internal(set) var queued = 0
        /// Answers that came after their step had been given up.
        public fileprivate(set) var lateAnswers: UInt64 = 0
        /// Transactions that had to be tried again because the store could not be written.
        public fileprivate(set) var retriedWrites: UInt64 = 0
        /// Of the index.
        public fileprivate(set) var failedIndexWrites: UInt64 = 0
    }

    private let figures = Mutex(Figures())

    func read() -> Figures { figures.withLock { $0 } }

    func call(_ saga: String, _ step: String, _ outcome: String, _ took: Duration) {
        let seconds = took / .seconds(1)
        figures.withLock { figures in
            let key = StepKey(saga: saga, step: step, outcome: outcome)
            var durations = figures.steps[key] ?? Durations()
            durations.counts[Durations.bounds.firstIndex { seconds <= $0 } ?? Durations.bounds.count] += 1
            durations.sum += seconds
            figures.steps[key] = durations
        }
    }

    func ended(_ saga: String, _ status: SagaStatus) {
        figures.withLock { figures in
            if status == .compensated { figures.compensated[saga, default: 0] += 1 }
            if status == .completed { figures.completed[saga, default: 0] += 1 }
        }
    }

    func answeredLate() { figures.withLock { $0.lateAnswers += 1 } }
    func retriedWrite() { figures.withLock { $0.retriedWrites += 1 } }
    func failedIndexWrite() { figures.withLock { $0.failedIndexWrites += 1 } }
}
