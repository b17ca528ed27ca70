public import Exchanges

/// Makes the ids of one worker: traces, spans, requests, correlations. Fast, because nothing is
/// asked of the kernel after the seed; unique, because the seed is 256 bits of the kernel's.
///
/// These ids are names, not secrets: who sees many of them may compute the next.
public struct Identifiers {
    // xoshiro256++ (Blackman and Vigna).
    private var s0: UInt64
    private var s1: UInt64
    private var s2: UInt64
    private var s3: UInt64

    /// Seeds from the kernel's random source.
    public init() {
        var generator = SystemRandomNumberGenerator()
        self.init(
            seed: (generator.next(), generator.next(), generator.next(), generator.next() | 1))
    }

    /// A fixed sequence, for tests and simulation.
    public init(seed: (UInt64, UInt64, UInt64, UInt64)) {
        (s0, s1, s2, s3) = seed
    }

    /// A random number that is not zero.
    public mutating func next() -> UInt64 {
        while true {
            let sum = s0 &+ s3
            let result = (sum << 23 | sum >> 41) &+ s0
            let t = s1 << 17
            s2 ^= s0
            s3 ^= s1
            s1 ^= s2
            s0 ^= s3
            s2 ^= t
            s3 = s3 << 45 | s3 >> 19
            if result != 0 { return result }
        }
    }

    /// The context this gateway sends on: the parent's trace, or a new one.
    ///
    /// Parent-based (SPEC O-4): whoever began the trace has decided whether it is recorded; a new
    /// trace is recorded when its id falls below `threshold`, so that every hop that uses the same
    /// rule decides alike.
    /// - Parameter threshold: from `threshold(fraction:)`.
    public mutating func trace(parent: TraceContext?, threshold: UInt64) -> TraceContext {
        if let parent {
            return TraceContext(
                traceHigh: parent.traceHigh, traceLow: parent.traceLow, span: next(), isSampled: parent.isSampled)
        }
        let low = next()
        return TraceContext(traceHigh: next(), traceLow: low, span: next(), isSampled: low <= threshold)
    }

    /// The bound for a fraction of traces between 0 and 1; outside, the nearer of the two.
    public static func threshold(fraction: Double) -> UInt64 {
        if !(fraction > 0) { return 0 }
        if fraction >= 1 { return .max }
        return UInt64(fraction * 18_446_744_073_709_551_616)
    }

    /// Writes a new correlation id: 36 bytes in the form of a version 4 UUID (RFC 9562).
    public mutating func appendCorrelationID(to out: Buffer) {
        let high = next() & ~0xf000 | 0x4000
        let low = next() & ~(0xc << 60) | 0x8 << 60
        out.append(uuid: high, low)
    }

    /// May this value from a client be our correlation id? 1 to 128 visible ASCII characters that
    /// need no quoting anywhere it is copied to.
    public static func isAcceptable(correlationID value: borrowing Span<UInt8>) -> Bool {
        guard value.count >= 1 && value.count <= 128 else { return false }
        for i in 0..<value.count {
            let byte = value[i]
            guard byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") else {
                return false
            }
        }
        return true
    }
}
