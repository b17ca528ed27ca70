public import EventCore
import Glibc

/// The time, as the bus sees it: a test's own time needs no waiting.
public protocol BusClock: Sendable {
    /// Of the wall, which may step: for people, and for what outlives the process.
    func now() -> Timestamp
    /// Milliseconds since some moment; never goes back. Delays are measured by it.
    func uptimeMS() -> UInt64
    /// Returns at that uptime, or when the task is cancelled.
    func sleep(untilMS: UInt64) async
}

/// The machine's clocks.
public struct SystemBusClock: BusClock {
    public init() {}

    public func now() -> Timestamp { .now() }

    public func uptimeMS() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }

    public func sleep(untilMS: UInt64) async {
        let now = uptimeMS()
        if untilMS > now { try? await Task.sleep(for: .milliseconds(untilMS - now)) }
    }
}
