import Exchanges
import Testing
import WireMQTT

/// The fixed header (MQTT 5.0 section 2.1).
@Suite struct FrameReaderTests {
    private func progress(_ bytes: [UInt8], at start: Int = 0, maximum: Int = 1 << 30) -> String {
        switch FrameReader(maximum: maximum).next(bytes.span, at: start) {
        case .needMore(let least): "more \(least)"
        case .frame(let frame): "\(frame.type) \(frame.flags) \(frame.body) \(frame.count)"
        case .failed(let reason, _): "\(reason)"
        }
    }

    @Test func flagsAreCheckedAgainstTheType() {
        // MQTT-2.1.3-1 (MQTT 3.1.1: MQTT-2.2.2-1 and -2), MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1.
        for first in UInt8.min...UInt8.max {
            let expected: ReasonCode? =
                switch first {
                case 0x10, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xc0, 0xe0, 0xf0: nil
                // QoS 3 (MQTT-3.3.1-4) and DUP with QoS 0 (MQTT-3.3.1-2) are none.
                case 0x30...0x35, 0x3a...0x3d: nil
                case 0x00...0x0f: .protocolError
                // Only servers send CONNACK, SUBACK, UNSUBACK and PINGRESP.
                case 0x20...0x2f, 0x90...0x9f, 0xb0...0xbf, 0xd0...0xdf: .protocolError
                default: .malformedPacket
                }
            let seen = progress([first, 0])
            if let expected { #expect(seen == "\(expected)", "\(first)") } else { #expect(seen.hasSuffix("2..<2 2"), "\(first)") }
            // The first byte is enough to refuse it.
            #expect((progress([first]) == "more 2") == (expected == nil))
        }
    }

    @Test(arguments: [
        ([0xe0, 0x7f], "more 129"), ([0xe0, 0x80], "more 3"), ([0xe0, 0x80, 0x01], "more 131"),
        ([0xe0, 0xff, 0x7f], "more 16386"), ([0xe0, 0x80, 0x80, 0x01], "more 16388"),
        ([0xe0, 0xff, 0xff, 0x7f], "more 2097155"), ([0xe0, 0x80, 0x80, 0x80, 0x01], "more 2097157"),
        ([0xe0, 0xff, 0xff, 0xff, 0x7f], "more 268435460"), ([0xe0, 0xff, 0xff, 0xff], "more 5"),
        ([0xe0, 0xff, 0xff, 0xff, 0x80], "malformedPacket"), ([0xe0, 0xff, 0xff, 0xff, 0xff, 0x7f], "malformedPacket"),
    ] as [([UInt8], String)])
    func remainingLengthHasFourBytes(bytes: [UInt8], expected: String) {
        #expect(progress(bytes) == expected)
    }

    @Test func whatIsTooLargeFailsAsSoonAsItIsKnown() {
        #expect(progress([0x30, 0x80, 0x01], maximum: 131) == "more 131")
        #expect(progress([0x30, 0x80, 0x01], maximum: 130) == "packetTooLarge")
        #expect(progress([0x30, 0xff, 0xff, 0xff, 0x7f], maximum: 65_536) == "packetTooLarge")
    }

    @Test func pingreqHasNoBody() {
        #expect(progress([0xc0, 0x00]) == "pingreq 0 2..<2 2")
        for bytes: [UInt8] in [[0xc0, 0x01, 0x00], [0xc0, 0x80, 0x00], [0xc0, 0x05], [0xc1, 0x00]] {
            #expect(progress(bytes) == "malformedPacket", "\(bytes)")
        }
    }

    /// MQTT-1.5.5-1 is of MQTT 5; MQTT 3.1.1 does not forbid a length that takes more bytes than it needs.
    @Test func longFormsOfTheLengthAreRefusedInMQTT5() {
        let long: [UInt8] = [0x40, 0x82, 0x80, 0x00, 0x00, 0x07]
        #expect(refusal(long, .v311) == nil)
        #expect(refusal(long, .v5) == .malformedPacket)
        let connect = [0x10] + [0x8c, 0x00] + connectHead(.v311, flags: 2) + text("")
        #expect(refusal(connect) == nil)
        #expect(refusal([0x10, 0x8d, 0x00] + connectHead(.v5, flags: 2) + [0] + text("")) == .malformedPacket)
    }

    @Test func packetsStandBehindEachOther() {
        let bytes = packet(0x40, u16(1)) + packet(0xc0) + packet(0x62, u16(2))
        #expect(progress(bytes, at: 0) == "puback 0 2..<4 4")
        #expect(progress(bytes, at: 4) == "pingreq 0 6..<6 2")
        #expect(progress(bytes, at: 6) == "pubrel 2 8..<10 4")
        #expect(progress(bytes, at: 10) == "more 2")
    }
}
