import Exchanges
import Seeded
import Testing

@testable import Topics
import WireMQTT

/// Shared subscriptions (MQTT 5.0 section 4.8.2): what waits for a member that is away goes to those who are there.
@Suite struct SharingTests {
    private let shared = "$share/g/a"

    private func publish(_ rig: Rig, _ numbers: Range<Int>, _ qos: QoS = .atLeastOnce) -> [BrokerReply] {
        numbers.flatMap { rig.run(.publish(message("a", "\($0)", qos), from: nil, packetID: 0, rig.ticket())) }
    }

    /// A client that has this shared subscription, and was there before or was not.
    private func member(_ rig: Rig, _ id: String, expiry: UInt32 = 3600, receive: UInt16 = 65_535, qos: QoS = .atLeastOnce) -> TestClient {
        let client = TestClient(rig, id, expiry: expiry, receive: receive)
        if client.attached?.isPresent == false { client.subscribe(subscription(shared, qos)) }
        return client
    }

    private func expectOrder(_ rig: Rig) {
        #expect(rig.store?.rows.complaints ?? [] == [])
        #expect(rig.store?.rows.dangling ?? [] == [])
    }

    private func payloads(_ numbers: Range<Int>) -> [String] { numbers.map { "\($0)" } }

    @Test(arguments: [true, false]) func whoComesFirstGetsWhatNobodyWasThereFor(_ stores: Bool) throws {
        let rig = try Rig(store: stores ? MemorySessionStore() : nil)
        for id in ["one", "two", "three"] { member(rig, id).leave() }
        _ = publish(rig, 0..<6)
        #expect(TestClient(rig, "three").first.deliveries.map(\.text) == payloads(0..<6), "in one piece, in the order published")
        #expect(TestClient(rig, "one").first.deliveries.isEmpty && TestClient(rig, "two").first.deliveries.isEmpty)
        expectOrder(rig)
    }

    @Test func whoJoinsGetsItToo() throws {
        let rig = try Rig(store: MemorySessionStore())
        member(rig, "one").leave()
        _ = publish(rig, 0..<3)
        let two = TestClient(rig, "two")
        #expect(two.subscribe(subscription(shared)).deliveries.map(\.text) == payloads(0..<3))
        #expect(two.subscribe(subscription("$share/h/a")).deliveries.isEmpty, "another group's")
        expectOrder(rig)
    }

    @Test func afterARestartToo() throws {
        let rig = try Rig(store: MemorySessionStore())
        let (one, two) = (member(rig, "one", receive: 1), member(rig, "two"))
        two.leave()
        _ = publish(rig, 0..<4)
        one.subscribe(subscription("a/own"))
        one.publish(message("a/own"))
        rig.pass(ms: 1000)
        // It goes without a word: nothing is handed over before.
        let again = try Rig(store: MemorySessionStore(try #require(rig.store).rows))
        #expect(TestClient(again, "two").first.deliveries.map(\.text) == payloads(1..<4), "what had not been sent")
        let back = TestClient(again, "one").first.deliveries
        #expect(back.map(\.text) == ["0", "x"] && back.map(\.dup) == [true, false], "what had, and its own")
        expectOrder(again)
        // When the session ends, what it has not acknowledged goes as well.
        let third = try Rig(store: MemorySessionStore(try #require(again.store).rows))
        let last = TestClient(third, "two")
        #expect(third.pass(ms: 3_700_000).to(last).deliveries.map(\.text) == ["0"])
    }

    /// After a crash nobody knows what was sent: it must not go to another (MQTT-4.8.2-5).
    @Test func withQoS2ItIsItsMembersAfterARestart() throws {
        let rig = try Rig(store: MemorySessionStore())
        let two = member(rig, "two", qos: .exactlyOnce)
        member(rig, "one", qos: .exactlyOnce).leave()
        two.leave()
        _ = publish(rig, 0..<2, .exactlyOnce)
        let holder = try #require(rig.state.byNumber.values.first { $0.queued == 2 })
        let (its, other) = holder.clientID == bytes("one") ? ("one", "two") : ("two", "one")
        let again = try Rig(store: MemorySessionStore(try #require(rig.store).rows))
        #expect(TestClient(again, other).first.deliveries.isEmpty)
        #expect(TestClient(again, its).first.deliveries.map(\.text) == payloads(0..<2))
        // In the same process it is known.
        #expect(TestClient(rig, other).first.deliveries.map(\.text) == payloads(0..<2))
        expectOrder(rig)
        expectOrder(again)
    }

    @Test func whatWasSentStaysWithItsMember() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = member(rig, "one", receive: 2, qos: .exactlyOnce)
        _ = publish(rig, 0..<5, .exactlyOnce)
        let two = member(rig, "two", qos: .exactlyOnce)
        #expect(one.leave(.lost(sessionExpiry: nil)).to(two).deliveries.map(\.text) == payloads(2..<5))
        // With QoS 2 also when its session ends.
        #expect(rig.pass(ms: 3_700_000).deliveries.isEmpty)
        expectOrder(rig)
    }

    @Test func theyTakeWhatTheyHaveRoomForAndMoreLater() throws {
        var options = Broker.Options()
        options.queuedMessages = 10
        options.inFlight = 4
        let rig = try Rig(store: MemorySessionStore(), options: options)
        for id in ["one", "two", "three"] { member(rig, id).leave() }
        _ = publish(rig, 0..<30)
        #expect(rig.state.figures.dropped.noMember == 0)
        let four = member(rig, "four")
        #expect(rig.state.byNumber[four.session.number]?.queued == 10)
        // Nothing more comes in: it is by its acknowledgements that the rest moves.
        var seen: [String] = []
        var waiting = rig.state.byNumber[four.session.number]?.inFlight.map { Delivery($0, dup: false) } ?? []
        while !waiting.isEmpty {
            let delivery = waiting.removeFirst()
            seen.append(delivery.text)
            waiting += four.settle(delivery.packetID, .puback(.success)).deliveries
        }
        #expect(seen.count == 30 && Set(seen) == Set(payloads(0..<30)))
        rig.pass(ms: 200)
        #expect(rig.state.starved == 0 && rig.store?.rows.queues.values.allSatisfy { $0.isEmpty } == true)
        expectOrder(rig)
    }

    @Test func severalShareIt() throws {
        var options = Broker.Options()
        options.queuedMessages = 100
        let rig = try Rig(store: MemorySessionStore(), options: options)
        let one = member(rig, "one", receive: 1)
        _ = publish(rig, 0..<21)
        let (two, three) = (member(rig, "two"), member(rig, "three"))
        let replies = one.leave()
        #expect(replies.to(two).deliveries.count == 10 && replies.to(three).deliveries.count == 10)
    }

    /// Its own session's connection would hear of it before it is known that the other one's queue has let it go.
    @Test func whatIsToComeOnceGoesToNobodyWhoseSessionIsNotStored() throws {
        let rig = try Rig(store: MemorySessionStore())
        member(rig, "one", qos: .exactlyOnce).leave()
        _ = publish(rig, 0..<2, .exactlyOnce)
        _ = publish(rig, 2..<4)
        let fleeting = TestClient(rig, "two", expiry: 0)
        #expect(fleeting.subscribe(subscription(shared, .exactlyOnce)).deliveries.map(\.text) == payloads(2..<4))
        #expect(member(rig, "three", qos: .exactlyOnce).first.deliveries.isEmpty)
        let four = TestClient(rig, "four")
        #expect(four.attached?.isPresent == false)
        #expect(rig.state.byNumber.values.first { $0.clientID == bytes("three") }?.queued == 2)
        expectOrder(rig)
    }

    @Test func nobodyWhoTakesQoS0AloneGetsWhatMayStillArriveForSure() throws {
        let rig = try Rig(store: MemorySessionStore())
        member(rig, "one").leave()
        _ = publish(rig, 0..<2)
        #expect(member(rig, "two", qos: .atMostOnce).hold(false).deliveries.isEmpty)
        #expect(TestClient(rig, "one").first.deliveries.map(\.text) == payloads(0..<2))
    }

    @Test func whileTheStoreIsAwayNothingMoves() throws {
        let store = MemorySessionStore()
        let rig = try Rig(store: store)
        let two = member(rig, "two")
        let one = member(rig, "one", receive: 1)
        two.hold(true)
        _ = publish(rig, 0..<8)
        store.isAway = true
        // Something that has to be stored, so that it is noticed.
        _ = publish(rig, 8..<9)
        #expect(one.leave(.lost(sessionExpiry: nil)).deliveries.isEmpty)
        store.isAway = false
        let moved = rig.pass(ms: 200) + two.hold(false)
        #expect(moved.to(two).deliveries.map(\.text).filter { $0 != "0" }.count == 7)
        expectOrder(rig)
    }

    /// Members come, go, lose their connections and their sessions, acknowledge or do not, and the process dies: each message comes
    /// to somebody, and as long as nothing was lost on the way, to one only.
    @Test(arguments: 0..<30) func nothingIsLost(_ seed: Int) throws {
        var random = Seeded(state: UInt64(seed) &* 131 &+ 3)
        var options = Broker.Options()
        options.queuedMessages = 40
        options.inFlight = 3
        var rig = try Rig(store: seed % 3 == 0 ? nil : MemorySessionStore(), options: options)
        let names = ["a", "b", "c", "d"]
        var clients: [String: TestClient] = [:]
        var unsettled: [String: [UInt16]] = [:]
        var seen: [String: Int] = [:]
        var count = 0
        func take(_ replies: [BrokerReply]) {
            for (name, client) in clients {
                for delivery in replies.to(client).deliveries {
                    seen[delivery.text, default: 0] += delivery.dup ? 0 : 1
                    unsettled[name, default: []].append(delivery.packetID)
                }
            }
        }
        func join(_ name: String) {
            let client = TestClient(rig, name, receive: UInt16(random.count(1...4)))
            clients[name] = client
            unsettled[name] = []
            take(client.first)
            if client.attached?.isPresent == false { take(client.subscribe(subscription(shared))) }
        }
        func settle(_ name: String) {
            guard let client = clients[name], let packetID = unsettled[name]?.first else { return }
            unsettled[name]?.removeFirst()
            take(client.settle(packetID, .puback(.success)))
        }
        for name in names { join(name) }
        for _ in 0..<300 {
            let name = random.pick(names)
            switch random.count(0...9) {
            case 0...1:
                if let client = clients.removeValue(forKey: name) {
                    take(client.leave(random.chance(2) ? .clean(sessionExpiry: nil) : .lost(sessionExpiry: nil)))
                } else {
                    join(name)
                }
            case 2 where random.chance(6) && rig.store != nil:
                // It dies, and comes back.
                clients = [:]
                rig = try Rig(store: MemorySessionStore(try #require(rig.store).rows), options: options)
            case 2...5: settle(name)
            default:
                // As many as there is room for, wherever they are.
                guard rig.state.figures.queuedMessages < 20 else { continue }
                take(rig.run(.publish(message("a", "\(count)"), from: nil, packetID: 0, rig.ticket())))
                count += 1
            }
            expectOrder(rig)
        }
        for name in names where clients[name] == nil { join(name) }
        for _ in 0..<200 { names.forEach { settle($0) } }
        #expect(rig.state.figures.queuedMessages == 0 && rig.state.starved == 0)
        #expect(seen.count == count, "all have come")
        if rig.store == nil { #expect(seen.values.allSatisfy { $0 == 1 }, "and none of them twice") }
    }
}
