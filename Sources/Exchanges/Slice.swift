/// A place in a text that somebody else keeps: offset and length, 8 bytes, no reference.
public struct Slice: Sendable, Hashable, BitwiseCopyable {
    public var start: UInt32
    public var count: UInt32

    @inlinable public init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    @inlinable public init(_ start: Int, _ end: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.count = UInt32(truncatingIfNeeded: end &- start)
    }

    @inlinable public static var none: Slice { Slice(start: 0, count: 0) }

    @inlinable public var isEmpty: Bool { count == 0 }
    @inlinable public var end: Int { Int(start) &+ Int(count) }
    @inlinable public var range: Range<Int> { Int(start)..<(Int(start) &+ Int(count)) }
}

/// Byte comparisons on spans: what header and path code needs, and nothing more.
extension Span where Element == UInt8 {
    /// Equal to `other`, byte for byte.
    @inlinable public func equals(_ other: StaticString) -> Bool {
        let n = other.utf8CodeUnitCount
        guard count == n else { return false }
        let p = other.utf8Start
        var i = 0
        while i < n {
            if self[i] != p[i] { return false }
            i &+= 1
        }
        return true
    }

    /// Equal to `other`, which must be lower case, ignoring ASCII case.
    @inlinable public func equalsIgnoringCase(_ other: StaticString) -> Bool { equalsInPlace(other) }

    /// The same, always inlined: constant text of constant length becomes numbers in the code. For hot places.
    @inline(__always) @inlinable func equalsInPlace(_ other: StaticString) -> Bool {
        let n = other.utf8CodeUnitCount
        guard count == n else { return false }
        let p = UnsafeRawPointer(other.utf8Start)
        // Whole words, the last of which may lie over the one before it.
        if n >= 8 {
            var i = 0
            while true {
                let mine = bytes.unsafeLoadUnaligned(fromByteOffset: i, as: UInt64.self)
                if mine.asciiLowercasedBytes != p.loadUnaligned(fromByteOffset: i, as: UInt64.self) { return false }
                if i &+ 8 == n { return true }
                i = min(i &+ 8, n &- 8)
            }
        }
        if n >= 4 {
            let first = bytes.unsafeLoadUnaligned(as: UInt32.self)
            let last = bytes.unsafeLoadUnaligned(fromByteOffset: n &- 4, as: UInt32.self)
            let mine = UInt64(first) << 32 | UInt64(last)
            let theirs =
                UInt64(p.loadUnaligned(as: UInt32.self)) << 32
                | UInt64(p.loadUnaligned(fromByteOffset: n &- 4, as: UInt32.self))
            return mine.asciiLowercasedBytes == theirs
        }
        for i in 0..<n where self[i].asciiLowercased != other.utf8Start[i] { return false }
        return true
    }

    @inlinable public func equals(_ other: [UInt8]) -> Bool {
        guard count == other.count else { return false }
        var i = 0
        while i < other.count {
            if self[i] != other[i] { return false }
            i &+= 1
        }
        return true
    }

    /// Equal to `other`, which must be lower case, ignoring ASCII case.
    @inlinable public func equalsIgnoringCase(_ other: [UInt8]) -> Bool {
        guard count == other.count else { return false }
        var i = 0
        while i < other.count {
            if self[i].asciiLowercased != other[i] { return false }
            i &+= 1
        }
        return true
    }

    /// A `String`, invalid UTF-8 replaced. For cold paths: logs, explain, errors.
    public var text: String {
        withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    /// A copy that may leave the worker.
    public var bytes: [UInt8] {
        withUnsafeBufferPointer { Array($0) }
    }

    /// An unsigned decimal number of 1 to 18 digits and nothing else, or nil.
    @inlinable public var decimal: Int? {
        guard count > 0 && count <= 18 else { return nil }
        var value = 0
        var i = 0
        while i < count {
            let digit = self[i] &- 48
            guard digit < 10 else { return nil }
            value = value &* 10 &+ Int(digit)
            i &+= 1
        }
        return value
    }
}

extension UInt64 {
    /// The ASCII letters among its eight bytes in lower case, the other bytes as they are.
    @inlinable public var asciiLowercasedBytes: UInt64 {
        let low = self & 0x7f7f_7f7f_7f7f_7f7f
        // Bit 7 of each byte: not below `A`, and above `Z`.
        let fromA = low &+ 0x3f3f_3f3f_3f3f_3f3f
        let beyondZ = low &+ 0x2525_2525_2525_2525
        let isLetter = (fromA ^ beyondZ) & ~self & 0x8080_8080_8080_8080
        return self | isLetter >> 2
    }
}

extension UInt8 {
    @inlinable public var asciiLowercased: UInt8 { (self &- 65) < 26 ? self | 0x20 : self }

    /// 0 to 15 for a hexadecimal digit, nil for anything else.
    @inlinable public var hexValue: UInt8? {
        let digit = self &- 48
        if digit < 10 { return digit }
        let letter = (self | 0x20) &- 97
        return letter < 6 ? letter &+ 10 : nil
    }
}
