/// An exact amount (SPEC 25): `units` and `nanos` of one sign, |nanos| ≤ 999,999,999.
public struct Money: Sendable, Hashable {
    /// ISO 4217, or whatever the customer gave: up to 128 bytes, possibly empty.
    public var currency: String
    public var units: Int64
    public var nanos: Int32

    public init(currency: String, units: Int64 = 0, nanos: Int32 = 0) {
        self.currency = currency
        self.units = units
        self.nanos = nanos
    }
}

/// Why two amounts, or an amount and a count, do not make a third.
public enum MoneyError: Error, Sendable, Equatable {
    /// `units` and `nanos` of different signs, or too many nanos.
    case invalidAmount
    case differentCurrencies
    /// More than 64 bits of units.
    case tooLarge
}

extension Money {
    /// Bytes of a currency's code.
    public static let longestCurrency = 128
    static let nanosInUnit: Int128 = 1_000_000_000

    public var isValid: Bool {
        let signsAgree = units == 0 || nanos == 0 || (units < 0) == (nanos < 0)
        return signsAgree && nanos.magnitude < 1_000_000_000 && currency.utf8.count <= Money.longestCurrency
    }

    public var isZero: Bool { units == 0 && nanos == 0 }
    public var isNegative: Bool { units < 0 || nanos < 0 }

    /// The sum, exact.
    public func adding(_ other: Money) throws(MoneyError) -> Money {
        guard isValid, other.isValid else { throw .invalidAmount }
        guard currency == other.currency else { throw .differentCurrencies }
        return try Money(currency: currency, allNanos: allNanos + other.allNanos)
    }

    /// So many times the amount, exact.
    public func multiplied(by count: Int64) throws(MoneyError) -> Money {
        guard isValid else { throw .invalidAmount }
        let (product, overflow) = allNanos.multipliedReportingOverflow(by: Int128(count))
        guard !overflow else { throw .tooLarge }
        return try Money(currency: currency, allNanos: product)
    }

    /// Fits: 2⁶³ units are less than 2⁹³ nanos.
    private var allNanos: Int128 { Int128(units) * Money.nanosInUnit + Int128(nanos) }

    /// Division cuts towards zero, so both parts have the amount's sign.
    init(currency: String, allNanos: Int128) throws(MoneyError) {
        let (units, nanos) = allNanos.quotientAndRemainder(dividingBy: Money.nanosInUnit)
        guard let units = Int64(exactly: units) else { throw .tooLarge }
        self.init(currency: currency, units: units, nanos: Int32(truncatingIfNeeded: nanos))
    }
}
