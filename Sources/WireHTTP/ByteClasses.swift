import Exchanges

/// Character classes of RFC 9110 and RFC 3986, and the word-at-a-time scans built on them.
enum ByteClass {
    /// tchar (RFC 9110 section 5.6.2), as two 64-bit maps.
    @inline(__always) static func isToken(_ byte: UInt8) -> Bool {
        guard byte < 128 else { return false }
        let map: UInt64 = byte < 64 ? 0x03ff_6cfa_0000_0000 : 0x57ff_ffff_c7ff_fffe
        return map >> UInt64(byte & 63) & 1 != 0
    }

    /// May stand in a field value: HTAB, SP, VCHAR, obs-text (RFC 9110 section 5.5).
    @inline(__always) static func isFieldText(_ byte: UInt8) -> Bool {
        byte >= 0x20 ? byte != 0x7f : byte == 0x09
    }

    @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte &- 48 < 10 }

    /// unreserved of RFC 3986: its percent-encoded form means the same as itself.
    @inline(__always) static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e: true
        default: false
        }
    }
}

extension Span where Element == UInt8 {
    private static var ones: UInt64 { 0x0101_0101_0101_0101 }
    private static var highs: UInt64 { 0x8080_8080_8080_8080 }

    @inline(__always) private func word(at i: Int) -> UInt64 {
        UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: i, as: UInt64.self))
    }

    /// The first byte at or after `start` that is below `floor`, or DEL; `count` when there is none.
    ///
    /// Eight bytes at a time (a carry-free "less than" per byte); the lowest hit is exact, and only
    /// the lowest is used. `floor` is at most 0x80.
    @inline(__always) func firstControl(from start: Int, below floor: UInt8) -> Int {
        var i = start
        let limit = Self.ones &* UInt64(floor)
        while i &+ 8 <= count {
            let w = word(at: i)
            let below = (w &- limit) & ~w & Self.highs
            let del = w ^ (Self.ones &* 0x7f)
            let isDel = (del &- Self.ones) & ~del & Self.highs
            let hits = below | isDel
            if hits != 0 { return i &+ hits.trailingZeroBitCount >> 3 }
            i &+= 8
        }
        while i < count {
            let byte = self[i]
            if byte < floor || byte == 0x7f { return i }
            i &+= 1
        }
        return count
    }

    /// The first `byte` at or after `start`, or `count`.
    @inline(__always) func firstIndex(of byte: UInt8, from start: Int) -> Int {
        var i = start
        let pattern = Self.ones &* UInt64(byte)
        while i &+ 8 <= count {
            let w = word(at: i) ^ pattern
            let hits = (w &- Self.ones) & ~w & Self.highs
            if hits != 0 { return i &+ hits.trailingZeroBitCount >> 3 }
            i &+= 8
        }
        while i < count {
            if self[i] == byte { return i }
            i &+= 1
        }
        return count
    }
}

/// Walks a comma-separated list (RFC 9110 section 5.6.1), empty members left out, white space cut.
struct ListMembers {
    private var at: Int
    private let end: Int

    init(_ range: Range<Int>) {
        at = range.lowerBound
        end = range.upperBound
    }

    /// The next member's range in `text`, or nil at the end.
    mutating func next(_ text: borrowing Span<UInt8>) -> Range<Int>? {
        while at < end {
            var from = at
            while at < end && text[at] != 0x2c { at &+= 1 }
            var to = at
            at &+= 1
            while from < to && (text[from] == 0x20 || text[from] == 0x09) { from &+= 1 }
            while to > from && (text[to &- 1] == 0x20 || text[to &- 1] == 0x09) { to &-= 1 }
            if from < to { return from..<to }
        }
        return nil
    }
}
