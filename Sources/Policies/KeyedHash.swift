/// SipHash-1-3 (Aumasson and Bernstein) under a key made at start: equal on every thread of this
/// process, and not to be predicted by a peer who would like to choose whose counter it shares.
public struct KeyedHash: Sendable {
    private let k0: UInt64
    private let k1: UInt64

    /// A fresh key from the kernel's random source.
    public init() {
        var generator = SystemRandomNumberGenerator()
        self.init(generator.next(), generator.next())
    }

    /// A known key, for tests.
    public init(_ k0: UInt64, _ k1: UInt64) {
        self.k0 = k0
        self.k1 = k1
    }

    /// Hashes bytes of any length.
    public func callAsFunction(_ bytes: borrowing Span<UInt8>) -> UInt64 {
        var state = State(k0, k1)
        let whole = bytes.count & ~7
        var i = 0
        while i < whole {
            var word: UInt64 = 0
            for k in 0..<8 { word |= UInt64(bytes[i &+ k]) << UInt64(8 &* k) }
            state.take(word)
            i &+= 8
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        for k in whole..<bytes.count { last |= UInt64(bytes[k]) << UInt64(8 &* (k &- whole)) }
        state.take(last)
        return state.finish()
    }

    /// Hashes an address as two words (IPv4 mapped into IPv6); the same as over its 16 bytes in memory order.
    @inline(__always) public func callAsFunction(_ high: UInt64, _ low: UInt64) -> UInt64 {
        var state = State(k0, k1)
        state.take(high.byteSwapped)
        state.take(low.byteSwapped)
        state.take(16 << 56)
        return state.finish()
    }

    /// Hashes three words.
    @inline(__always) public func callAsFunction(_ first: UInt64, _ second: UInt64, _ third: UInt64) -> UInt64 {
        var state = State(k0, k1)
        state.take(first)
        state.take(second)
        state.take(third)
        state.take(24 << 56)
        return state.finish()
    }

    private struct State {
        var v0: UInt64
        var v1: UInt64
        var v2: UInt64
        var v3: UInt64

        @inline(__always) init(_ k0: UInt64, _ k1: UInt64) {
            v0 = k0 ^ 0x736f_6d65_7073_6575
            v1 = k1 ^ 0x646f_7261_6e64_6f6d
            v2 = k0 ^ 0x6c79_6765_6e65_7261
            v3 = k1 ^ 0x7465_6462_7974_6573
        }

        @inline(__always) mutating func round() {
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

        @inline(__always) mutating func take(_ word: UInt64) {
            v3 ^= word
            round()
            v0 ^= word
        }

        @inline(__always) mutating func finish() -> UInt64 {
            v2 ^= 0xff
            round()
            round()
            round()
            return v0 ^ v1 ^ v2 ^ v3
        }
    }
}
