import Testing

@testable import Topics
import WireMQTT

@Suite struct DeliveryTests {
    @Test(arguments: [QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
    func aMessageComesToItsSubscriber(_ qos: QoS) throws {
        for store in [nil, MemorySessionStore()] {
            let rig = try Rig(store: store)
            let (one, other) = (TestClient(rig, "one"), TestClient(rig, "other"))
            #expect(one.subscribe(subscription("a/+", qos)).first?.subscribed == [[.success, .grantedQoS1, .grantedQoS2][Int(qos.rawValue)]])
            let replies = other.publish(message("a/b", "hello", qos))
            #expect(replies.compactMap(\.published).map(\.subscribers) == [1])
            let delivery = try #require(replies.to(one).deliveries.first)
            #expect(delivery.text == "hello")
            #expect(delivery.qos == qos)
            #expect((delivery.packetID == 0) == (qos == .atMostOnce))
            #expect(!delivery.dup)
            #expect(!delivery.retain)
            switch qos {
            case .atMostOnce: break
            case .atLeastOnce: one.settle(delivery.packetID, .puback(.success))
            case .exactlyOnce:
                #expect(one.settle(delivery.packetID, .pubrec(.success)).releases == [delivery.packetID])
                one.settle(delivery.packetID, .pubcomp)
            }
            rig.pass(ms: 200)
            #expect(rig.state.readFigures().queuedMessages == 0)
            #expect(rig.state.readFigures().queuedBytes == 0)
            #expect(store?.rows.messages.isEmpty ?? true)
            #expect(store?.rows.complaints.isEmpty ?? true)
        }
    }
}
