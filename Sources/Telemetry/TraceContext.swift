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
        out.append("00-" as StaticString)
        out.append(hex: traceHigh, digits: 16)
        out.append(hex: traceLow, digits: 16)
        out.append(TraceContext.dash)
        out.append(hex: span, digits: 16)
        out.append(isSampled ? "-01" : "-00" as StaticString)
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
