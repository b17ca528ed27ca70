public import Exchanges

/// RFC 3339 timestamps in UTC with milliseconds. Remembers the text of the current second, because
/// thousands of lines share it.
public struct Timestamp {
    private var second: Int64 = .min
    private let text = Buffer(capacity: 32)

    public init() {}

    /// Writes `2026-01-31T23:59:59.123Z`.
    /// - Parameter realtimeNS: nanoseconds since 1970-01-01T00:00:00Z, not negative.
    public mutating func append(realtimeNS: Int64, to out: Buffer) {
        let now = realtimeNS / 1_000_000_000
        if now != second {
            second = now
            format(now)
        }
        text.withReadable { out.append($0) }
        let ms = UInt64(max(realtimeNS % 1_000_000_000, 0) / 1_000_000)
        out.append(48 + UInt8(ms / 100))
        out.append(48 + UInt8(ms / 10 % 10))
        out.append(48 + UInt8(ms % 10))
        out.append(UInt8(ascii: "Z"))
    }

    private func format(_ seconds: Int64) {
        let days = seconds / 86_400
        let rest = seconds % 86_400
        let date = Timestamp.civil(days: days)
        text.clear()
        digits(date.year, 4)
        text.append(UInt8(ascii: "-"))
        digits(date.month, 2)
        text.append(UInt8(ascii: "-"))
        digits(date.day, 2)
        text.append(UInt8(ascii: "T"))
        digits(rest / 3600, 2)
        text.append(UInt8(ascii: ":"))
        digits(rest / 60 % 60, 2)
        text.append(UInt8(ascii: ":"))
        digits(rest % 60, 2)
        text.append(UInt8(ascii: "."))
    }

    private func digits(_ value: Int64, _ width: Int) {
        var scale: Int64 = 1
        for _ in 1..<width { scale *= 10 }
        while scale > 0 {
            text.append(48 + UInt8(value / scale % 10))
            scale /= 10
        }
    }

    /// The Gregorian date of a day number since 1970-01-01, by eras of 400 years that begin in March.
    private static func civil(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
