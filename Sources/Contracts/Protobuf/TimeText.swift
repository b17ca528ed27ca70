import Exchanges

/// google.protobuf.Timestamp and Duration as JSON strings (RFC 3339 in UTC; seconds with an `s`).
public enum TimeText {
    /// Seconds since 1970 and nanoseconds.
    public struct Moment: BitwiseCopyable {
        public var seconds: Int64
        public var nanos: Int32
    }

    /// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
    static let timestamps: ClosedRange<Int64> = -62_135_596_800...253_402_300_799
    /// About 10,000 years either way.
    static let durations: ClosedRange<Int64> = -315_576_000_000...315_576_000_000

    // MARK: - Writing

    /// Appends the quoted text; false, and nothing written, when the value is out of range.
    static func append(timestamp: Moment, to out: Buffer) -> Bool {
        guard timestamps.contains(timestamp.seconds), (0...999_999_999).contains(timestamp.nanos) else { return false }
        let shifted = timestamp.seconds - timestamps.lowerBound
        let second = Int(shifted % 86_400)
        let (year, month, day) = civil(daysSinceYearOne: Int(shifted / 86_400))
        out.append(UInt8(ascii: "\""))
        digits(year, 4, out)
        out.append(UInt8(ascii: "-"))
        digits(month, 2, out)
        out.append(UInt8(ascii: "-"))
        digits(day, 2, out)
        out.append(UInt8(ascii: "T"))
        digits(second / 3600, 2, out)
        out.append(UInt8(ascii: ":"))
        digits(second / 60 % 60, 2, out)
        out.append(UInt8(ascii: ":"))
        digits(second % 60, 2, out)
        fraction(Int(timestamp.nanos), out)
        out.append("Z\"")
        return true
    }

    /// Appends the quoted text; false, and nothing written, when the value is out of range.
    static func append(duration: Moment, to out: Buffer) -> Bool {
        let (seconds, nanos) = (duration.seconds, duration.nanos)
        guard durations.contains(seconds), (-999_999_999...999_999_999).contains(nanos),
            !(seconds > 0 && nanos < 0), !(seconds < 0 && nanos > 0)
        else { return false }
        out.append(UInt8(ascii: "\""))
        if seconds < 0 || nanos < 0 { out.append(UInt8(ascii: "-")) }
        out.append(decimal: seconds.magnitude)
        fraction(Int(nanos.magnitude), out)
        out.append("s\"")
        return true
    }

    private static func digits(_ value: Int, _ count: Int, _ out: Buffer) {
        var divisor = 1
        for _ in 1..<count { divisor *= 10 }
        while divisor > 0 {
            out.append(48 &+ UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }

    /// Nothing, or 3, 6 or 9 digits, as many as are needed.
    private static func fraction(_ nanos: Int, _ out: Buffer) {
        guard nanos != 0 else { return }
        out.append(UInt8(ascii: "."))
        if nanos % 1_000_000 == 0 {
            digits(nanos / 1_000_000, 3, out)
        } else if nanos % 1000 == 0 {
            digits(nanos / 1000, 6, out)
        } else {
            digits(nanos, 9, out)
        }
    }

    // MARK: - Reading

    /// `2026-01-31T23:59:59.123456789+01:00`: upper-case letters, no leap second, at most nine digits.
    public static func timestamp(_ text: Span<UInt8>) -> Moment? {
        guard text.count >= 20, text[4] == UInt8(ascii: "-"), text[7] == UInt8(ascii: "-"), text[10] == UInt8(ascii: "T"),
            text[13] == UInt8(ascii: ":"), text[16] == UInt8(ascii: ":"),
            let year = number(text, 0..<4), let month = number(text, 5..<7), let day = number(text, 8..<10),
            let hour = number(text, 11..<13), let minute = number(text, 14..<16), let second = number(text, 17..<19),
            year >= 1, (1...12).contains(month), day >= 1, day <= days(in: month, year), hour < 24, minute < 60, second < 60
        else { return nil }
        var at = 19
        guard let nanos = fraction(text, &at), at < text.count else { return nil }
        var seconds = Int64(daysSinceYearOne(year, month, day)) * 86_400 + timestamps.lowerBound
        seconds += Int64(hour * 3600 + minute * 60 + second)
        switch text[at] {
        case UInt8(ascii: "Z"): guard at + 1 == text.count else { return nil }
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard at + 6 == text.count, text[at + 3] == UInt8(ascii: ":"), let hours = number(text, at + 1..<at + 3),
                let minutes = number(text, at + 4..<at + 6), hours < 24, minutes < 60
            else { return nil }
            let offset = Int64(hours * 3600 + minutes * 60)
            seconds += text[at] == UInt8(ascii: "+") ? -offset : offset
        default: return nil
        }
        guard timestamps.contains(seconds) else { return nil }
        return Moment(seconds: seconds, nanos: nanos)
    }

    /// `-1.5s`: at most nine digits behind the point.
    static func duration(_ text: Span<UInt8>) -> Moment? {
        guard text.count >= 2, text[text.count - 1] == UInt8(ascii: "s") else { return nil }
        let isNegative = text[0] == UInt8(ascii: "-")
        let start = isNegative ? 1 : 0
        var at = start
        while at < text.count, text[at] &- 48 < 10 { at += 1 }
        guard let whole = text.extracting(start..<at).decimal, let nanos = fraction(text, &at), at == text.count - 1,
            durations.contains(Int64(whole))
        else { return nil }
        return isNegative ? Moment(seconds: -Int64(whole), nanos: -nanos) : Moment(seconds: Int64(whole), nanos: nanos)
    }

    /// Nanoseconds from `.` and one to nine digits at `at`, 0 when there is no point.
    private static func fraction(_ text: Span<UInt8>, _ at: inout Int) -> Int32? {
        guard at < text.count, text[at] == UInt8(ascii: ".") else { return 0 }
        at += 1
        let start = at
        var nanos: Int32 = 0
        while at < text.count, text[at] &- 48 < 10 {
            guard at - start < 9 else { return nil }
            nanos = nanos * 10 + Int32(text[at] - 48)
            at += 1
        }
        guard at > start else { return nil }
        for _ in (at - start)..<9 { nanos *= 10 }
        return nanos
    }

    private static func number(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? { text.extracting(range).decimal }

    // MARK: - The calendar (Gregorian, extended backwards)

    private static func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func days(in month: Int, _ year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days from 0001-01-01 to a date.
    static func daysSinceYearOne(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let before = year - 1
        var sum = before * 365 + before / 4 - before / 100 + before / 400 + day - 1
        for earlier in 1..<month { sum += days(in: earlier, year) }
        return sum
    }

    static func civil(daysSinceYearOne days: Int) -> (year: Int, month: Int, day: Int) {
        // Whole cycles of 400, 100, 4 and 1 years; the last day of a cycle belongs to its last year.
        let cycle = days / 146_097
        var rest = days % 146_097
        let century = min(rest / 36_524, 3)
        rest -= century * 36_524
        let four = rest / 1461
        rest %= 1461
        let one = min(rest / 365, 3)
        rest -= one * 365
        let year = cycle * 400 + century * 100 + four * 4 + one + 1
        var month = 1
        while rest >= self.days(in: month, year) {
            rest -= self.days(in: month, year)
            month += 1
        }
        return (year, month, rest + 1)
    }
}
