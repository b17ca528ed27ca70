import Exchanges
import Testing
import WireMQTT

/// What servers send, byte for byte.
@Suite struct WriterTests {
    private func connack(_ answer: ConnectAnswer, _ version: MQTTVersion) -> [UInt8] {
        written { PacketWriter.connack(answer, version: version, into: $0) }
    }

    @Test func connackOfMQTT311() {
        var answer = ConnectAnswer()
        answer.receiveMaximum = 5
        answer.reasonString = Array("not sent".utf8)
        #expect(connack(answer, .v311) == [0x20, 2, 0, 0])
        answer.sessionPresent = true
        #expect(connack(answer, .v311) == [0x20, 2, 1, 0])
        let codes: [(ReasonCode, UInt8)] = [
            (.unsupportedProtocolVersion, 1), (.clientIdentifierNotValid, 2), (.serverUnavailable, 3), (.serverBusy, 3),
            (.serverShuttingDown, 3), (.quotaExceeded, 3), (.connectionRateExceeded, 3), (.unspecifiedError, 3), (.serverMoved, 3),
            (.badUserNameOrPassword, 4), (.notAuthorized, 5), (.banned, 5), (.topicNameInvalid, 5), (.badAuthenticationMethod, 5),
        ]
        for (reason, code) in codes {
            answer.reason = reason
            // MQTT 3.1.1: MQTT-3.2.2-4: no session with an error.
            #expect(connack(answer, .v311) == [0x20, 2, 0, code])
        }
        for reason in ReasonCode.allCases where reason.isError {
            answer.reason = reason
            #expect((1...5).contains(connack(answer, .v311)[3]), "one of those there are")
        }
    }

    @Test func connackOfMQTT5() {
        var answer = ConnectAnswer()
        #expect(connack(answer, .v5) == [0x20, 3, 0, 0, 0])
        answer.sessionPresent = true
        answer.sessionExpiry = 0x0102_0304
        answer.receiveMaximum = 64
        answer.maximumQoS = .atLeastOnce
        answer.retainAvailable = false
        answer.maximumPacketSize = 0x4_0000
        answer.assignedClientID = Array("id".utf8)
        answer.topicAliasMaximum = 16
        answer.reasonString = Array("ok".utf8)
        answer.serverKeepAlive = 30
        let properties: [UInt8] = [
            0x11, 1, 2, 3, 4, 0x21, 0, 64, 0x24, 1, 0x25, 0, 0x27, 0, 4, 0, 0, 0x12, 0, 2, 0x69, 0x64, 0x22, 0, 16, 0x13, 0, 30,
            0x1f, 0, 2, 0x6f, 0x6b,
        ]
        #expect(connack(answer, .v5) == [0x20, 36, 1, 0, UInt8(properties.count)] + properties)
        var moved = ConnectAnswer()
        moved.reason = .serverMoved
        moved.serverReference = Array("b:1".utf8)
        moved.reasonString = Array("no".utf8)
        #expect(connack(moved, .v5) == [0x20, 14, 0, 0x9d, 11, 0x1c, 0, 3, 0x62, 0x3a, 0x31, 0x1f, 0, 2, 0x6e, 0x6f])
        #expect(connack(moved, .v311) == [0x20, 2, 0, 3])
        var refused = ConnectAnswer()
        refused.sessionPresent = true
        refused.reason = .notAuthorized
        #expect(connack(refused, .v5) == [0x20, 3, 0, 0x87, 0], "MQTT-3.2.2-6")
    }

    @Test func publishes() {
        var message = OutgoingPublish(topic: [0x74], payload: [1, 2], qos: .atLeastOnce, dup: true, retain: true, packetID: 258)
        message.properties = user("a", "b")
        message.messageExpiry = 9
        message.subscriptionIdentifiers = [1, 128]
        let old = written { PacketWriter.publish(message, version: .v311, into: $0) }
        #expect(old == [0x3b, 7, 0, 1, 0x74, 1, 2, 1, 2])
        let new = written { PacketWriter.publish(message, version: .v5, into: $0) }
        let properties: [UInt8] = [2, 0, 0, 0, 9, 0x0b, 1, 0x0b, 0x80, 1] + user("a", "b")
        #expect(new == [0x3b, 25, 0, 1, 0x74, 1, 2, 17] + properties + [1, 2])
        let least = written { PacketWriter.publish(OutgoingPublish(topic: [0x74], payload: []), version: .v5, into: $0) }
        #expect(least == [0x30, 4, 0, 1, 0x74, 0])
        var aliased = OutgoingPublish(topic: [], payload: [1])
        aliased.topicAlias = 258
        #expect(written { PacketWriter.publish(aliased, version: .v5, into: $0) } == [0x30, 7, 0, 0, 3, 0x23, 1, 2, 1])
    }

    @Test(arguments: [0, 1, 100, 122, 123, 124, 125, 16_378, 16_379, 16_380, 16_381, 2_097_140, 2_097_150]) func countsArePacketsSizes(size: Int) {
        for version in MQTTVersion.allCases {
            for qos in QoS.allCases {
                var message = OutgoingPublish(topic: [0x74], payload: [UInt8](repeating: 1, count: size), qos: qos, packetID: 1)
                message.subscriptionIdentifiers = [5]
                message.topicAlias = version == .v5 && size % 2 == 1 ? 3 : 0
                let bytes = written { PacketWriter.publish(message, version: version, into: $0) }
                #expect(bytes.count == PacketWriter.count(of: message, version: version))
                #expect(frame(bytes, maximum: 1 << 30)?.count == bytes.count)
            }
        }
    }

    private func ack(_ type: PacketType, _ reason: ReasonCode, _ text: String, _ version: MQTTVersion) -> [UInt8] {
        written { PacketWriter.acknowledgement(type, 258, reason, text: Array(text.utf8).span, version: version, into: $0) }
    }

    @Test func acknowledgements() {
        for (type, first) in [(PacketType.puback, 0x40), (.pubrec, 0x50), (.pubrel, 0x62), (.pubcomp, 0x70)] as [(PacketType, UInt8)] {
            #expect(ack(type, .success, "", .v5) == [first, 2, 1, 2])
            #expect(ack(type, .packetIdentifierNotFound, "", .v5) == [first, 3, 1, 2, 0x92])
            #expect(ack(type, .quotaExceeded, "no", .v5) == [first, 9, 1, 2, 0x97, 5, 0x1f, 0, 2, 0x6e, 0x6f])
            #expect(ack(type, .quotaExceeded, "no", .v311) == [first, 2, 1, 2])
        }
    }

    private func disconnect(_ reason: ReasonCode, _ text: [UInt8]) -> [UInt8] {
        written { PacketWriter.disconnect(reason, text: text.span, into: $0) }
    }

    @Test func reasonStringsAreBoundedAndWellFormed() {
        let long = ack(.puback, .quotaExceeded, String(repeating: "é", count: 2000), .v5)
        #expect(refusal(long) == nil && long.count == 3 + 3 + 2 + 3 + 1024)
        let odd = ack(.puback, .quotaExceeded, "x" + String(repeating: "é", count: 2000), .v5)
        #expect(refusal(odd) == nil && odd.count == long.count - 1, "cut between characters")
        #expect(ack(.puback, .quotaExceeded, "a\0", .v5) == ack(.puback, .quotaExceeded, "", .v5))
        let ill = disconnect(.protocolError, [0xff])
        #expect(ill == [0xe0, 1, 0x82])
    }

    @Test func subscriptions() {
        let reasons: [ReasonCode] = [.success, .grantedQoS1, .grantedQoS2, .notAuthorized, .topicFilterInvalid]
        #expect(written { PacketWriter.suback(258, reasons, version: .v311, into: $0) } == [0x90, 7, 1, 2, 0, 1, 2, 0x80, 0x80])
        #expect(written { PacketWriter.suback(258, reasons, version: .v5, into: $0) } == [0x90, 8, 1, 2, 0, 0, 1, 2, 0x87, 0x8f])
        let gone: [ReasonCode] = [.success, .noSubscriptionExisted]
        #expect(written { PacketWriter.unsuback(258, gone, version: .v311, into: $0) } == [0xb0, 2, 1, 2])
        #expect(written { PacketWriter.unsuback(258, gone, version: .v5, into: $0) } == [0xb0, 5, 1, 2, 0, 0, 0x11])
    }

    @Test func theRest() {
        #expect(written { PacketWriter.pingresp(into: $0) } == [0xd0, 0])
        #expect(disconnect(.serverShuttingDown, []) == [0xe0, 1, 0x8b])
        let text = disconnect(.keepAliveTimeout, [0x78])
        #expect(text == [0xe0, 6, 0x8d, 4, 0x1f, 0, 1, 0x78])
        let place = Array("b:1".utf8)
        let move = written { PacketWriter.disconnect(.useAnotherServer, text: Span(), reference: place.span, into: $0) }
        #expect(move == [0xe0, 8, 0x9c, 6, 0x1c, 0, 3, 0x62, 0x3a, 0x31])
        let said = written { PacketWriter.disconnect(.serverMoved, text: [0x78].span, reference: place.span, into: $0) }
        #expect(said == [0xe0, 12, 0x9d, 10, 0x1c, 0, 3, 0x62, 0x3a, 0x31, 0x1f, 0, 1, 0x78])
    }
}
