/// Durations and sizes as people write them. No fractions and no bare numbers except `0`, so that
/// nobody has to remember which unit a key has.
public enum Quantity {
    /// `250ms`, `10s`, `5m`, `1h`, `2d` or `0`, in milliseconds; nil = not a duration or beyond 2^32 ms.
    public static func milliseconds(_ text: String) -> UInt32? {
        if text == "0" { return 0 }
        let factors: [(String, UInt64)] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)]
        return scaled(text, factors).flatMap { UInt32(exactly: $0) }
    }

    /// `512`, `8KiB`, `1MiB`, `2GiB`, in bytes; nil = not a size.
    public static func bytes(_ text: String) -> UInt64? {
        scaled(text, [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
    }

    /// The shortest exact form of `milliseconds`.
    public static func text(milliseconds value: UInt32) -> String {
        if value == 0 { return "0" }
        for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] as [(String, UInt32)]
        where value % factor == 0 {
            return "\(value / factor)\(unit)"
        }
        return "\(value)ms"
    }

    /// The shortest exact form of `bytes`.
    public static func text(bytes value: UInt64) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] as [(String, UInt64)]
        where value > 0 && value & ((1 << shift) - 1) == 0 {
            return "\(value >> shift)\(unit)"
        }
        return "\(value)"
    }

    private static func scaled(_ text: String, _ factors: [(unit: String, factor: UInt64)]) -> UInt64? {
        let digits = text.utf8.prefix { $0 >= 48 && $0 <= 57 }
        let unit = text.utf8.dropFirst(digits.count)
        // Nineteen digits always fit into 64 bits; whether the product does is checked.
        guard digits.count >= 1 && digits.count <= 19,
            let factor = factors.first(where: { $0.unit.utf8.elementsEqual(unit) })?.factor
        else { return nil }
        let number = digits.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - 48) }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }
}
