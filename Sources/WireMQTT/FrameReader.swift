import Exchanges

/// Cuts a connection's bytes into packets of a client (MQTT 5.0 section 2.1): the fixed header, and where the rest stands.
///
/// PINGREQ has nothing more to be read. AUTH (section 3.15) is a protocol error wherever CONNECT named no authentication
/// method, and in MQTT 3.1.1; nothing reads it either. It keeps nothing between calls and looks at no more than
/// five bytes in one, however the packet is cut.
public struct FrameReader: Sendable, BitwiseCopyable {
    public struct Frame: Sendable {
        public var type: PacketType
        /// The low four bits of the first byte, checked against the type (section 2.1.3).
        public var flags: UInt8
        /// The variable header and the payload, in the bytes given.
        public var body: Range<Int>
        /// Bytes of the whole packet.
        public var count: Int

        public init(type: PacketType, flags: UInt8, body: Range<Int>, count: Int) {
            self.type = type
            self.flags = flags
            self.body = body
            self.count = count
        }
    }

    public enum Progress: Sendable {
        /// Nothing whole is there. `least`: bytes that have to be there from the packet's beginning before it makes sense to look again.
        case needMore(least: Int)
        case frame(Frame)
        case failed(ReasonCode, StaticString)
    }

    /// Bytes of a whole packet, at most; larger ones fail with `packetTooLarge` as soon as their length is known.
    public var maximum: Int

    public init(maximum: Int) { self.maximum = maximum }

    /// The packet that begins at `start`.
    public func next(_ bytes: borrowing Span<UInt8>, at start: Int) -> Progress {
        let known = bytes.count &- start
        guard known > 0 else { return .needMore(least: 2) }
        let first = bytes[start]
        guard let type = PacketType(rawValue: first >> 4) else {
            return .failed(.protocolError, "there is no packet of type 0")
        }
        let flags = first & 0x0f
        if let fault = Self.fault(type, flags) { return .failed(fault.reason, fault.detail) }

        // The remaining length: at most four bytes.
        var length = 0
        var header = 1
        while true {
            guard header < known else { return .needMore(least: header &+ 1) }
            let byte = bytes[start &+ header]
            length |= Int(byte & 0x7f) << (7 &* (header &- 1))
            header &+= 1
            if byte < 0x80 { break }
            guard header < 5 else { return .failed(.malformedPacket, "the remaining length has more than four bytes") }
        }
        if type == .pingreq, length != 0 || header != 2 { return .failed(.malformedPacket, "PINGREQ has a body") }
        let count = header &+ length
        guard count <= maximum else { return .failed(.packetTooLarge, "the packet is larger than allowed") }
        guard count <= known else { return .needMore(least: count) }
        return .frame(Frame(type: type, flags: flags, body: start &+ header..<start &+ count, count: count))
    }

    /// What is wrong with the first byte (MQTT-2.1.3-1; MQTT 3.1.1: MQTT-2.2.2-1, MQTT-2.2.2-2).
    private static func fault(_ type: PacketType, _ flags: UInt8) -> MQTTFault? {
        switch type {
        case .publish:
            guard flags & 0b0110 != 0b0110 else { return MQTTFault(.malformedPacket, "QoS 3") }
            guard flags & 0b1110 != 0b1000 else { return MQTTFault(.malformedPacket, "DUP with QoS 0") }
            return nil
        case .pubrel, .subscribe, .unsubscribe:
            return flags == 0b0010 ? nil : MQTTFault(.malformedPacket, "the reserved flags are not 0010")
        case .connack, .suback, .unsuback, .pingresp:
            return MQTTFault(.protocolError, "only a server sends this packet")
        case .connect, .puback, .pubrec, .pubcomp, .pingreq, .disconnect, .auth:
            return flags == 0 ? nil : MQTTFault(.malformedPacket, "the reserved flags are not 0000")
        }
    }
}
