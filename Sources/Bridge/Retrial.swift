/// What a bridge does after messages that could not be taken: it takes those that come again one by one, so that what stands beside
/// such a message is acknowledged and not done again with each attempt; and it knows the one that fails again and again.
struct Retrial {
    /// Messages that are still taken one by one.
    private var careful = 0
    /// The one that failed last, and how often in a row.
    private var suspect: (message: BridgedMessage, failures: Int)?
    private let most: Int

    /// - Parameter most: failures of one message, the last of which refuses it.
    init(most: Int) { self.most = most }

    /// Messages are read and handed over one by one.
    var isCareful: Bool { careful > 0 }

    /// One that is refused if it fails once more.
    var last: BridgedMessage? { suspect.flatMap { $0.failures >= most - 1 ? $0.message : nil } }

    /// Each of them is settled, and will be acknowledged.
    mutating func passed(_ batch: Batch) {
        careful = max(0, careful - batch.count)
        // Until then it may still be to come.
        if careful == 0 { suspect = nil }
    }

    /// Their connection is cut, and they come again.
    mutating func comesAgain(_ batch: Batch) {
        careful = max(careful, batch.count)
        // Only where none was begun after it is it certain to be the same each time.
        guard batch.isInOrder, let message = batch.failed else { return }
        suspect = (message, suspect?.message == message ? (suspect?.failures ?? 0) + 1 : 1)
    }
}
