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
    @inlinable public func equalsIgnoringCase(_ other: StaticString) -> Bool {
        let n = other.utf8CodeUnitCount
        guard count == n else { return false }
        let p = other.utf8Start
        var i = 0
        while i < n {
            if self[i].asciiLowercased != p[i] { return false }
            i &+= 1
        }
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
