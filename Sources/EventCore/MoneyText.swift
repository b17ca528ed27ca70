public import Contracts

// Amounts as text: proto JSON inside, decimal numbers where people write prices.

extension Money {
    /// Characters of a decimal amount that are read: more than any that fits needs.
    public static let longestDecimal = 64

    /// From a decimal number as JSON writes numbers (`19.99`, `-0.5`, `2e3`); exact, so nil for what does not
    /// fit and for what is finer than a nano.
    public init?(currency: String, decimal text: Span<UInt8>) {
        guard text.count <= Money.longestDecimal, JSONNumber.isNumber(text) else { return nil }
        var magnitude: Int128 = 0
        // Power of ten that the digits, read as an integer, are to be multiplied by to give nanos.
        var power = 9
        var (at, isBehindPoint) = (text[0] == UInt8(ascii: "-") ? 1 : 0, false)
        while at < text.count, text[at] | 0x20 != UInt8(ascii: "e") {
            defer { at += 1 }
            guard text[at] != UInt8(ascii: ".") else {
                isBehindPoint = true
                continue
            }
            if isBehindPoint { power -= 1 }
            guard let grown = Money.shifted(magnitude, by: 1) else { return nil }
            magnitude = grown + Int128(text[at] - 48)
        }
        if at < text.count {
            let digits = text.extracting(at + 1..<text.count)
            // JSONNumber reads no leading `+`, and 64 characters hold no exponent that could matter beyond this.
            let exponent = digits[0] == UInt8(ascii: "+") ? digits.extracting(1..<digits.count) : digits
            guard let value = JSONNumber.integer(exponent), value.magnitude < 1000 else { return nil }
            power += Int(value)
        }
        guard let nanos = Money.shifted(magnitude, by: power),
            let money = try? Money(currency: currency, allNanos: text[0] == UInt8(ascii: "-") ? -nanos : nanos)
        else { return nil }
        self = money
    }

    /// `value` · 10^`power`, nil when that is no integer or does not fit.
    private static func shifted(_ value: Int128, by power: Int) -> Int128? {
        var result = value
        if value == 0 { return 0 }
        for _ in 0..<power.magnitude {
            if power < 0 {
                guard result % 10 == 0 else { return nil }
                result /= 10
            } else {
                let (product, overflow) = result.multipliedReportingOverflow(by: 10)
                guard !overflow, product <= Int128.max - 9 else { return nil }
                result = product
            }
        }
        return result
    }

    /// Without trailing zeros: `19.99`, `-0.5`, `8`.
    public var decimal: String {
        var fraction = String(nanos.magnitude)
        fraction = String(repeating: "0", count: max(0, 9 - fraction.count)) + fraction
        while fraction.last == "0" { fraction.removeLast() }
        return (isNegative ? "-" : "") + String(units.magnitude) + (fraction.isEmpty ? "" : "." + fraction)
    }
}

extension JSONWriter {
    /// Proto JSON with every field: `{"currencyCode":"USD","units":"19","nanos":990000000}`.
    public mutating func money(_ money: Money) {
        beginObject()
        name("currencyCode")
        string(money.currency)
        name("units")
        string(String(money.units))
        name("nanos")
        integer(money.nanos)
        endObject()
    }
}

extension JSONMembers {
    /// An amount as `JSONWriter.money` writes it; a field that is absent is its default. Nil when it is no valid one.
    func money(_ name: StaticString) -> Money? {
        guard let members = object(name) else { return nil }
        var money = Money(currency: "")
        if members.has("currencyCode") {
            guard let currency = members.string("currencyCode") else { return nil }
            money.currency = currency
        }
        if members.has("units") {
            guard let units = members.int64("units") else { return nil }
            money.units = units
        }
        if members.has("nanos") {
            guard let nanos = members.int32("nanos") else { return nil }
            money.nanos = nanos
        }
        return money.isValid ? money : nil
    }
}
