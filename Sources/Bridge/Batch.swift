import Synchronization

/// Messages that were read one after the other and are answered together: not a byte goes back to the broker before all of
/// them are settled, so that each acknowledgement stands for something on disk, and one commit may serve them all.
final class Batch: Sendable {
    private struct State {
        var unsettled: Int
        var atRisk: Int
        var mustComeAgain = false
    }

    private let state: Mutex<State>

    /// What came of one message.
    typealias Settled = @Sendable (_ qos: UInt8, IngestOutcome) -> Void

    /// Hands the messages over: those of one topic in their order, and none after one that could not be taken.
    /// - Parameter settled: called for each of them, from any thread.
    init(_ messages: [BridgedMessage], to ingest: any Ingest, wakeup: Wakeup, settled: @escaping Settled) {
        state = Mutex(State(unsettled: messages.count, atRisk: messages.count { $0.qos == 0 }))
        for (_, ofTopic) in Dictionary(grouping: messages, by: \.topic) {
            Task {
                var isOver = false
                for message in ofTopic {
                    let outcome: IngestOutcome = isOver ? .later : await ingest.take(message)
                    // One with QoS 0 does not come again, so the others need not wait for it.
                    if outcome == .later && message.qos > 0 { isOver = true }
                    settled(message.qos, outcome)
                    self.settle(message.qos, outcome)
                }
                wakeup.ring()
            }
        }
    }

    private func settle(_ qos: UInt8, _ outcome: IngestOutcome) {
        state.withLock { state in
            state.unsettled -= 1
            if qos == 0 {
                state.atRisk -= 1
            } else if outcome == .later {
                state.mustComeAgain = true
            }
        }
    }

    var unsettled: Int { state.withLock { $0.unsettled } }
    /// Of them, those that the broker does not have any more.
    var atRisk: Int { state.withLock { $0.atRisk } }
    /// At least one could not be taken.
    var mustComeAgain: Bool { state.withLock { $0.mustComeAgain } }
}
