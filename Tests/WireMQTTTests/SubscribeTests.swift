import Exchanges
import Testing
import WireMQTT

/// SUBSCRIBE and UNSUBSCRIBE (sections 3.8, 3.10).
@Suite struct SubscribeTests {
    private func subscribe(_ bytes: [UInt8], _ version: MQTTVersion, most: Int = 64) throws -> SubscribePacket {
        try SubscribePacket(bytes.span, try #require(frame(bytes)), version: version, most: most)
    }

    @Test func readsLines() throws {
        let bytes = packet(0x82, u16(9), text("a/+"), [1], text("#"), [0], text("not/a#filter"), [2])
        let read = try subscribe(bytes, .v311)
        #expect(read.packetID == 9 && read.identifier == 0)
        #expect(read.requests.map { bytes.string($0.filter) } == ["a/+", "#", "not/a#filter"])
        #expect(read.requests.map(\.options.qos) == [.atLeastOnce, .atMostOnce, .exactlyOnce])
        let five = packet(0x82, u16(9), block([0x0b] + variable(268_435_455) + user("a", "b")), text("a"), [0b0010_1110])
        let line = try subscribe(five, .v5)
        #expect(line.identifier == 268_435_455)
        let options = SubscriptionOptions(qos: .exactlyOnce, noLocal: true, retainAsPublished: true, retainHandling: .doNotSend)
        #expect(line.requests.map(\.options) == [options])
    }

    /// Every byte of options (MQTT-3.8.3-5; MQTT 3.1.1: MQTT-3-8.3-4).
    @Test func options() {
        for byte in UInt8.min...UInt8.max {
            let five = refusal(packet(0x82, u16(1), [0], text("a"), [byte]))
            let expected: ReasonCode? =
                byte & 0xc0 != 0 ? .malformedPacket : byte & 3 == 3 || byte & 0x30 == 0x30 ? .protocolError : nil
            #expect(five == expected, "\(byte)")
            #expect((refusal(packet(0x82, u16(1), text("a"), [byte]), .v311) == nil) == (byte < 3), "\(byte)")
        }
    }

    /// MQTT-3.8.3-4.
    @Test func noLocalIsNotForSharedSubscriptions() {
        #expect(refusal(packet(0x82, u16(1), [0], text("$share/g/a"), [0b100])) == .protocolError)
        #expect(refusal(packet(0x82, u16(1), [0], text("$share/g/a"), [0b1000])) == nil)
        #expect(refusal(packet(0x82, u16(1), [0], text("$shared/g/a"), [0b100])) == nil)
    }

    @Test(arguments: MQTTVersion.allCases) func whatIsMissing(version: MQTTVersion) {
        let none: [UInt8] = version == .v5 ? [0] : []
        for (first, line) in [(0x82, text("a") + [0]), (0xa2, text("a"))] as [(UInt8, [UInt8])] {
            #expect(refusal(packet(first, u16(1), none, line), version) == nil)
            #expect(refusal(packet(first, u16(0), none, line), version) == .protocolError)  // MQTT-2.2.1-3
            #expect(refusal(packet(first, u16(1), none), version) == .protocolError)  // MQTT-3.8.3-2, MQTT-3.10.3-2
            #expect(refusal(packet(first, u16(1), none, line.dropLast()), version) == .malformedPacket)
            #expect(refusal(packet(first, u16(1), none, sized([0xff]) + [0]), version) == .malformedPacket)
        }
    }

    @Test func subscriptionIdentifiers() {
        #expect(refusal(packet(0x82, u16(1), block([0x0b, 0]), text("a"), [0])) == .protocolError)
        #expect(refusal(packet(0x82, u16(1), block([0x0b, 1, 0x0b, 1]), text("a"), [0])) == .protocolError)
        #expect(refusal(packet(0x82, u16(1), block([0x0b, 0x81, 0]), text("a"), [0])) == .malformedPacket)
        #expect(refusal(packet(0x82, u16(1), block([0x0b, 0x80, 0x80, 0x80, 0x80, 1]), text("a"), [0])) == .malformedPacket)
        #expect(refusal(packet(0xa2, u16(1), block([0x0b, 1]), text("a"))) == .malformedPacket)
        #expect(refusal(packet(0xa2, u16(1), block(user("a", "b")), text("a"))) == nil)
    }

    @Test func linesAreBounded() throws {
        let lines = [[UInt8]](repeating: text("a") + [0], count: 5).flatMap { $0 }
        let bytes = packet(0x82, u16(1), lines)
        #expect(try subscribe(bytes, .v311, most: 5).requests.count == 5)
        #expect(throws: MQTTFault(.quotaExceeded, "")) { try subscribe(bytes, .v311, most: 4) }
        let names = packet(0xa2, u16(1), text("a"), text("b"))
        let read = try UnsubscribePacket(names.span, try #require(frame(names)), version: .v311, most: 2)
        #expect(read.packetID == 1 && read.filters.map(names.string) == ["a", "b"])
        #expect(throws: MQTTFault(.quotaExceeded, "")) {
            try UnsubscribePacket(names.span, try #require(frame(names)), version: .v311, most: 1)
        }
    }
}
