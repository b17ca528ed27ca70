import CShim
import Exchanges
import Glibc
import WireHTTP

/// Wall-clock time.
enum WallClock {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    static func nowNS() -> Int64 { nx_realtime_ns() }
}

/// The `Date` field (RFC 9110 section 6.6.1), made once a second.
final class DateField {
    private let line = Buffer(capacity: 64)
    private static let prefix = 6
    private var madeAtNS: UInt64 = 0

    /// - Parameter nowNS: the loop's monotonic clock.
    func append(nowNS: UInt64, to out: Buffer) {
        if line.isEmpty || nowNS &- madeAtNS >= 1_000_000_000 { make(nowNS) }
        line.withReadable { out.append($0) }
    }

    /// The field's value alone.
    func append(nowNS: UInt64, to block: HTTP2FieldBlock) {
        if line.isEmpty || nowNS &- madeAtNS >= 1_000_000_000 { make(nowNS) }
        line.withReadable { block.add("date", $0.extracting(Self.prefix..<($0.count - 2))) }
    }

    private static let days: [StaticString] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months: [StaticString] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private func make(_ nowNS: UInt64) {
        var seconds = time_t(WallClock.nowNS() / 1_000_000_000)
        // Counted from the second's beginning, so that the field is never a second late.
        madeAtNS = nowNS &- UInt64(WallClock.nowNS() % 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        line.clear()
        line.append("Date: " as StaticString)
        line.append(Self.days[Int(parts.tm_wday)])
        line.append(", " as StaticString)
        two(parts.tm_mday)
        line.append(0x20)
        line.append(Self.months[Int(parts.tm_mon)])
        line.append(0x20)
        line.append(decimal: UInt64(parts.tm_year) + 1900)
        line.append(0x20)
        two(parts.tm_hour)
        line.append(0x3a)
        two(parts.tm_min)
        line.append(0x3a)
        two(parts.tm_sec)
        line.append(" GMT\r\n" as StaticString)
    }

    private func two(_ value: Int32) {
        line.append(48 + UInt8(value / 10))
        line.append(48 + UInt8(value % 10))
    }
}
