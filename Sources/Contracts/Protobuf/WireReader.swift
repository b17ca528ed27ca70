import Exchanges

/// Why bytes are not the protobuf wire format, or not the message that a contract describes.
enum WireError: UInt8, Error {
    case truncated
    case varint
    case tag
    case groupEnd
    case tooDeep
    case utf8
    // Of the contract.
    case missing, mistyped, unknownField, unknownValue

    /// A constant, safe to show to whoever sent the bytes.
    var text: StaticString {
        switch self {
        case .truncated: "the message ends too early"
        case .varint: "a number is longer than ten bytes, or a length than five"
        case .tag: "not a field's tag"
        case .groupEnd: "a group ends that did not begin, or the other way round"
        case .tooDeep: "nested too deeply"
        case .utf8: "a string is not UTF-8"
        case .missing: "is required"
        case .mistyped: "is not written as its type is"
        case .unknownField: "has a field that the contract does not know"
        case .unknownValue: "has a value that the contract does not know"
        }
    }
}

/// The six wire types; 6 and 7 do not exist.
enum WireType: UInt8, BitwiseCopyable {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case groupStart = 3
    case groupEnd = 4
    case fixed32 = 5
}

/// A place in an encoded message. The bytes are handed to every call: a cursor owns nothing.
struct WireReader: BitwiseCopyable {
    var at: Int
    let end: Int

    init(_ slice: Slice) {
        at = Int(slice.start)
        end = slice.end
    }

    init(_ at: Int, _ end: Int) {
        self.at = at
        self.end = end
    }

    var isAtEnd: Bool { at >= end }

    @inline(__always) mutating func varint(_ bytes: Span<UInt8>) throws(WireError) -> UInt64 {
        guard at < end else { throw .truncated }
        let first = bytes[at]
        if first < 0x80 {
            at &+= 1
            return UInt64(first)
        }
        return try longVarint(bytes)
    }

    /// At most ten bytes; bits beyond the 64th are dropped, as the reference implementations do.
    private mutating func longVarint(_ bytes: Span<UInt8>) throws(WireError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while shift < 70 {
            guard at < end else { throw .truncated }
            let byte = bytes[at]
            at &+= 1
            value |= UInt64(byte & 0x7F) &<< shift
            if byte < 0x80 { return value }
            shift &+= 7
        }
        throw .varint
    }

    /// Field number (1 to 2^29 - 1) and wire type of the next field.
    @inline(__always) mutating func tag(_ bytes: Span<UInt8>) throws(WireError) -> (number: UInt32, type: WireType) {
        let start = at
        let value = try varint(bytes)
        guard value <= UInt64(UInt32.max), at &- start <= 5, value >= 8,
            let type = WireType(rawValue: UInt8(truncatingIfNeeded: value & 7))
        else { throw .tag }
        return (UInt32(truncatingIfNeeded: value >> 3), type)
    }

    /// The place of a length-delimited value; the cursor moves behind it.
    @inline(__always) mutating func delimited(_ bytes: Span<UInt8>) throws(WireError) -> Slice {
        let start = at
        let length = try varint(bytes)
        guard at &- start <= 5 else { throw .varint }
        guard length <= UInt64(end &- at) else { throw .truncated }
        let slice = Slice(at, at &+ Int(length))
        at = slice.end
        return slice
    }

    mutating func fixed32(_ bytes: Span<UInt8>) throws(WireError) -> UInt32 {
        guard end &- at >= 4 else { throw .truncated }
        let value = bytes.bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt32.self)
        at &+= 4
        return UInt32(littleEndian: value)
    }

    mutating func fixed64(_ bytes: Span<UInt8>) throws(WireError) -> UInt64 {
        guard end &- at >= 8 else { throw .truncated }
        let value = bytes.bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self)
        at &+= 8
        return UInt64(littleEndian: value)
    }

    /// Moves behind the value of a field nobody wants. `depth`: groups that may still begin inside.
    mutating func skip(_ number: UInt32, _ type: WireType, _ bytes: Span<UInt8>, depth: Int) throws(WireError) {
        switch type {
        case .varint: _ = try varint(bytes)
        case .fixed64: _ = try fixed64(bytes)
        case .bytes: _ = try delimited(bytes)
        case .fixed32: _ = try fixed32(bytes)
        case .groupStart: _ = try group(number, bytes, depth: depth)
        case .groupEnd: throw .groupEnd
        }
    }

    /// The inside of the group whose start tag was just read; the cursor moves behind its end tag.
    mutating func group(_ number: UInt32, _ bytes: Span<UInt8>, depth: Int) throws(WireError) -> Slice {
        guard depth > 0 else { throw .tooDeep }
        let start = at
        while at < end {
            let before = at
            let tag = try tag(bytes)
            if tag.type == .groupEnd {
                guard tag.number == number else { throw .groupEnd }
                return Slice(start, before)
            }
            try skip(tag.number, tag.type, bytes, depth: depth - 1)
        }
        throw .truncated
    }
}
