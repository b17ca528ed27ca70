import Settings

/// A circuit breaker (SPEC F-1), without clock and lock: calls that fail too often are not made for a while.
///
/// Closed, it remembers the last `window` calls; once `minimum` are known and `failures` percent of them
/// failed, it opens. After `open` milliseconds it is half open, by time alone: `halfOpen` calls are let
/// through, and all must succeed.
struct CircuitBreaker {
    enum State: Int, Sendable {
        case closed, halfOpen, open
    }

    /// Which life of the breaker a call belongs to: what a call of an earlier one comes to says nothing about
    /// now.
    typealias Life = UInt32

    enum Answer: Equatable {
        case admitted(Life)
        case refused(retryAfterMS: UInt32)
    }

    enum Result { case success, failure, unknown }

    private var life: Life = 1
    private var isOpen = false
    private var openUntilMS: UInt64 = 0
    // Closed: a ring of results.
    private var ring: [Bool] = []
    private var next = 0
    private var failures = 0
    // Half open: how many calls were let through, when the last was, and how many came back well.
    private var trials = 0
    private var lastTrialMS: UInt64 = 0
    private var successes = 0

    func state(nowMS: UInt64) -> State {
        if !isOpen { return .closed }
        return nowMS < openUntilMS ? .open : .halfOpen
    }

    /// May a call be made? Each one that is admitted must come back to `ended`.
    mutating func admit(_ rule: Settings.Cluster.Breaker, nowMS: UInt64) -> Answer {
        guard isOpen else { return .admitted(life) }
        guard nowMS >= openUntilMS else {
            return .refused(retryAfterMS: UInt32(min(openUntilMS - nowMS, UInt64(rule.open))))
        }
        if trials >= rule.halfOpen {
            // Calls that are still not back after so long decide nothing; others are asked instead.
            guard nowMS >= lastTrialMS + UInt64(rule.open) else { return .refused(retryAfterMS: 1000) }
            life &+= 1
            trials = 0
            successes = 0
        }
        trials += 1
        lastTrialMS = nowMS
        return .admitted(life)
    }

    /// A call is back.
    /// - Returns: true when the breaker has opened now.
    mutating func ended(_ life: Life, _ result: Result, _ rule: Settings.Cluster.Breaker, nowMS: UInt64) -> Bool {
        guard life == self.life else { return false }
        if isOpen {
            switch result {
            case .unknown: trials -= 1
            case .failure: return open(rule, nowMS)
            case .success:
                successes += 1
                if successes >= rule.halfOpen { close() }
            }
            return false
        }
        guard result != .unknown else { return false }
        remember(result == .failure, rule.window)
        guard ring.count >= rule.minimum, failures * 100 >= rule.failures * ring.count else { return false }
        return open(rule, nowMS)
    }

    private mutating func remember(_ failed: Bool, _ window: Int) {
        if ring.count > window || next >= window {  // a reload made it smaller
            ring.removeAll()
            next = 0
            failures = 0
        }
        if ring.count < window {
            ring.insert(failed, at: next)
        } else {
            if ring[next] { failures -= 1 }
            ring[next] = failed
        }
        if failed { failures += 1 }
        next = next + 1 < window ? next + 1 : 0
    }

    private mutating func open(_ rule: Settings.Cluster.Breaker, _ nowMS: UInt64) -> Bool {
        isOpen = true
        openUntilMS = nowMS + UInt64(rule.open)
        forget()
        return true
    }

    private mutating func close() {
        isOpen = false
        forget()
    }

    /// A new life begins.
    private mutating func forget() {
        life &+= 1
        ring.removeAll(keepingCapacity: true)
        next = 0
        failures = 0
        trials = 0
        successes = 0
    }
}
