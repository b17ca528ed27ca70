import Exchanges

extension JSONNumber {
    /// The double nearest to a well-formed number; nil when it is beyond the largest.
    public static func double(_ text: Span<UInt8>) -> Double? {
        if let exact = exactDouble(text) { return exact }
        guard let value = Double(text.text), value.isFinite else { return nil }
        return value
    }

    /// With at most 15 digits and a power of ten up to 22 both parts are exact doubles, and one
    /// multiplication or division rounds once (Clinger, 1990); anything else takes the long way.
    private static func exactDouble(_ text: Span<UInt8>) -> Double? {
        var at = 0
        let isNegative = text.count > 0 && text[0] == UInt8(ascii: "-")
        if isNegative { at = 1 }
        var digits: UInt64 = 0
        var count = 0
        var scale = 0
        var pointSeen = false
        while at < text.count {
            let digit = text[at] &- 48
            if digit < 10 {
                digits = digits &* 10 &+ UInt64(digit)
                count += 1
                guard count <= 15 else { return nil }
                if pointSeen { scale += 1 }
            } else if text[at] == UInt8(ascii: "."), !pointSeen {
                pointSeen = true
            } else {
                return nil
            }
            at += 1
        }
        guard count > 0 else { return nil }
        var power = 1.0
        for _ in 0..<scale { power *= 10 }
        let value = Double(digits) / power
        return isNegative ? -value : value
    }
}
