public import Exchanges

/// The fields of one protobuf message, in their order, for the few messages that the gateway reads itself.
public struct ProtobufFieldReader: Sendable {
    public enum Value: Sendable, Equatable {
        case varint(UInt64)
        /// Text, bytes or a message: a place in the text that is read.
        case bytes(Slice)
        /// A number of fixed width, which nothing here reads.
        case fixed
    }

    public enum Fault: Error, Sendable { case malformed }

    private var at = 0

    public init() {}

    /// The next field; nil at the end.
    public mutating func next(_ text: borrowing Span<UInt8>) throws(Fault) -> (number: UInt64, value: Value)? {
        guard at < text.count else { return nil }
        let key = try varint(text)
        guard key >> 3 != 0 else { throw .malformed }
        switch key & 7 {
        case 0: return (key >> 3, .varint(try varint(text)))
        case 1: try skip(8, text)
        case 2:
            let count = try varint(text)
            guard count <= UInt64(text.count - at) else { throw .malformed }
            let slice = Slice(at, at + Int(count))
            at += Int(count)
            return (key >> 3, .bytes(slice))
        case 5: try skip(4, text)
        default: throw .malformed
        }
        return (key >> 3, .fixed)
    }

    private mutating func skip(_ n: Int, _ text: borrowing Span<UInt8>) throws(Fault) {
        guard n <= text.count - at else { throw .malformed }
        at += n
    }

    private mutating func varint(_ text: borrowing Span<UInt8>) throws(Fault) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard at < text.count else { throw .malformed }
            let byte = text[at]
            at += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .malformed
    }
}
