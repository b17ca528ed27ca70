extension CommandDecoder {
    /// A required price, which is not negative: proto JSON, `{"currencyCode", "units", "nanos"}`, or with a decimal
    /// number or text in place of the last two, `{"currencyCode", "amount"}`. Exact or not at all.
    mutating func price(_ at: Int?, at pointer: String, _ text: Span<UInt8>) -> Money? {
        guard let members = object(at, at: pointer, [.currencyCode, .units, .nanos, .amount], text) else { return nil }
        let currency = textIfAny(members[0], bytes: 0...Money.longestCurrency, at: pointer + "/currencyCode", text)
        let price: Money?
        if let amount = members[3] {
            guard members[1] == nil, members[2] == nil else {
                note(pointer + "/amount", "stands in place of units and nanos")
                return nil
            }
            price = numeral(amount, text).flatMap { Money(currency: currency ?? "", decimal: $0.span) }
            if price == nil { note(pointer + "/amount", "must be a decimal number with at most 9 decimals") }
        } else {
            price = units(members[1], members[2], currency ?? "", at: pointer, text)
        }
        guard let price else { return nil }
        guard price.isValid, !price.isNegative else {
            note(pointer, "must be an amount that is not negative")
            return nil
        }
        return price
    }

    private mutating func units(
        _ units: Int?, _ nanos: Int?, _ currency: String, at pointer: String, _ text: Span<UInt8>
    ) -> Money? {
        var price = Money(currency: currency)
        if let units {
            guard let value = int64(units, text) else {
                note(pointer + "/units", "must be an integer of 64 bits")
                return nil
            }
            price.units = value
        }
        price.nanos = int32(nanos, at: pointer + "/nanos", text)
        return price
    }
}

extension CommandDecoder.Name {
    fileprivate static let currencyCode = Self(camel: "currencyCode", snake: "currency_code")
    fileprivate static let units = Self(camel: "units", snake: "units")
    fileprivate static let nanos = Self(camel: "nanos", snake: "nanos")
    fileprivate static let amount = Self(camel: "amount", snake: "amount")
}
