import Exchanges

/// Goes through a packet's body, and never past its end (MQTT 5.0 section 1.5). What does not fit is a malformed packet.
struct PacketCursor {
    var at: Int
    let end: Int

    init(_ range: Range<Int>) {
        at = range.lowerBound
        end = range.upperBound
    }

    /// The body of a packet. In MQTT 5 its length takes as few bytes as it can (MQTT-1.5.5-1); 3.1.1 does not say so.
    init(_ frame: FrameReader.Frame, version: MQTTVersion) throws(MQTTFault) {
        if version == .v5, frame.count &- frame.body.count != 1 &+ VariableInteger.count(frame.body.count) {
            throw MQTTFault(.malformedPacket, "the remaining length takes more bytes than it needs")
        }
        self.init(frame.body)
    }

    var isAtEnd: Bool { at == end }
    var left: Int { end &- at }

    mutating func byte(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> UInt8 {
        guard at < end else { throw Self.short }
        let value = bytes[at]
        at &+= 1
        return value
    }

    mutating func uint16(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> UInt16 {
        guard left >= 2 else { throw Self.short }
        let value = UInt16(bytes[at]) << 8 | UInt16(bytes[at &+ 1])
        at &+= 2
        return value
    }

    mutating func uint32(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> UInt32 {
        let high = try uint16(bytes)
        return UInt32(high) << 16 | UInt32(try uint16(bytes))
    }

    mutating func variableInteger(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> UInt32 {
        var value: UInt32 = 0
        var shift: UInt32 = 0
        while true {
            let next = try byte(bytes)
            value |= UInt32(next & 0x7f) << shift
            if next < 0x80 {
                guard next != 0 || shift == 0 else {
                    throw MQTTFault(.malformedPacket, "a variable byte integer takes more bytes than it needs")
                }
                return value
            }
            shift &+= 7
            guard shift < 28 else { throw MQTTFault(.malformedPacket, "a variable byte integer has more than four bytes") }
        }
    }

    /// Two bytes of length, and as many bytes as they say.
    mutating func binary(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> Range<Int> {
        let count = Int(try uint16(bytes))
        guard left >= count else { throw Self.short }
        let start = at
        at &+= count
        return start..<at
    }

    /// The same, as text that has been checked (MQTT-1.5.4-1, MQTT-1.5.4-2).
    mutating func text(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> Range<Int> {
        let range = try binary(bytes)
        guard UTF8Text.isValid(bytes.extracting(range)) else {
            throw MQTTFault(.malformedPacket, "a text is not well-formed UTF-8, or has a U+0000")
        }
        return range
    }

    /// A packet identifier is never zero (MQTT-2.2.1-3).
    mutating func packetID(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> UInt16 {
        let id = try uint16(bytes)
        guard id != 0 else { throw MQTTFault(.protocolError, "the packet identifier is 0") }
        return id
    }

    /// A properties block's place, behind its length (section 2.2.2).
    mutating func block(_ bytes: borrowing Span<UInt8>) throws(MQTTFault) -> Range<Int> {
        let count = Int(try variableInteger(bytes))
        guard left >= count else { throw Self.short }
        let start = at
        at &+= count
        return start..<at
    }

    func expectEnd() throws(MQTTFault) {
        guard isAtEnd else { throw MQTTFault(.malformedPacket, "bytes are left over behind the packet's fields") }
    }

    private static var short: MQTTFault { MQTTFault(.malformedPacket, "the packet ends too early") }
}
