import Exchanges
import Testing
import WireMQTT

/// PUBLISH (section 3.3).
@Suite struct PublishTests {
    private func publish(_ bytes: [UInt8], _ version: MQTTVersion) throws -> PublishPacket {
        try PublishPacket(bytes.span, try #require(frame(bytes)), version: version)
    }

    @Test func readsMQTT311() throws {
        let bytes = packet(0x3b, text("a/b"), u16(258), [1, 2, 3])
        let packet = try publish(bytes, .v311)
        #expect(packet.qos == .atLeastOnce && packet.dup && packet.retain && packet.packetID == 258)
        #expect(bytes.string(packet.topic) == "a/b" && Array(bytes[packet.payload]) == [1, 2, 3])
        #expect(packet.properties.isEmpty && packet.topicAlias == 0 && packet.messageExpiry == nil)
    }

    @Test func readsMQTT5() throws {
        let properties = [0x02] + u32(30) + [0x23] + u16(7) + [0x01, 1] + user("k", "v")
        let bytes = packet(0x34, text("t"), u16(1), block(properties), Array("payload".utf8))
        let packet = try publish(bytes, .v5)
        #expect(packet.qos == .exactlyOnce && !packet.dup && !packet.retain && packet.packetID == 1)
        #expect(packet.topicAlias == 7 && packet.messageExpiry == 30)
        #expect(Array(bytes[packet.properties]) == properties && bytes.string(packet.payload) == "payload")
    }

    @Test func emptyPayloads() throws {
        let bytes = packet(0x30, text("t"))
        #expect(try publish(bytes, .v311).payload.isEmpty)
        #expect(try publish(packet(0x30, text("t"), [0]), .v5).payload.isEmpty)
        #expect(refusal(bytes, .v5) == .malformedPacket, "no length of properties")
    }

    @Test func topics() throws {
        for topic in ["+", "#", "a/+/b", "a/#", "a+", "#a"] {  // MQTT-3.3.2-2
            #expect(refusal(packet(0x30, text(topic), [0])) == .topicNameInvalid)
            #expect(refusal(packet(0x30, text(topic)), .v311) == .malformedPacket)
        }
        for topic in ["/", "//", "a/", "/a", " ", "$SYS/x", "ü/\u{7f}/\u{1f600}", "\u{FEFF}a", "\u{FFFF}"] {
            #expect(refusal(packet(0x30, text(topic), [0])) == nil, "\(topic)")
        }
        #expect(refusal(packet(0x30, text("")), .v311) == .malformedPacket)  // MQTT-4.7.3-1
        #expect(refusal(packet(0x30, text(""), [0])) == .protocolError)
        let aliased = packet(0x30, text(""), block([0x23] + u16(65_535)), [1])
        #expect(try publish(aliased, .v5).topicAlias == 65_535)
    }

    @Test func packetIdentifiers() throws {
        for first: UInt8 in [0x32, 0x34, 0x3a] {  // MQTT-2.2.1-3
            #expect(refusal(packet(first, text("t"), u16(0), [0])) == .protocolError)
            #expect(refusal(packet(first, text("t"), u16(0)), .v311) == .protocolError)
            #expect(refusal(packet(first, text("t"), [1]), .v311) == .malformedPacket)
        }
        // MQTT-2.2.1-2: none with QoS 0, the payload begins at once.
        let bytes = packet(0x30, text("t"), u16(0))
        #expect(try publish(bytes, .v311).payload.count == 2)
    }

    @Test func properties() {
        let refused: [([UInt8], ReasonCode)] = [
            ([0x23] + u16(0), .topicAliasInvalid),  // MQTT-3.3.2-8
            ([0x0b, 1], .protocolError),  // MQTT-3.3.4-6
            ([0x01, 2], .protocolError), ([0x01, 0, 0x01, 0], .protocolError),
            ([0x02] + u32(1) + [0x02] + u32(1), .protocolError), ([0x23] + u16(1) + [0x23] + u16(1), .protocolError),
            ([0x03] + text("a") + [0x03] + text("a"), .protocolError), ([0x09] + sized([]) + [0x09] + sized([]), .protocolError),
            ([0x08] + text("a") + [0x08] + text("a"), .protocolError),
            ([0x08] + text("a/+"), .protocolError), ([0x08] + text(""), .protocolError),  // MQTT-3.3.2-14
            ([0x11] + u32(1), .malformedPacket), ([0x1f] + text("r"), .malformedPacket), ([0x00], .malformedPacket),
            ([0x26] + text("only a name"), .malformedPacket), ([0x02, 0, 0], .malformedPacket),
            ([0x03] + sized([0xc0, 0x80]), .malformedPacket),  // MQTT-3.3.2-19
            (user("a\0", "b"), .malformedPacket), (user("a", "\0"), .malformedPacket),
        ]
        for (properties, reason) in refused {
            #expect(refusal(packet(0x30, text("t"), block(properties))) == reason, "\(properties)")
        }
        #expect(refusal(packet(0x30, text("t"), block(user("", ""), user("", "")))) == nil)
        #expect(refusal(packet(0x30, text("t"), [5, 0x26])) == .malformedPacket, "longer than the packet")
        #expect(refusal(packet(0x30, text("t"), [0x80, 0x00])) == .malformedPacket, "MQTT-1.5.5-1")
        #expect(refusal(packet(0x30, text("t"), [0x80, 0x80, 0x80, 0x80])) == .malformedPacket)
    }
}
