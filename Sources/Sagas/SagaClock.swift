public import EventCore

/// The time, and waiting. Tests have one of their own.
public protocol SagaClock: Sendable {
    var now: Timestamp { get }
    /// Comes back early when the task is cancelled.
    func sleep(milliseconds: UInt64) async
}

/// The machine's clocks: the wall clock for instants, which outlive the process, and the steady one for waiting.
public struct SystemClock: SagaClock {
    public init() {}
    public var now: Timestamp { .now() }
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
