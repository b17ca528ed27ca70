public import Exchanges

/// Where an exchange stands in a distributed trace (W3C Trace Context).
public struct TraceContext: Sendable, Hashable, BitwiseCopyable {
    /// The trace id's two halves; never both zero.
    public var traceHigh: UInt64
    public var traceLow: UInt64
    /// The id of the span that is the parent of whoever receives this; never zero.
    public var span: UInt64
    /// Is somebody recording this trace?
    public var isSampled: Bool

    public init(traceHigh: UInt64, traceLow: UInt64, span: UInt64, isSampled: Bool) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.isSampled = isSampled
    }

    /// Reads a `traceparent` value (W3C Trace Context, sections 3.2 and 4.3).
    ///
    /// Refused: upper case, ids of zeros, version `ff`, version `00` with anything behind the flags.
    /// A future version is read as far as this one goes, provided a `-` separates what follows.
    /// - Returns: nil when the value must be ignored and a new trace begun.
    public static func parse(_ value: borrowing Span<UInt8>) -> TraceContext? {
        let n = value.count
        guard n >= 55, value[2] == dash, value[35] == dash, value[52] == dash else { return nil }
        var valid = true
        let version = hex(value, 0, 2, &valid)
        let high = hex(value, 3, 16, &valid)
        let low = hex(value, 19, 16, &valid)
        let span = hex(value, 36, 16, &valid)
        let flags = hex(value, 53, 2, &valid)
        guard valid, version != 0xff, high | low != 0, span != 0 else { return nil }
        guard n == 55 || (version != 0 && value[55] == dash) else { return nil }
        return TraceContext(traceHigh: high, traceLow: low, span: span, isSampled: flags & 1 != 0)
    }

    /// Writes the 55 bytes of a version `00` value. Flags nobody has defined are not passed on.
    public func append(to out: Buffer) {
        var text = InlineArray<55, UInt8>(repeating: Self.dash)
        text[0] = UInt8(ascii: "0")
        text[1] = UInt8(ascii: "0")
        Self.put(traceHigh, at: 3, in: &text)
        Self.put(traceLow, at: 19, in: &text)
        Self.put(span, at: 36, in: &text)
        text[53] = UInt8(ascii: "0")
        text[54] = isSampled ? UInt8(ascii: "1") : UInt8(ascii: "0")
        out.append(text.span)
    }

    /// Sixteen digits, eight at a time: each half's nibbles are spread over the bytes of one word and
    /// turned into letters all at once. Half the cost of going digit by digit.
    @inline(__always)
    private static func put(_ value: UInt64, at start: Int, in text: inout InlineArray<55, UInt8>) {
        for half in 0..<2 {
            var x = half == 0 ? value >> 32 : value & 0xffff_ffff
            x = (x << 32 | x >> 16) & 0x0000_ffff_0000_ffff
            x = (x << 16 | x >> 8) & 0x00ff_00ff_00ff_00ff
            x = (x << 8 | x >> 4) & 0x0f0f_0f0f_0f0f_0f0f
            // 1 in each byte that is ten or more: those are letters, 39 places behind the digits.
            let letters = (x &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
            x = x &+ 0x3030_3030_3030_3030 &+ letters &* 39
            for i in 0..<8 {
                text[start &+ half &* 8 &+ i] = UInt8(truncatingIfNeeded: x >> UInt64(8 &* i))
            }
        }
    }

    private static var dash: UInt8 { UInt8(ascii: "-") }

    /// Lower-case digits only; clears `valid` at anything else.
    @inline(__always)
    private static func hex(_ text: borrowing Span<UInt8>, _ start: Int, _ digits: Int, _ valid: inout Bool) -> UInt64 {
        var value: UInt64 = 0
        for i in start..<(start &+ digits) {
            let byte = text[i]
            let digit = byte &- 48
            let letter = byte &- 97
            if digit < 10 {
                value = value << 4 | UInt64(digit)
            } else if letter < 6 {
                value = value << 4 | UInt64(letter &+ 10)
            } else {
                valid = false
            }
        }
        return value
    }
}
