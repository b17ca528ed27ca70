import Exchanges

/// How much of a request body has come, and how long its sender has been waited for: the bounds of a
/// body in bytes and in time, the same for every protocol.
struct BodyPace {
    /// Body bytes so far, without framing.
    private(set) var received: UInt64 = 0
    /// How long the sender has been waited for, and since when it is now (0 = it is not).
    private var waitedMS: UInt64 = 0
    private var waitingSinceMS: UInt64 = 0

    /// Counts bytes that came. False = more than `limit`.
    mutating func take(_ n: Int, limit: UInt64) -> Bool {
        received += UInt64(n)
        return received <= limit
    }

    /// Would so many more bytes be more than `limit`?
    func exceeds(_ limit: UInt64, with more: UInt64) -> Bool {
        let (total, tooMuch) = received.addingReportingOverflow(more)
        return tooMuch || total > limit
    }

    /// The sender is not waited for any more.
    mutating func stopWaiting(nowMS: UInt64) {
        if waitingSinceMS > 0 { waitedMS += nowMS - waitingSinceMS }
        waitingSinceMS = 0
    }

    /// The sender is waited for from now on, until it is silent for `body` or slower than `bodyRate` on
    /// average. - Returns: milliseconds it has left; 0 = as long as it likes.
    mutating func wait(nowMS: UInt64, _ timeouts: Timeouts) -> UInt64 {
        stopWaiting(nowMS: nowMS)
        waitingSinceMS = nowMS
        let silence = UInt64(timeouts.body)
        let rate = UInt64(timeouts.bodyRate)
        guard silence > 0 && rate > 0 else { return silence }
        let budget = silence + min(received, 1 << 50) * 1000 / rate
        return min(silence, budget > waitedMS ? budget - waitedMS : 1)
    }
}
