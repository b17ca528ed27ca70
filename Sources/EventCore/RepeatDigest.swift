public import Exchanges

/// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein): a keyed pseudorandom function. Whoever has not the
/// key learns nothing from a digest, not even by trying all card numbers.
///
/// Everything that is added says its length first: no two lists of parts are the same bytes.
public struct RepeatDigest {
    /// 128 bits.
    public struct Key: Sendable, Equatable, BitwiseCopyable {
        /// Bytes of a key.
        public static let length = 16
        let k0: UInt64
        let k1: UInt64

        /// A fresh one, from the kernel's random source.
        public init() {
            var generator = SystemRandomNumberGenerator()
            k0 = generator.next()
            k1 = generator.next()
        }

        /// Nil unless there are 16 bytes.
        public init?(_ bytes: [UInt8]) {
            guard bytes.count == Key.length else { return nil }
            k0 = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
            k1 = bytes.suffix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }

        /// Its 16 bytes.
        public var bytes: [UInt8] {
            [k0, k1].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
        }
    }

    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64
    private var words: UInt64 = 0

    public init(_ key: Key) {
        v0 = key.k0 ^ 0x736f_6d65_7073_6575
        v1 = key.k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee
        v2 = key.k0 ^ 0x6c79_6765_6e65_7261
        v3 = key.k1 ^ 0x7465_6462_7974_6573
    }

    public mutating func add(_ word: UInt64) {
        words &+= 1
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    /// Filled up with zeros to whole words.
    public mutating func add(_ bytes: borrowing Span<UInt8>) {
        add(UInt64(bytes.count))
        let whole = bytes.count & ~7
        var i = 0
        while i < whole {
            add(UInt64(littleEndian: bytes.bytes.unsafeLoadUnaligned(fromByteOffset: i, as: UInt64.self)))
            i += 8
        }
        guard i < bytes.count else { return }
        var word: UInt64 = 0
        for k in i..<bytes.count { word |= UInt64(bytes[k]) << UInt64(8 * (k - i)) }
        add(word)
    }

    public mutating func add(_ bytes: [UInt8]) { add(bytes.span) }
    public mutating func add(_ text: String) { add(text.utf8Span.span) }

    public consuming func finish() -> RepeatKey.Digest {
        add(words << 59)  // the number of bytes, in the last one
        v2 ^= 0xee
        for _ in 0..<4 { round() }
        let low = v0 ^ v1 ^ v2 ^ v3
        v1 ^= 0xdd
        for _ in 0..<4 { round() }
        return RepeatKey.Digest(high: v0 ^ v1 ^ v2 ^ v3, low: low)
    }

    private mutating func round() {
        v0 &+= v1
        v1 = (v1 << 13 | v1 >> 51) ^ v0
        v0 = v0 << 32 | v0 >> 32
        v2 &+= v3
        v3 = (v3 << 16 | v3 >> 48) ^ v2
        v0 &+= v3
        v3 = (v3 << 21 | v3 >> 43) ^ v0
        v2 &+= v1
        v1 = (v1 << 17 | v1 >> 47) ^ v2
        v2 = v2 << 32 | v2 >> 32
    }
}
