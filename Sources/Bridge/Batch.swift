import Synchronization

/// Messages that were read one after the other and are answered together: not a byte goes back to the broker before all of
/// them are settled, so that each acknowledgement stands for something on disk, and one commit may serve them all.
final class Batch: Sendable {
    private struct State {
        var unsettled: Int
        var atRisk: Int
        var mustComeAgain = false
        var failed: BridgedMessage?
        var isAbandoned = false
    }

    /// Messages that the broker sends again if they are not acknowledged.
    let count: Int
    let isInOrder: Bool

    private let state: Mutex<State>

    /// What came of one message.
    typealias Settled = @Sendable (_ qos: UInt8, IngestOutcome) -> Void

    /// Hands the messages over: those of one topic in their order, and none after one that could not be taken.
    /// - Parameters:
    ///   - inOrder: one after the other, whatever their topics.
    ///   - last: one that has failed as often as it may.
    ///   - settled: called for each of them, from any thread.
    init(
        _ messages: [BridgedMessage], inOrder: Bool, last: BridgedMessage?, to ingest: any Ingest, wakeup: Wakeup,
        settled: @escaping Settled
    ) {
        isInOrder = inOrder
        count = messages.count { $0.qos > 0 }
        state = Mutex(State(unsettled: messages.count, atRisk: messages.count - count))
        for (_, ofTopic) in Dictionary(grouping: messages, by: { inOrder ? [] : $0.topic }) {
            Task {
                var isOver = false
                for message in ofTopic {
                    let outcome: IngestOutcome =
                        isOver || self.isAbandoned ? .later : await ingest.take(message, isLast: message == last)
                    // One with QoS 0 does not come again, so the others need not wait for it.
                    if outcome.comesAgain && message.qos > 0 { isOver = true }
                    settled(message.qos, outcome)
                    self.settle(message, outcome)
                }
                wakeup.ring()
            }
        }
    }

    private func settle(_ message: BridgedMessage, _ outcome: IngestOutcome) {
        state.withLock { state in
            state.unsettled -= 1
            if message.qos == 0 {
                state.atRisk -= 1
            } else if outcome.comesAgain {
                state.mustComeAgain = true
                if outcome == .failed { state.failed = message }
            }
        }
    }

    /// Its connection is over: what has not been begun is left to the next one, where it comes again.
    func abandon() { state.withLock { $0.isAbandoned = true } }
    private var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    var unsettled: Int { state.withLock { $0.unsettled } }
    /// Of them, those that the broker does not have any more.
    var atRisk: Int { state.withLock { $0.atRisk } }
    /// At least one could not be taken.
    var mustComeAgain: Bool { state.withLock { $0.mustComeAgain } }
    /// One of those, on which something has failed.
    var failed: BridgedMessage? { state.withLock { $0.failed } }
}
