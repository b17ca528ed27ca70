import Contracts
import EventCore
import Testing

private func result(_ sum: () throws(MoneyError) -> Money) -> Result<Money, MoneyError> {
    do throws(MoneyError) { return .success(try sum()) } catch { return .failure(error) }
}

/// Arithmetic as on paper: decimal digits, lowest first.
private struct Paper: Equatable {
    var isNegative = false
    var digits: [Int] = []

    init(_ money: Money) {
        isNegative = money.isNegative
        let nanos = String(money.nanos.magnitude)
        let text = String(money.units.magnitude) + String(repeating: "0", count: 9 - nanos.count) + nanos
        digits = text.reversed().compactMap(\.wholeNumberValue)
        trim()
    }

    private mutating func trim() {
        while digits.last == 0 { digits.removeLast() }
        if digits.isEmpty { isNegative = false }
    }

    private func isLess(_ other: Paper) -> Bool {
        if digits.count != other.digits.count { return digits.count < other.digits.count }
        for i in digits.indices.reversed() where digits[i] != other.digits[i] { return digits[i] < other.digits[i] }
        return false
    }

    static func + (a: Paper, b: Paper) -> Paper {
        var result = a.isLess(b) ? b : a
        let other = a.isLess(b) ? a : b
        let sign = a.isNegative == b.isNegative ? 1 : -1
        var carry = 0
        for i in result.digits.indices {
            let digit = result.digits[i] + carry + sign * (i < other.digits.count ? other.digits[i] : 0)
            result.digits[i] = (digit + 10) % 10
            carry = digit > 9 ? 1 : (digit < 0 ? -1 : 0)
        }
        if carry > 0 { result.digits.append(carry) }
        result.trim()
        return result
    }

    static func * (a: Paper, count: Int64) -> Paper {
        var result = a
        result.digits = Array(repeating: 0, count: a.digits.count + 20)
        for (i, digit) in String(count.magnitude).reversed().compactMap(\.wholeNumberValue).enumerated() {
            for (j, other) in a.digits.enumerated() {
                var (at, rest) = (i + j, digit * other)
                while rest > 0 {
                    rest += result.digits[at]
                    result.digits[at] = rest % 10
                    rest /= 10
                    at += 1
                }
            }
        }
        if count < 0 { result.isNegative.toggle() }
        result.trim()
        return result
    }

    /// Does it fit into 64 bits of units?
    var fits: Bool {
        let units = digits.dropFirst(9).reversed().map(String.init).joined()
        return units.isEmpty || Int64((isNegative ? "-" : "") + units) != nil
    }
}

@Suite struct MoneyTests {
    @Test func addsWithCarry() throws {
        #expect(try usd(19, 990_000_000).adding(usd(8, 990_000_000)) == usd(28, 980_000_000))
        #expect(try usd(0, 999_999_999).adding(usd(0, 1)) == usd(1))
        #expect(try usd(0, -999_999_999).adding(usd(0, -1)) == usd(-1))
        #expect(try usd(1).adding(usd(0, -1)) == usd(0, 999_999_999))
        #expect(try usd(-1).adding(usd(0, 1)) == usd(0, -999_999_999))
        #expect(try usd(5, 500_000_000).adding(usd(-5, -500_000_000)) == usd(0))
        #expect(try usd(.max, 999_999_999).adding(usd(.min, -999_999_999)) == usd(-1))
    }

    @Test func countsTheLegacyShopsPrices() throws {
        let euro = Money(currency: "EUR", units: 17, nanos: 682_441_398)
        #expect(try euro.multiplied(by: 3) == Money(currency: "EUR", units: 53, nanos: 47_324_194))
        let yen = Money(currency: "JPY", units: 2067, nanos: 347_191_568)
        #expect(try yen.multiplied(by: 1000) == Money(currency: "JPY", units: 2_067_347, nanos: 191_568_000))
        // Two sunglasses and shipping.
        #expect(try usd(8, 990_000_000).adding(usd(19, 990_000_000).multiplied(by: 2)) == usd(48, 970_000_000))
    }

    @Test func refusesWhatHasNoResult() {
        #expect(result { () throws(MoneyError) in try usd(1).adding(Money(currency: "EUR", units: 1)) } == .failure(.differentCurrencies))
        #expect(result { () throws(MoneyError) in try usd(1, -1).adding(usd(0)) } == .failure(.invalidAmount))
        #expect(result { () throws(MoneyError) in try usd(0).adding(usd(-1, 1)) } == .failure(.invalidAmount))
        #expect(result { () throws(MoneyError) in try usd(0, 1_000_000_000).multiplied(by: 1) } == .failure(.invalidAmount))
        #expect(result { () throws(MoneyError) in try usd(0, .min).multiplied(by: 1) } == .failure(.invalidAmount))
        #expect(result { () throws(MoneyError) in try usd(.max, 999_999_999).adding(usd(0, 1)) } == .failure(.tooLarge))
        #expect(result { () throws(MoneyError) in try usd(.max).multiplied(by: .max) } == .failure(.tooLarge))
        #expect(result { () throws(MoneyError) in try usd(.min).multiplied(by: -1) } == .failure(.tooLarge))
        #expect(!Money(currency: String(repeating: "x", count: 129)).isValid)
    }

    /// Any two valid amounts, and any count: as on paper, or refused because it does not fit.
    @Test func isAsOnPaper() throws {
        var random = SystemRandomNumberGenerator()
        func amount() -> Money {
            let units = [0, 1, .max, .max / 3, Int64.random(in: 0...1000, using: &random), .random(in: 0 ... .max, using: &random)]
            let nanos = [0, 1, 999_999_999, Int32.random(in: 0...999_999_999, using: &random)]
            let sign: Int64 = Bool.random(using: &random) ? 1 : -1
            return usd(sign * (units.randomElement(using: &random) ?? 0), Int32(sign) * (nanos.randomElement(using: &random) ?? 0))
        }
        for _ in 0..<4000 {
            let (a, b) = (amount(), amount())
            let sum = Paper(a) + Paper(b)
            switch result({ () throws(MoneyError) in try a.adding(b) }) {
            case .success(let money): #expect(Paper(money) == sum && money.isValid, "\(a) + \(b)")
            case .failure(let error): #expect(error == .tooLarge && !sum.fits, "\(a) + \(b)")
            }
            let counts = [0, 1, -1, 7, .max, .min, Int64.random(in: -100_000...100_000, using: &random), .random(in: .min ... .max, using: &random)]
            let count = counts.randomElement(using: &random) ?? 0
            let product = Paper(a) * count
            switch result({ () throws(MoneyError) in try a.multiplied(by: count) }) {
            case .success(let money): #expect(Paper(money) == product && money.isValid, "\(a) * \(count)")
            case .failure(let error): #expect(error == .tooLarge && !product.fits, "\(a) * \(count)")
            }
        }
    }

    @Test(arguments: [
        ("0", Int64(0), Int32(0)), ("-0", 0, 0), ("19.99", 19, 990_000_000), ("-0.5", 0, -500_000_000), ("1e2", 100, 0), ("1.50e1", 15, 0),
        ("0.000000001", 0, 1), ("0.0000000010000", 0, 1), ("12E-1", 1, 200_000_000), ("1e+3", 1000, 0),
        ("9223372036854775807.999999999", Int64.max, 999_999_999), ("-9223372036854775808.999999999", Int64.min, -999_999_999),
        ("17.682441398", 17, 682_441_398), ("0e999", 0, 0), ("1000000000e-18", 0, 1),
    ])
    func readsDecimals(_ text: String, _ units: Int64, _ nanos: Int32) {
        let money = usd(units, nanos)
        #expect(Money(currency: "USD", decimal: text.utf8Span.span) == money)
        // And back.
        #expect(Money(currency: "USD", decimal: money.decimal.utf8Span.span) == money)
    }

    @Test(arguments: [
        "", "-", "1.", ".5", "01", "+1", "1,5", "0x1", "1e", "NaN", "0.0000000001", "1e-10", "9223372036854775808", "1e19", "1e999",
        "1e99999999999999999999", " 1", "19.99 ", "170141183460469231731687303715884105728", "1" + String(repeating: "0", count: 64),
        "0." + String(repeating: "9", count: 50),
    ])
    func readsNoOtherDecimals(_ text: String) {
        #expect(Money(currency: "USD", decimal: text.utf8Span.span) == nil)
    }

    @Test func writesProtoJSON() {
        func json(_ money: Money) -> String {
            var json = JSONWriter<[UInt8]>([])
            json.money(money)
            return String(decoding: json.sink, as: UTF8.self)
        }
        #expect(json(usd(19, 990_000_000)) == #"{"currencyCode":"USD","units":"19","nanos":990000000}"#)
        #expect(json(Money(currency: "")) == #"{"currencyCode":"","units":"0","nanos":0}"#)
        #expect(json(usd(.min, -999_999_999)) == #"{"currencyCode":"USD","units":"-9223372036854775808","nanos":-999999999}"#)
        #expect(usd(-3, -50_000_000).decimal == "-3.05" && usd(8).decimal == "8" && usd(0, -5).decimal == "-0.000000005")
    }
}
