/// The protobuf wire format, written plainly for tests.
public struct ProtoWire {
    public var bytes: [UInt8] = []

    public init() {}

    public mutating func raw(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    public mutating func tag(_ number: Int, _ type: Int) { raw(UInt64(number << 3 | type)) }

    public mutating func varint(_ number: Int, _ value: Int) {
        tag(number, 0)
        raw(UInt64(bitPattern: Int64(value)))
    }

    public mutating func bytes(_ number: Int, _ value: [UInt8]) {
        tag(number, 2)
        raw(UInt64(value.count))
        bytes += value
    }

    public mutating func string(_ number: Int, _ value: String) { bytes(number, Array(value.utf8)) }

    /// A message of its own inside field `number`.
    public mutating func message(_ number: Int, _ fill: (inout ProtoWire) -> Void) {
        var inner = ProtoWire()
        fill(&inner)
        bytes(number, inner.bytes)
    }
}

public func proto(_ fill: (inout ProtoWire) -> Void) -> [UInt8] {
    var wire = ProtoWire()
    fill(&wire)
    return wire.bytes
}
