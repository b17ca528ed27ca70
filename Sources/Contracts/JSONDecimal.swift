import Exchanges

/// A number of a JSON text as it is written, to the last digit: where its digits stand and what they count. Comparing
/// and dividing take time in proportion to the digits, whatever the exponent says.
struct JSONDecimal: Sendable, Equatable {
    /// Of zero false.
    let isNegative: Bool
    /// Where the significant digits are in the text; one `.` may be among them. Empty = zero.
    private let first: Int
    private let end: Int
    /// How many they are.
    let digits: Int
    /// The value is 0.d₁d₂d₃… · 10^magnitude.
    let magnitude: Int

    /// Exponents beyond are taken for this one: no text has as many digits, so nothing else equals such a number.
    private static let largestExponent = 1 << 40

    /// Of a well-formed number.
    init(_ text: Span<UInt8>) {
        var point: Int?
        var first: Int?
        var end = 0
        let isNegative = text.count > 0 && text[0] == UInt8(ascii: "-")
        var at = isNegative ? 1 : 0
        while at < text.count {
            let byte = text[at]
            if byte == UInt8(ascii: ".") {
                point = at
            } else if byte &- 48 >= 10 {
                break
            } else if byte != 48 {
                if first == nil { first = at }
                end = at + 1
            }
            at += 1
        }
        let whole = point ?? at
        guard let first else {
            (self.isNegative, self.first, self.end, digits, magnitude) = (false, 0, 0, 0, 0)
            return
        }
        self.isNegative = isNegative
        self.first = first
        self.end = end
        digits = end - first - (point.map { first < $0 && $0 < end } == true ? 1 : 0)
        magnitude = whole - first + (first > whole ? 1 : 0) + JSONDecimal.exponent(text, at)
    }

    private static func exponent(_ text: Span<UInt8>, _ start: Int) -> Int {
        guard start < text.count else { return 0 }
        var at = start + 1
        let isNegative = at < text.count && text[at] == UInt8(ascii: "-")
        if at < text.count, text[at] &- 48 >= 10 { at += 1 }
        var value = 0
        while at < text.count {
            value = min(value * 10 + Int(text[at] &- 48), largestExponent)
            at += 1
        }
        return isNegative ? -value : value
    }

    var isZero: Bool { digits == 0 }
    /// Nothing is left behind the point: `1.0` and `1e2` are integers.
    var isInteger: Bool { magnitude >= digits }
    /// The power of ten of the last significant digit.
    var power: Int { magnitude - digits }

    /// Less than 0, 0 or more: this number, of `text`, against another.
    func compared(in text: Span<UInt8>, to other: JSONDecimal, in otherText: Span<UInt8>) -> Int {
        if isZero || other.isZero {
            return (isZero ? 0 : isNegative ? -1 : 1) - (other.isZero ? 0 : other.isNegative ? -1 : 1)
        }
        guard isNegative == other.isNegative else { return isNegative ? -1 : 1 }
        let sign = isNegative ? -1 : 1
        guard magnitude == other.magnitude else { return magnitude < other.magnitude ? -sign : sign }
        var (mine, theirs) = (first, other.first)
        while mine < end, theirs < other.end {
            if text[mine] == UInt8(ascii: ".") { mine += 1 }
            if otherText[theirs] == UInt8(ascii: ".") { theirs += 1 }
            if text[mine] != otherText[theirs] { return text[mine] < otherText[theirs] ? -sign : sign }
            mine += 1
            theirs += 1
        }
        return mine < end ? sign : theirs < other.end ? -sign : 0
    }

    /// Each significant digit, as a character, in order.
    func forEachDigit(in text: Span<UInt8>, _ body: (UInt8) -> Void) {
        for at in first..<end where text[at] != UInt8(ascii: ".") { body(text[at]) }
    }
}

/// What numbers are to be a multiple of: value · 10^power.
struct JSONDivisor: Sendable {
    /// Not 0, less than 10^18, and does not end in 0.
    private let value: UInt64
    private let power: Int
    /// When it is an integer of 64 bits.
    let whole: Int64?
    /// As the schema writes it.
    let text: String

    static let mostDigits = 18

    /// Nil when it is not more than 0 or has too many digits.
    init?(_ text: Span<UInt8>) {
        let decimal = JSONDecimal(text)
        guard !decimal.isZero, !decimal.isNegative, decimal.digits <= JSONDivisor.mostDigits else { return nil }
        var value: UInt64 = 0
        decimal.forEachDigit(in: text) { value = value * 10 + UInt64($0 - 48) }
        self.value = value
        power = decimal.power
        whole = JSONNumber.integer(text)
        self.text = String(decoding: text.bytes as [UInt8], as: UTF8.self)
    }

    /// Exactly, whatever the number.
    func divides(_ decimal: JSONDecimal, in text: Span<UInt8>) -> Bool {
        if decimal.isZero { return true }
        // The number's digits would have to end in 0, which they do not.
        guard decimal.power >= power else { return false }
        var rest: UInt64 = 0
        decimal.forEachDigit(in: text) { rest = (rest * 10 + UInt64($0 - 48)) % value }
        // Times the power of ten that lies between them, by squaring.
        var factor: UInt64 = 10 % value
        var exponent = decimal.power - power
        while exponent > 0, rest != 0 {
            if exponent & 1 == 1 { rest = product(rest, factor) }
            factor = product(factor, factor)
            exponent >>= 1
        }
        return rest == 0
    }

    /// Of what is less than `value`, modulo it.
    private func product(_ a: UInt64, _ b: UInt64) -> UInt64 {
        value.dividingFullWidth(a.multipliedFullWidth(by: b)).remainder
    }
}
