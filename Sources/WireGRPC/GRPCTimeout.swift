public import Exchanges

/// The value of `grpc-timeout`: at most eight digits and a unit, H M S m u n.
public enum GRPCTimeout {
    /// Reads a value.
    /// - Returns: milliseconds, what is finer rounded up, so that only zero is zero; nil = malformed.
    public static func milliseconds(_ value: borrowing Span<UInt8>) -> UInt64? {
        let digits = value.count - 1
        guard digits >= 1, digits <= 8 else { return nil }
        var number: UInt64 = 0
        for i in 0..<digits {
            let digit = value[i] &- 48
            guard digit < 10 else { return nil }
            number = number &* 10 &+ UInt64(digit)
        }
        switch value[digits] {
        case 0x48: return number &* 3_600_000  // H
        case 0x4d: return number &* 60_000  // M
        case 0x53: return number &* 1_000  // S
        case 0x6d: return number  // m
        case 0x75: return (number &+ 999) / 1_000  // u
        case 0x6e: return (number &+ 999_999) / 1_000_000  // n
        default: return nil
        }
    }

    /// Writes a value in the finest unit that holds it, rounded up; what nothing holds becomes the longest there is.
    public static func append(milliseconds: UInt64, to out: Buffer) {
        let most: UInt64 = 99_999_999
        var unit: UInt8 = 0x6d
        var number = milliseconds
        for (coarser, factor) in [(0x53, 1_000), (0x4d, 60), (0x48, 60)] as [(UInt8, UInt64)] {
            guard number > most else { break }
            number = number / factor + (number % factor == 0 ? 0 : 1)
            unit = coarser
        }
        out.append(decimal: min(number, most))
        out.append(unit)
    }
}
