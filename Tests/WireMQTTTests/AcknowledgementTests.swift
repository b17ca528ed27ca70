import Exchanges
import Testing
import WireMQTT

/// PUBACK, PUBREC, PUBREL, PUBCOMP and DISCONNECT (sections 3.4 to 3.7, 3.14).
@Suite struct AcknowledgementTests {
    @Test(arguments: [0x40, 0x50, 0x62, 0x70] as [UInt8]) func forms(first: UInt8) throws {
        let short = packet(first, u16(513))
        for version in MQTTVersion.allCases {
            let read = try AcknowledgementPacket(short.span, try #require(frame(short)), version: version)
            #expect(read.packetID == 513 && read.reason == .success)
            #expect(refusal(packet(first, u16(0)), version) == .protocolError)
            #expect(refusal(packet(first, [1]), version) == .malformedPacket)
            #expect(refusal(packet(first), version) == .malformedPacket)
        }
        #expect(refusal(packet(first, u16(1), [0]), .v311) == .malformedPacket)
        let error: ReasonCode = first < 0x60 ? .quotaExceeded : .packetIdentifierNotFound
        for rest: [UInt8] in [[], [0], block([0x1f] + text("why"), user("a", "b"), user("a", "b"))] {
            let long = packet(first, u16(1), [error.rawValue], rest)
            let read = try AcknowledgementPacket(long.span, try #require(frame(long)), version: .v5)
            #expect(read.reason == error)
        }
        #expect(refusal(packet(first, u16(1), [0, 0, 0])) == .malformedPacket)
        #expect(refusal(packet(first, u16(1), [0, 1])) == .malformedPacket)
        #expect(refusal(packet(first, u16(1), [0], block([0x1f] + text("a") + [0x1f] + text("b")))) == .protocolError)
        #expect(refusal(packet(first, u16(1), [0], block([0x11] + u32(1)))) == .malformedPacket)
    }

    /// MQTT-3.4.2-1, MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1.
    @Test func reasonsOfEachPacket() {
        let received: Set<UInt8> = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
        let released: Set<UInt8> = [0x00, 0x92]
        for code in UInt8.min...UInt8.max {
            for (first, own) in [(0x40, received), (0x50, received), (0x62, released), (0x70, released)] as [(UInt8, Set<UInt8>)] {
                #expect(refusal(packet(first, u16(1), [code])) == (own.contains(code) ? nil : .protocolError))
            }
        }
    }

    /// MQTT-3.14.2-1.
    @Test func disconnect() throws {
        let own: Set<UInt8> = [0, 4, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99]
        for code in UInt8.min...UInt8.max {
            #expect(refusal(packet(0xe0, [code])) == (own.contains(code) ? nil : .protocolError), "\(code)")
        }
        #expect(refusal(packet(0xe0), .v311) == nil)
        #expect(refusal(packet(0xe0, [0]), .v311) == .malformedPacket)
        let long = packet(0xe0, [4], block([0x11] + u32(7), [0x1f] + text("bye"), user("a", "b")))
        let read = try DisconnectPacket(long.span, try #require(frame(long)), version: .v5)
        #expect(read.reason == .disconnectWithWill && read.sessionExpiry == 7)
        let least: [UInt8] = [0xe0, 0]
        let none = try DisconnectPacket(least.span, try #require(frame(least)), version: .v5)
        #expect(none.reason == .success && none.sessionExpiry == nil)
        #expect(refusal(packet(0xe0, [0], block([0x11] + u32(7) + [0x11] + u32(7)))) == .protocolError)
        #expect(refusal(packet(0xe0, [0], block([0x1c] + text("other")))) == .protocolError, "only a server sends it")
        #expect(refusal(packet(0xe0, [0], block([0x21] + u16(1)))) == .malformedPacket)
        #expect(refusal(packet(0xe0, [0], [0], [0])) == .malformedPacket)
    }
}
