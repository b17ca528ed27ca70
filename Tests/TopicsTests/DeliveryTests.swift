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

extension DeliveryTests {
    @Test func overlappingSubscriptionsGiveOneMessageAtTheHighestQoS() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one")
        one.subscribe(
            subscription("a/#", .atMostOnce, id: 1), subscription("a/+", .exactlyOnce, id: 2), subscription("a/b", .atLeastOnce))
        let deliveries = TestClient(rig, "other").publish(message("a/b", "x", .exactlyOnce)).to(one).deliveries
        #expect(deliveries.count == 1)
        #expect(deliveries.first?.qos == .exactlyOnce)
        #expect(deliveries.first?.identifiers.sorted() == [1, 2])
    }

    @Test func noLocalKeepsOnesOwnMessagesAway() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a", noLocal: true), subscription("b"))
        #expect(one.publish(message("a")).deliveries.isEmpty)
        #expect(one.publish(message("b")).deliveries.count == 1)
        #expect(TestClient(rig, "other").publish(message("a")).to(one).deliveries.count == 1)
    }

    @Test func theWindowIsNeverExceededAndOrderIsKept() throws {
        var options = Broker.Options()
        options.inFlight = 10
        let rig = try Rig(store: MemorySessionStore(), options: options)
        let one = TestClient(rig, "one", receive: 3)
        one.subscribe(subscription("a"))
        let other = TestClient(rig, "other")
        var came: [Delivery] = []
        for i in 0..<8 { came += other.publish(message("a", "\(i)")).deliveries }
        #expect(came.map(\.text) == ["0", "1", "2"])
        while came.count < 8 {
            let next = one.settle(came[came.count - 3].packetID, .puback(.success)).deliveries
            #expect(next.count == 1)
            came += next
        }
        #expect(came.map(\.text) == (0..<8).map { "\($0)" })
        #expect(Set(came.map(\.packetID)).count == 8)
    }

    @Test(arguments: [false, true])
    func whatWasNotAcknowledgedComesAgainWithDUP(_ restarts: Bool) throws {
        let store = MemorySessionStore()
        var rig = try Rig(store: store)
        var one = TestClient(rig, "one")
        one.subscribe(subscription("a", .exactlyOnce))
        let other = TestClient(rig, "other")
        var ids: [UInt16] = []
        for (i, qos) in [QoS.atLeastOnce, .exactlyOnce, .exactlyOnce, .atLeastOnce].enumerated() {
            ids += other.publish(message("a", "\(i)", qos)).deliveries.map(\.packetID)
        }
        #expect(one.settle(ids[1], .pubrec(.success)).releases == [ids[1]])
        #expect(one.settle(ids[3], .puback(.success)).isEmpty)
        rig.pass(ms: 150)
        if restarts { rig = try Rig(store: MemorySessionStore(store.rows), wallMS: rig.wallMS) } else { one.leave(.lost(sessionExpiry: nil)) }
        one = TestClient(rig, "one")
        #expect(one.attached?.isPresent == true)
        let again = one.first.deliveries
        #expect(again.map(\.text) == ["0", "2"])
        #expect(again.allSatisfy { $0.dup })
        #expect(again.map(\.packetID) == [ids[0], ids[2]])
        #expect(one.first.releases == [ids[1]])
        #expect(one.settle(ids[1], .pubcomp).isEmpty)
    }

    @Test func aPUBRECWithAnErrorEndsTheMessage() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = TestClient(rig, "one", receive: 1)
        one.subscribe(subscription("a", .exactlyOnce))
        let other = TestClient(rig, "other")
        let first = try #require(other.publish(message("a", "1", .exactlyOnce)).deliveries.first)
        #expect(other.publish(message("a", "2", .exactlyOnce)).deliveries.isEmpty)
        let replies = one.settle(first.packetID, .pubrec(.quotaExceeded))
        #expect(replies.releases.isEmpty)
        #expect(replies.deliveries.map(\.text) == ["2"])
    }

    @Test func settlementsOfAnEarlierConnectionCountForNothing() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a"))
        let delivery = try #require(TestClient(rig, "other").publish(message("a")).deliveries.first)
        let again = TestClient(rig, "one")
        #expect(again.first.deliveries.map(\.packetID) == [delivery.packetID])
        one.settle(delivery.packetID, .puback(.success))
        #expect(rig.state.readFigures().queuedMessages == 1)
        again.settle(delivery.packetID, .puback(.success))
        #expect(rig.state.readFigures().queuedMessages == 0)
    }

    @Test func aCongestedConnectionGetsNothingAndLosesOnlyQoS0() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a"))
        one.hold(true)
        let other = TestClient(rig, "other")
        for i in 0..<100 { #expect(other.publish(message("a", "\(i)", .atMostOnce)).deliveries.isEmpty) }
        #expect(other.publish(message("a", "last")).deliveries.isEmpty)
        let came = one.hold(false).deliveries
        #expect(came.map(\.text) == (0..<64).map { "\($0)" } + ["last"])
        #expect(rig.state.figures.dropped.held == 36)
    }

    @Test func aFullQueueDropsTheNewAndThePublisherIsNotPunished() throws {
        var options = Broker.Options()
        options.queuedMessages = 5
        options.inFlight = 2
        for stored in [false, true] {
            let rig = try Rig(store: stored ? MemorySessionStore() : nil, options: options)
            let one = TestClient(rig, "one")
            one.subscribe(subscription("a"))
            one.leave()
            let other = TestClient(rig, "other")
            for i in 0..<9 { #expect(other.publish(message("a", "\(i)")).failures.isEmpty) }
            #expect(rig.state.figures.dropped.queueFull == 4)
            #expect(rig.state.readFigures().queuedMessages == 5)
        }
    }

    @Test func bytesOfOneQueueAndOfAllAreBounded() throws {
        var options = Broker.Options()
        options.queuedBytes = 10_000
        options.allQueuedBytes = 12_000
        let rig = try Rig(options: options)
        for name in ["one", "two"] {
            let client = TestClient(rig, name)
            client.subscribe(subscription(name))
            client.leave()
        }
        let body = String(repeating: "x", count: 1000)
        for _ in 0..<20 { rig.run(.publish(message("one", body), from: nil, packetID: 0, rig.ticket())) }
        let first = rig.state.figures.queuedBytes
        #expect(first <= 10_000 && first > 8000)
        for _ in 0..<20 { rig.run(.publish(message("two", body), from: nil, packetID: 0, rig.ticket())) }
        #expect(rig.state.figures.queuedBytes <= 12_000)
        #expect(rig.state.figures.queuedBytes > first)
    }

    @Test func expiredMessagesAreNotSent() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a"))
        one.leave()
        let other = TestClient(rig, "other")
        other.publish(message("a", "short", expiresMS: rig.wallMS + 1000))
        other.publish(message("a", "long", expiresMS: rig.wallMS + 10_000))
        rig.pass(ms: 2000)
        #expect(TestClient(rig, "one").first.deliveries.map(\.text) == ["long"])
        #expect(rig.state.figures.dropped.expired == 1)
        rig.pass(ms: 200)
        #expect(rig.store?.rows.messages.count == 1)
    }

    @Test func aFullMailboxLosesOnlyQoS0() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one", worker: 1)
        one.subscribe(subscription("a"))
        let other = TestClient(rig, "other")
        rig.full = [1]
        #expect(other.publish(message("a", "0", .atMostOnce)).compactMap(\.published).count == 1)
        #expect(rig.state.figures.dropped.mailboxFull == 1)
        other.publish(message("a", "1"))
        other.publish(message("a", "2"))
        other.publish(message("a", "3", .atMostOnce))
        rig.full = []
        // What was late comes first, then what had waited behind it.
        #expect(rig.pass(ms: 5).deliveries.map(\.text) == ["1", "2"])
        #expect(rig.state.figures.dropped.mailboxFull == 2)
        #expect(rig.state.readFigures().queuedMessages == 2)
    }

    @Test func packetIdentifiersComeRoundWithoutMeeting() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one", receive: 4)
        one.subscribe(subscription("a"))
        let stuck = try #require(rig.run(.publish(message("a"), from: nil, packetID: 0, rig.ticket())).deliveries.first)
        var open: Set<UInt16> = [stuck.packetID]
        rig.state.byClient[bytes("one")]?.nextSequence = 65_500
        for _ in 0..<100 {
            for delivery in rig.run(.publish(message("a"), from: nil, packetID: 0, rig.ticket())).deliveries {
                guard open.insert(delivery.packetID).inserted, delivery.packetID != 0 else { Issue.record("met"); return }
                let more = one.settle(delivery.packetID, .puback(.success))
                #expect(more.deliveries.isEmpty)
                open.remove(delivery.packetID)
            }
        }
        // The one that was never acknowledged is waited for, and then all goes on.
        #expect(rig.state.readFigures().queuedMessages > 1)
        #expect(!one.settle(stuck.packetID, .puback(.success)).deliveries.isEmpty)
    }
}
