import Exchanges
import Testing
import WireMQTT

/// CONNECT (MQTT 5.0 and MQTT 3.1.1, section 3.1).
@Suite struct ConnectTests {
    private func connect(_ bytes: [UInt8]) throws -> ConnectPacket {
        try ConnectPacket(bytes.span, try #require(frame(bytes)))
    }

    private func version(_ bytes: [UInt8]) throws -> MQTTVersion? {
        ConnectPacket.version(bytes.span, try #require(frame(bytes)))
    }

    private func v5(_ properties: [UInt8]..., flags: UInt8 = 2, then rest: [UInt8] = text("c")) -> [UInt8] {
        packet(0x10, connectHead(.v5, flags: flags), block(properties.flatMap { $0 }), rest)
    }

    @Test func readsAllOfMQTT311() throws {
        let bytes = packet(
            0x10, connectHead(.v311, flags: 0b1110_1110, keepAlive: 300), text("device-1"), text("will/topic"),
            sized([1, 0, 2]), text("user"), sized([0xff, 0x00]))
        let connect = try connect(bytes)
        #expect(connect.version == .v311 && connect.cleanStart && connect.keepAlive == 300)
        #expect(bytes.string(connect.clientID) == "device-1")
        let will = try #require(connect.will)
        #expect(bytes.string(will.topic) == "will/topic" && Array(bytes[will.payload]) == [1, 0, 2])
        #expect(will.qos == .atLeastOnce && will.retain && will.delay == 0 && will.messageExpiry == nil)
        #expect(will.properties.isEmpty && connect.properties.isEmpty)
        #expect(connect.username.map(bytes.string) == "user")
        #expect(connect.password.map { Array(bytes[$0]) } == [0xff, 0])
        #expect(connect.sessionExpiry == 0 && connect.receiveMaximum == 65_535 && connect.maximumPacketSize == .max)
    }

    @Test func readsAllOfMQTT5() throws {
        let properties =
            [0x11] + u32(3600) + [0x21] + u16(20) + [0x27] + u32(70_000) + [0x22] + u16(8) + [0x19, 1] + [0x17, 0]
            + user("a", "1") + [0x15] + text("SCRAM") + [0x16] + sized([9]) + user("a", "2")
        let willProperties =
            [0x18] + u32(5) + [0x01, 1] + [0x02] + u32(60) + [0x03] + text("text/plain") + [0x08] + text("re/ply") + [0x09]
            + sized([0, 1]) + user("w", "x")
        let bytes = packet(
            0x10, connectHead(.v5, flags: 0b1101_0110), block(properties), text("c5"), block(willProperties), text("gone"),
            sized(Array("bye".utf8)), text("u"), sized(Array("secret".utf8)))
        let connect = try connect(bytes)
        #expect(connect.version == .v5 && connect.sessionExpiry == 3600 && connect.receiveMaximum == 20)
        #expect(connect.maximumPacketSize == 70_000 && connect.topicAliasMaximum == 8)
        #expect(connect.requestResponseInformation && !connect.requestProblemInformation)
        #expect(connect.authenticationMethod.map(bytes.string) == "SCRAM")
        #expect(Array(bytes[connect.properties]) == properties)
        let will = try #require(connect.will)
        #expect(will.delay == 5 && will.messageExpiry == 60 && will.qos == .exactlyOnce && !will.retain)
        #expect(Array(bytes[will.properties]) == willProperties && bytes.string(will.payload) == "bye")
        #expect(connect.password.map(bytes.string) == "secret")
    }

    @Test func defaultsAreTheStandards() throws {
        let five = try connect(v5())
        #expect(five.sessionExpiry == 0 && five.receiveMaximum == 65_535 && five.maximumPacketSize == .max)
        #expect(five.topicAliasMaximum == 0 && !five.requestResponseInformation && five.requestProblemInformation)
        let lasting = try connect(packet(0x10, connectHead(.v311, flags: 0), text("c")))
        #expect(!lasting.cleanStart && lasting.sessionExpiry == .max)
    }

    /// MQTT-3.1.2-1, MQTT-3.1.2-2.
    @Test(arguments: [
        ("MQTT", 3), ("MQTT", 6), ("MQTT", 0x84), ("MQIsdp", 3), ("mqtt", 4), ("MQT", 4), ("MQTTT", 5), ("", 4), ("HTTP", 5),
    ])
    func otherProtocolsAreNotSupported(name: String, level: UInt8) throws {
        let bytes = packet(0x10, text(name), [level, 2], u16(0), text("c"))
        #expect(refusal(bytes) == .unsupportedProtocolVersion)
        #expect(try version(bytes) == nil)
    }

    @Test func versionIsKnownWhateverElseIsWrong() throws {
        for asked in MQTTVersion.allCases {
            let bytes = packet(0x10, connectHead(asked, flags: 0x01))
            #expect(refusal(bytes) == .malformedPacket)
            #expect(try version(bytes) == asked)
        }
        let short = packet(0x10, text("MQTT"))
        #expect(refusal(short) == .malformedPacket)
        #expect(try version(short) == nil)
    }

    /// Every byte of connect flags, with the fields it announces.
    @Test(arguments: MQTTVersion.allCases) func flagsAreConsistent(version: MQTTVersion) {
        for flags in UInt8.min...UInt8.max {
            let none: [UInt8] = version == .v5 ? [0] : []
            var body = connectHead(version, flags: flags) + none + text("c")
            if flags & 0x04 != 0 { body += none + text("w") + sized([]) }
            if flags & 0x80 != 0 { body += text("u") }
            if flags & 0x40 != 0 { body += sized([1]) }
            let isRefused =
                flags & 0x01 != 0  // MQTT-3.1.2-3
                || flags & 0x18 == 0x18  // MQTT-3.1.2-12 (MQTT 3.1.1: MQTT-3.1.2-14)
                || (flags & 0x04 == 0 && flags & 0x38 != 0)  // MQTT-3.1.2-11, -13 (MQTT 3.1.1: -13, -15)
                || (version == .v311 && flags & 0xc0 == 0x40)  // MQTT 3.1.1: MQTT-3.1.2-22
            #expect(refusal(packet(0x10, body)) == (isRefused ? .malformedPacket : nil), "\(version) \(flags)")
        }
    }

    /// MQTT 3.1.1: MQTT-3.1.3-7, MQTT-3.1.3-8. MQTT 5: MQTT-3.1.3-6.
    @Test func emptyClientIdentifiers() {
        #expect(refusal(packet(0x10, connectHead(.v311, flags: 2), text(""))) == nil)
        #expect(refusal(packet(0x10, connectHead(.v311, flags: 0), text(""))) == .clientIdentifierNotValid)
        #expect(refusal(packet(0x10, connectHead(.v5, flags: 0), [0], text(""))) == nil)
    }

    @Test func propertiesOutsideTheirValues() {
        let refused: [[UInt8]] = [
            [0x21, 0, 0], [0x27, 0, 0, 0, 0], [0x19, 2], [0x17, 2],  // values
            [0x16] + sized([1]),  // authentication data without a method
            [0x11] + u32(1) + [0x11] + u32(1), [0x21] + u16(1) + [0x21] + u16(1), [0x27] + u32(9) + [0x27] + u32(9),
            [0x22] + u16(1) + [0x22] + u16(1), [0x19, 0, 0x19, 0], [0x17, 0, 0x17, 0],
            [0x15] + text("a") + [0x15] + text("a"), [0x15] + text("a") + [0x16] + sized([]) + [0x16] + sized([]),
        ]
        for properties in refused { #expect(refusal(v5(properties)) == .protocolError, "\(properties)") }
        #expect(refusal(v5([0x16] + sized([1]) + [0x15] + text("m"))) == nil, "in any order")
    }

    /// Section 2.2.2.2: what is not a property of this packet is malformed.
    @Test func propertiesOfOtherPackets() {
        let own: Set<UInt8> = [0x11, 0x21, 0x27, 0x22, 0x19, 0x17, 0x26, 0x15, 0x16]
        for id in UInt8.min...0x7f where !own.contains(id) {
            #expect(refusal(v5([id, 0, 1, 0, 1, 0, 0])) == .malformedPacket, "\(id)")
        }
        #expect(refusal(v5([0x91, 0x00] + u32(1))) == .malformedPacket, "an identifier in a long form")
        #expect(refusal(v5([0x91, 0x01] + u32(1))) == .malformedPacket)
    }

    @Test func wills() {
        let will = { (properties: [UInt8], topic: [UInt8]) in
            refusal(self.v5(flags: 6, then: text("c") + block(properties) + topic + sized([])))
        }
        #expect(will([], text("a/b")) == nil)
        #expect(will([], text("")) == .topicNameInvalid)
        #expect(will([], text("a/+")) == .topicNameInvalid)
        #expect(will([], text("#")) == .topicNameInvalid)
        #expect(will([0x01, 2], text("a")) == .protocolError)
        #expect(will([0x01, 1, 0x01, 1], text("a")) == .protocolError)
        #expect(will([0x18] + u32(1) + [0x18] + u32(1), text("a")) == .protocolError)
        #expect(will([0x08] + text("a/#"), text("a")) == .protocolError)
        #expect(will([0x23] + u16(1), text("a")) == .malformedPacket, "an alias is not a will's")
        #expect(refusal(packet(0x10, connectHead(.v311, flags: 6), text("c"), text("a/#"), sized([]))) == .malformedPacket)
    }

    @Test func nothingIsLeftOver() {
        #expect(refusal(v5(then: text("c") + [0])) == .malformedPacket)
        #expect(refusal(packet(0x10, connectHead(.v311, flags: 2), text("c"), [0])) == .malformedPacket)
    }
}
