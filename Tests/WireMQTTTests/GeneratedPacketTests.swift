import Exchanges
import Seeded
import Testing
import WireMQTT

/// Packets that are drawn: what is valid reads as it was meant, however it is cut; what is damaged is refused or read, and nothing
/// outside it is.
@Suite struct GeneratedPacketTests {
    @Test(arguments: MQTTVersion.allCases) func readAsTheyWereMeant(version: MQTTVersion) throws {
        var generator = PacketGenerator(seed: 5, version: version)
        for _ in 0..<800 {
            let (bytes, expected) = generator.next()
            #expect(try account(bytes, try #require(frame(bytes)), version) == expected, "\(bytes)")
        }
    }

    /// Every cut asks for more bytes than there are, and never for more than the packet has.
    @Test(arguments: MQTTVersion.allCases) func cutsDoNotMatter(version: MQTTVersion) {
        var generator = PacketGenerator(seed: 7, version: version)
        let reader = FrameReader(maximum: 1 << 20)
        for _ in 0..<100 {
            let bytes = generator.next().bytes
            for known in 0..<bytes.count {
                guard case .needMore(let least) = reader.next(Array(bytes[..<known]).span, at: 0) else {
                    Issue.record("\(known) bytes of \(bytes)")
                    continue
                }
                if least <= known || least > bytes.count { Issue.record("\(least) after \(known) of \(bytes)") }
            }
        }
    }

    /// The same packet between bytes that belong to others.
    @Test(arguments: MQTTVersion.allCases) func nothingOutsideIsLookedAt(version: MQTTVersion) throws {
        var generator = PacketGenerator(seed: 11, version: version)
        for _ in 0..<100 {
            let (bytes, expected) = generator.next()
            for filler in [0x00, 0x01, 0x61, 0xff] as [UInt8] {
                let around = [UInt8](repeating: filler, count: 40)
                let all = around + bytes + around
                guard case .frame(let frame) = FrameReader(maximum: 1 << 20).next(all.span, at: 40) else {
                    Issue.record("no frame in \(bytes)")
                    continue
                }
                #expect(try account(all, frame, version) == expected)
            }
        }
    }

    /// Each byte changed in turn, and each end cut off with a remaining length that says so: a fault, or a packet within its bounds,
    /// and the same whatever follows it.
    @Test(arguments: MQTTVersion.allCases) func damageIsRefusedOrRead(version: MQTTVersion) {
        var generator = PacketGenerator(seed: 13, version: version)
        var refused = 0
        var taken = 0
        func read(_ damaged: [UInt8]) {
            let alone = outcome(damaged, version)
            if alone != outcome(damaged + [UInt8](repeating: 0x26, count: 20), version) { Issue.record("\(damaged)") }
            if alone.hasPrefix("fault") { refused += 1 } else { taken += 1 }
        }
        for _ in 0..<25 {
            let bytes = generator.next().bytes
            for i in bytes.indices {
                for value in [0x00, 0xff, bytes[i] ^ 0x01, bytes[i] ^ 0x80, bytes[i] &+ 1, UInt8.random(in: 0...255, using: &generator.random)] {
                    var damaged = bytes
                    damaged[i] = value
                    // A length that says more than there is waits for it.
                    if frame(damaged) != nil { read(damaged) }
                }
            }
            guard let whole = frame(bytes) else { continue }
            for end in whole.body.lowerBound...whole.body.upperBound { read(packet(bytes[0], Array(bytes[whole.body.lowerBound..<end]))) }
        }
        #expect(refused > 300 && taken > 300)
    }

    private func outcome(_ bytes: [UInt8], _ version: MQTTVersion) -> String {
        guard let frame = frame(bytes) else { return "none" }
        do throws(MQTTFault) { return try account(bytes, frame, version) } catch { return "fault \(error.reason)" }
    }

    /// What is written can be read, and a fault's reason is one that may be answered with.
    @Test(arguments: MQTTVersion.allCases) func whatIsWrittenCanBeRead(version: MQTTVersion) throws {
        var random = Seeded(state: 17)
        for _ in 0..<200 {
            var properties = PropertiesWriter()
            for _ in 0..<random.count(0...3) { properties.user(Array("k\(random.count(0...9))".utf8), Array("v".utf8)) }
            if random.chance(2) { properties.contentType(Array("application/json".utf8)) }
            let qos = random.pick(QoS.allCases)
            let sent = OutgoingPublish(
                topic: Array("shop/\(random.count(0...99_999))/status".utf8), payload: [UInt8](repeating: 7, count: random.count(0...20_000)),
                qos: qos, dup: qos != .atMostOnce && random.chance(2), retain: random.chance(2),
                packetID: qos == .atMostOnce ? 0 : UInt16(random.count(1...65_535)), properties: properties.bytes,
                messageExpiry: random.chance(2) ? 5 : nil)
            let bytes = written { PacketWriter.publish(sent, version: version, into: $0) }
            let whole = try #require(frame(bytes))
            let read = try PublishPacket(bytes.span, whole, version: version)
            #expect(Array(bytes[read.topic]) == sent.topic && Array(bytes[read.payload]) == sent.payload && read.qos == qos)
            #expect(read.dup == sent.dup && read.retain == sent.retain && read.packetID == sent.packetID)
            guard version == .v5 else { continue }
            #expect(read.messageExpiry == sent.messageExpiry && forwarded(bytes, read.properties) == sent.properties)
        }
    }
}
