/// A protobuf message being written: varints and length-delimited fields are all that the gateway's own answers
/// need.
public struct ProtobufText: Sendable {
    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// A number; zero is the default, which is not written.
    /// - Parameter field: 1 to 15.
    public mutating func add(_ field: UInt8, _ value: UInt64) {
        guard value != 0 else { return }
        bytes.append(field << 3)
        varint(value)
    }

    /// Text, bytes or a message; empty is the default, which is not written.
    /// - Parameter field: 1 to 15.
    public mutating func add(_ field: UInt8, _ value: [UInt8]) {
        guard !value.isEmpty else { return }
        add(evenEmpty: field, value)
    }

    /// The same, for what says something by being there: a member of a oneof, of a list, a message.
    public mutating func add(evenEmpty field: UInt8, _ value: [UInt8]) {
        bytes.append(field << 3 | 2)
        varint(UInt64(value.count))
        bytes += value
    }

    /// A list of numbers, packed.
    public mutating func add(packed field: UInt8, _ values: [UInt64]) {
        var list = ProtobufText()
        for value in values { list.varint(value) }
        add(field, list.bytes)
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
