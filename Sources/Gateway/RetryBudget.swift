import Settings
import Synchronization

/// SPEC F-3: how many attempts may be made again, on one worker for one cluster. Within the last ten
/// seconds retries stay below a share of the requests; a few a second are always allowed, or a quiet
/// gateway could never retry. Without it retries multiply the load on what is already failing.
struct RetryBudget {
    private static let seconds = 10

    private let percent: UInt64
    private let minimum: UInt64
    private var requests = InlineArray<10, UInt64>(repeating: 0)
    private var retries = InlineArray<10, UInt64>(repeating: 0)
    private var second: UInt64 = 0
    private(set) var requestsInWindow: UInt64 = 0 {
        didSet { gauge.requests.store(requestsInWindow, ordering: .relaxed) }
    }
    private(set) var retriesInWindow: UInt64 = 0 {
        didSet { gauge.retries.store(retriesInWindow, ordering: .relaxed) }
    }
    let gauge = RetryGauge()

    /// - Parameter workers: share the minimum, at least one a second each while it is not 0.
    init(_ settings: Settings.Cluster.RetryBudget, workers: Int) {
        percent = UInt64(settings.percent)
        minimum = UInt64((settings.minimum + workers - 1) / max(1, workers))
    }

    /// A first attempt.
    @inline(__always) mutating func request(nowMS: UInt64) {
        advance(nowMS)
        requests[Int(second % 10)] += 1
        requestsInWindow += 1
    }

    /// Takes one retry out of the budget; false = it is used up.
    mutating func takeRetry(nowMS: UInt64) -> Bool {
        advance(nowMS)
        let place = Int(second % 10)
        guard (retriesInWindow + 1) * 100 <= requestsInWindow * percent || retries[place] < minimum else { return false }
        retries[place] += 1
        retriesInWindow += 1
        return true
    }

    /// Forgets what is older than the window.
    @inline(__always) private mutating func advance(_ nowMS: UInt64) {
        let now = nowMS / 1000
        if now != second { forget(upTo: now) }
    }

    private mutating func forget(upTo now: UInt64) {
        let steps = now > second ? min(now - second, UInt64(Self.seconds)) : UInt64(Self.seconds)
        second = now
        for step in 0..<steps {
            let place = Int((now - step) % 10)
            requestsInWindow -= requests[place]
            retriesInWindow -= retries[place]
            requests[place] = 0
            retries[place] = 0
        }
    }
}

/// What is left of a budget, for reports. Written by its worker with plain stores.
final class RetryGauge: Sendable {
    let requests = Atomic<UInt64>(0)
    let retries = Atomic<UInt64>(0)
}
