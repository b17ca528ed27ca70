import Contracts
import Glibc

/// An instant: microseconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Sendable, Hashable, Comparable, BitwiseCopyable, CustomStringConvertible {
    public var microseconds: Int64

    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// From RFC 3339, what is finer than a microsecond left out; nil when it is no time.
    public init?(_ text: Span<UInt8>) {
        guard let moment = TimeText.timestamp(text) else { return nil }
        microseconds = moment.seconds * 1_000_000 + Int64(moment.nanos / 1000)
    }

    /// The wall clock. It may step; whoever needs order takes the larger of this and the last one.
    public static func now() -> Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.microseconds < b.microseconds }

    /// RFC 3339 in UTC with six decimals: `2026-03-01T09:30:00.000250Z`. Years 0000 to 9999.
    public var description: String {
        let (day, time) = Timestamp.floor(microseconds, 86_400_000_000)
        let date = Timestamp.civil(day: day)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let second = time / 1_000_000
        return padded(date.year, 4) + "-" + padded(date.month, 2) + "-" + padded(date.day, 2)
            + "T" + padded(second / 3600, 2) + ":" + padded(second / 60 % 60, 2) + ":" + padded(second % 60, 2)
            + "." + padded(time % 1_000_000, 6) + "Z"
    }

    private static func floor(_ value: Int64, _ unit: Int64) -> (quotient: Int64, remainder: Int64) {
        let remainder = (value % unit + unit) % unit
        return ((value - remainder) / unit, remainder)
    }

    /// Days since 1970 to a Gregorian date. The year is taken to begin in March, so that the leap day
    /// is its last; an era is the 400 years after which the calendar repeats.
    private static func civil(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floor(day + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }
}
