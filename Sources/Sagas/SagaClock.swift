public import EventCore
import Glibc

/// The time, and waiting. Tests have one of their own.
public protocol SagaClock: Sendable {
    /// Of the wall: for instants that outlive the process. It may be set, forward and back.
    var now: Timestamp { get }
    /// Milliseconds that only go forward: for whatever is measured or waited for within the process.
    var uptimeMS: UInt64 { get }
    /// Comes back early when the task is cancelled.
    func sleep(milliseconds: UInt64) async
}

/// The machine's clocks: the wall clock for instants, which outlive the process, and the steady one for waiting.
public struct SystemClock: SagaClock {
    public init() {}
    public var now: Timestamp { .now() }
    public var uptimeMS: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
    public func sleep(milliseconds: UInt64) async {
        try? await Task.sleep(for: .milliseconds(Int64(clamping: milliseconds)))
    }
}

extension Timestamp {
    func adding(milliseconds: UInt64) -> Timestamp {
        let micros = Int64(clamping: milliseconds).multipliedReportingOverflow(by: 1000)
        let sum = microseconds.addingReportingOverflow(micros.overflow ? .max : micros.partialValue)
        return Timestamp(microseconds: sum.overflow ? .max : sum.partialValue)
    }

    /// Until then; 0 when that has been.
    func milliseconds(until then: Timestamp) -> UInt64 {
        then <= self ? 0 : UInt64(then.microseconds - microseconds + 999) / 1000
    }
}
