/// JSON numbers stay text; these functions read it exactly or not at all.
public enum JSONNumber {
    /// The end of the number that begins at `start`, or `start` when there is none (RFC 8259, 6).
    static func end(_ text: Span<UInt8>, from start: Int) -> Int {
        var at = start
        func isDigit() -> Bool { at < text.count && text[at] &- 48 < 10 }
        func digits() -> Bool {
            guard isDigit() else { return false }
            while isDigit() { at += 1 }
            return true
        }
        if at < text.count, text[at] == UInt8(ascii: "-") { at += 1 }
        if at < text.count, text[at] == UInt8(ascii: "0") {
            at += 1
            if isDigit() { return start }
        } else if !digits() {
            return start
        }
        if at < text.count, text[at] == UInt8(ascii: ".") {
            at += 1
            if !digits() { return start }
        }
        if at < text.count, text[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < text.count, text[at] == UInt8(ascii: "+") || text[at] == UInt8(ascii: "-") { at += 1 }
            if !digits() { return start }
        }
        return at
    }

    /// Is the whole text one JSON number?
    public static func isNumber(_ text: Span<UInt8>) -> Bool {
        text.count > 0 && end(text, from: 0) == text.count
    }

    /// The value of a well-formed number when it is an integer that fits, else nil. Exact:
    /// `1.50e1` is 15, `1.5` is nil, `9223372036854775808` is nil, `-0` is 0.
    public static func integer(_ text: Span<UInt8>) -> Int64? {
        guard let (negative, magnitude) = signedMagnitude(text) else { return nil }
        if negative { return magnitude <= UInt64(Int64.max) + 1 ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil }
        return Int64(exactly: magnitude)
    }

    /// The same for what is not negative, up to 18446744073709551615.
    public static func unsigned(_ text: Span<UInt8>) -> UInt64? {
        guard let (negative, magnitude) = signedMagnitude(text), !negative || magnitude == 0 else { return nil }
        return magnitude
    }

    private static func signedMagnitude(_ text: Span<UInt8>) -> (negative: Bool, magnitude: UInt64)? {
        var at = 0
        let negative = text.count > 0 && text[0] == UInt8(ascii: "-")
        if negative { at = 1 }
        // The significant digits without the point; `scale` counts those behind it.
        var magnitude: UInt64 = 0
        var zeros = 0  // seen and not yet multiplied in: `1.50` must not overflow for its zeros
        var scale = 0
        var pointSeen = false
        while at < text.count {
            let digit = text[at] &- 48
            if digit < 10 {
                if pointSeen { scale += 1 }
                if digit == 0 {
                    if magnitude != 0 { zeros += 1 }
                } else {
                    guard let grown = shifted(magnitude, by: zeros + 1) else { return nil }
                    let (sum, overflow) = grown.addingReportingOverflow(UInt64(digit))
                    guard !overflow else { return nil }
                    magnitude = sum
                    zeros = 0
                }
            } else if text[at] == UInt8(ascii: ".") {
                pointSeen = true
            } else {
                break
            }
            at += 1
        }
        if magnitude == 0 { return (negative, 0) }
        guard let exponent = exponent(text, from: at) else { return nil }
        // value = magnitude · 10^power, and magnitude does not end in 0.
        let power = zeros + exponent - scale
        guard power >= 0, let value = shifted(magnitude, by: power) else { return nil }
        return (negative, value)
    }

    /// The exponent at `start` (`e-12`), 0 when there is none, nil beyond a million.
    private static func exponent(_ text: Span<UInt8>, from start: Int) -> Int? {
        guard start < text.count else { return 0 }
        var at = start + 1
        var sign = 1
        if at < text.count, text[at] == UInt8(ascii: "-") { sign = -1 }
        if at < text.count, text[at] == UInt8(ascii: "-") || text[at] == UInt8(ascii: "+") { at += 1 }
        var value = 0
        while at < text.count {
            value = value * 10 + Int(text[at] &- 48)
            guard value <= 1_000_000 else { return nil }
            at += 1
        }
        return sign * value
    }

    /// `value` · 10^`power`, nil on overflow.
    private static func shifted(_ value: UInt64, by power: Int) -> UInt64? {
        guard value != 0 else { return 0 }
        guard power < 20 else { return nil }
        var result = value
        for _ in 0..<power {
            let (product, overflow) = result.multipliedReportingOverflow(by: 10)
            guard !overflow else { return nil }
            result = product
        }
        return result
    }
}
