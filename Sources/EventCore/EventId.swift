/// A UUID of version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then order and chance.
public struct EventId: Sendable, Hashable, BitwiseCopyable, CustomStringConvertible {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// From its 16 bytes, nil for any other count.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 16 else { return nil }
        high = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
        low = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// The 36 characters `xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx`.
    public var characters: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for i in 0..<32 {
            if i == 8 || i == 12 || i == 16 || i == 20 { text.append(UInt8(ascii: "-")) }
            let word = i < 16 ? high : low
            let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - (i & 15) * 4)) & 15
            text.append(nibble < 10 ? 48 + nibble : 87 + nibble)
        }
        return text
    }

    public var description: String { String(decoding: characters, as: UTF8.self) }
}

/// Makes event ids that only grow: within a millisecond the 12 bits after the version count on, and
/// when they run out, or the clock steps back, the millisecond is borrowed from the future.
public struct EventIdSource {
    private var millisecond: UInt64 = 0
    private var counter: UInt64 = 0
    private var chance: Chance

    public init() {
        var system = SystemRandomNumberGenerator()
        chance = Chance(seed: system.next())
    }

    /// - Parameter now: microseconds since 1970.
    public mutating func next(at now: Int64) -> EventId {
        let present = UInt64(max(now, 0)) / 1000
        if present > millisecond {
            millisecond = present
            counter = chance.next() & 0x7FF
        } else {
            counter += 1
            if counter > 0xFFF {
                millisecond += 1
                counter = chance.next() & 0x7FF
            }
        }
        return EventId(
            high: (millisecond & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | counter,
            low: 0x8000_0000_0000_0000 | chance.next() >> 2)
    }

    /// SplitMix64: event ids have to differ, not to be secret, and a system call each would cost more
    /// than deciding the command.
    private struct Chance {
        var state: UInt64
        init(seed: UInt64) { state = seed }
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }
}
