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

    /// Is a byte of `range` outside ASCII?
    @inline(__always) func hasHighByte(in range: Range<Int>) -> Bool {
        var i = range.lowerBound
        while i &+ 8 <= range.upperBound {
            if word(at: i) & Self.highs != 0 { return true }
            i &+= 8
        }
        while i < range.upperBound {
            if self[i] >= 0x80 { return true }
            i &+= 1
        }
        return false
    }

    /// The first of `?`, `#`, `"`, `<`, `>` and `\` in `range`, or its end. The first ends a path, the others have no
    /// place in one.
    @inline(__always) func firstPathDelimiter(in range: Range<Int>) -> Int {
        var i = range.lowerBound
        while i &+ 8 <= range.upperBound {
            let w = word(at: i)
            // `"` and `#`, `>` and `?` differ in their last bit alone.
            let even = w & ~Self.ones
            let hits = Self.zeros(even ^ Self.ones &* 0x22) | Self.zeros(even ^ Self.ones &* 0x3e)
                | Self.zeros(w ^ Self.ones &* 0x3c) | Self.zeros(w ^ Self.ones &* 0x5c)
            if hits != 0 { return i &+ hits.trailingZeroBitCount >> 3 }
            i &+= 8
        }
        while i < range.upperBound {
            switch self[i] {
            case 0x22, 0x23, 0x3c, 0x3e, 0x3f, 0x5c: return i
            default: i &+= 1
            }
        }
        return i
    }

    /// No `%`, and behind a slash neither a slash nor a dot, in `range`: such a path is its own normal form.
    @inline(__always) func isPlainPath(in range: Range<Int>) -> Bool {
        var i = range.lowerBound
        // Bit 7 of the lowest byte: a slash stands before the next word.
        var slashBefore: UInt64 = 0
        while i &+ 8 <= range.upperBound {
            let w = word(at: i)
            let slashes = Self.exactZeros(w ^ Self.ones &* 0x2f)
            let dots = Self.exactZeros(w ^ Self.ones &* 0x2e)
            let behindSlash = slashes << 8 | slashBefore
            if Self.zeros(w ^ Self.ones &* 0x25) | (behindSlash & (slashes | dots)) != 0 { return false }
            slashBefore = slashes >> 56
            i &+= 8
        }
        var isBehindSlash = slashBefore != 0
        while i < range.upperBound {
            let byte = self[i]
            if byte == 0x25 || isBehindSlash && (byte == 0x2f || byte == 0x2e) { return false }
            isBehindSlash = byte == 0x2f
            i &+= 1
        }
        return true
    }

    /// Bit 7 of the bytes that are zero; above the lowest of them perhaps of others too.
    @inline(__always) private static func zeros(_ w: UInt64) -> UInt64 { (w &- ones) & ~w & highs }

    /// Bit 7 of the bytes that are zero, and of no others.
    @inline(__always) private static func exactZeros(_ w: UInt64) -> UInt64 { ~((w & ~highs) &+ ~highs | w) & highs }
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
