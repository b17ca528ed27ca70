import Exchanges
import Testing

@testable import Topics
import WireMQTT

/// What is promised is on disk; what could not be put there was never promised.
@Suite struct StoreFaultTests {
    let store = MemorySessionStore()

    @Test func aMessageThatCouldNotBeStoredIsNobodys() throws {
        let rig = try Rig(store: store)
        let lasting = TestClient(rig, "lasting")
        lasting.subscribe(subscription("a"))
        let short = TestClient(rig, "short", expiry: 0)
        short.subscribe(subscription("a"))
        lasting.publish(message("a", "old", retain: true)).deliveries.forEach { _ = $0 }
        store.isAway = true
        // The first of them finds it out, the second one is told at once.
        for text in ["new", "newer"] {
            let replies = short.publish(message("a", text, .exactlyOnce, retain: true), packetID: 9)
            #expect(replies.failures == [.implementationSpecificError])
            #expect(replies.deliveries.isEmpty)
        }
        // What needs no disk goes on.
        #expect(short.publish(message("a", "now", .atMostOnce)).deliveries.count == 2)
        store.isAway = false
        rig.pass(ms: 150)
        let replies = short.publish(message("a", "newest", .exactlyOnce), packetID: 9)
        #expect(replies.compactMap(\.published).map(\.isRepeated) == [false])
        #expect(replies.deliveries.map(\.text) == ["newest", "newest"])
        #expect(TestClient(rig, "late").subscribe(subscription("a")).deliveries.map(\.text) == ["old"])
        rig.pass(ms: 150)
        #expect(store.rows.complaints.isEmpty)
        #expect(store.rows.dangling.isEmpty)
    }

    @Test func subscriptionsThatCouldNotBeStoredAreAsBefore() throws {
        let rig = try Rig(store: store)
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a", .atMostOnce, id: 1))
        store.isAway = true
        #expect(
            one.subscribe(subscription("a", .exactlyOnce, id: 2), subscription("b")).first?.subscribed
                == [.implementationSpecificError, .implementationSpecificError])
        store.isAway = false
        rig.pass(ms: 150)
        let other = TestClient(rig, "other")
        #expect(other.publish(message("a")).deliveries.map(\.identifiers) == [[1]])
        #expect(other.publish(message("b")).deliveries.isEmpty)
        #expect(store.rows.subscriptions.values.flatMap(\.values).map(\.identifier) == [1])
        #expect(store.rows.complaints.isEmpty)
    }

    @Test func nobodyIsLetInWhoseSessionCannotBeStored() throws {
        let rig = try Rig(store: store)
        store.isAway = true
        for _ in 0..<2 { #expect(TestClient(rig, "one").first.map(\.refusal) == [.serverUnavailable]) }
        #expect(TestClient(rig, "short", expiry: 0).attached != nil)
        store.isAway = false
        rig.pass(ms: 150)
        #expect(TestClient(rig, "one").attached != nil)
        #expect(rig.state.readFigures().connected == 2)
    }

    @Test func whatTheProtocolAnswersWaitsForTheDisk() throws {
        let rig = try Rig(store: store)
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a", .exactlyOnce))
        let delivery = try #require(one.publish(message("a", "x", .exactlyOnce), packetID: 3).deliveries.first)
        store.isAway = true
        #expect(one.settle(delivery.packetID, .pubrec(.success)).isEmpty)
        #expect(one.release(3).isEmpty)
        #expect(one.release(3).isEmpty)
        #expect(one.unsubscribe("a").isEmpty)
        store.isAway = false
        let replies = rig.pass(ms: 150)
        #expect(replies.releases == [delivery.packetID])
        #expect(replies.compactMap(\.released) == [true, false])
        #expect(replies.compactMap(\.unsubscribed) == [[.success]])
        #expect(store.rows.queues.values.flatMap(\.values).map(\.isReceived) == [true])
    }

    @Test func aRepetitionIsKnownUntilPUBREL() throws {
        let rig = try Rig(store: store)
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a"))
        #expect(one.publish(message("a", "x", .exactlyOnce), packetID: 3).deliveries.count == 1)
        let again = one.publish(message("a", "x", .exactlyOnce), packetID: 3)
        #expect(again.compactMap(\.published).map(\.isRepeated) == [true])
        #expect(again.deliveries.isEmpty)
        let next = try Rig(store: MemorySessionStore(store.rows), wallMS: rig.wallMS)
        let back = TestClient(next, "one")
        #expect(back.publish(message("a", "x", .exactlyOnce), packetID: 3).compactMap(\.published).map(\.isRepeated) == [true])
        #expect(back.release(3).compactMap(\.released) == [true])
        #expect(back.release(3).compactMap(\.released) == [false])
        #expect(back.publish(message("a", "y", .exactlyOnce), packetID: 3).compactMap(\.published).map(\.isRepeated) == [false])
    }

    @Test func aBodyIsStoredOnceAndForgottenWithItsLastQueue() throws {
        let rig = try Rig(store: store)
        let clients = (0..<3).map { TestClient(rig, "c\($0)") }
        for client in clients { client.subscribe(subscription("a")) }
        let replies = rig.run(.publish(message("a"), from: nil, packetID: 0, rig.ticket()))
        #expect(store.rows.messages.count == 1)
        for client in clients.dropLast() { client.settle(replies.to(client).deliveries[0].packetID, .puback(.success)) }
        rig.pass(ms: 150)
        #expect(store.rows.messages.count == 1)
        clients[2].leave(.clean(sessionExpiry: 0))
        rig.pass(ms: 150)
        rig.pass(ms: 150)
        #expect(store.rows.messages.isEmpty)
    }

    @Test func settlementsAreWrittenTogetherAndSoon() throws {
        let rig = try Rig(store: store)
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a"))
        var open: [UInt16] = []
        for _ in 0..<20 { open += rig.run(.publish(message("a"), from: nil, packetID: 0, rig.ticket())).deliveries.map(\.packetID) }
        let before = store.commits
        for packetID in open { one.settle(packetID, .puback(.success)) }
        #expect(store.commits == before)
        rig.pass(ms: 100)
        #expect(store.commits == before + 1)
        #expect(store.rows.queues.values.allSatisfy { $0.isEmpty })
    }

    @Test func refusedMessagesAreKeptAndBounded() throws {
        var options = Broker.Options()
        options.refused = 3
        func refused(_ text: String) -> RefusedMessage {
            RefusedMessage(
                topic: bytes("t"), payload: bytes(text), clientID: bytes("c"), subject: [], qos: .atLeastOnce, code: "VALIDATION_ERROR",
                reason: "no", atMS: 1)
        }
        for hasStore in [true, false] {
            let rig = try Rig(store: hasStore ? store : nil, options: options)
            for i in 0..<5 { #expect(rig.run(.refuse(refused("\(i)"), rig.ticket())).first?.isKept == true) }
            let kept =
                hasStore
                ? try store.refused(before: .max, limit: 10).map(\.message) : rig.state.shelf.list(before: .max, limit: 10).map(\.message)
            #expect(kept.map { String(decoding: $0.payload, as: UTF8.self) } == ["4", "3", "2"])
            if hasStore {
                store.isAway = true
                for _ in 0..<2 { #expect(rig.run(.refuse(refused("x"), rig.ticket())).failures == [.implementationSpecificError]) }
                store.isAway = false
                rig.pass(ms: 150)
                #expect(store.rows.refused.count == 2 || store.rows.refused.count == 3)
                let next = try Rig(store: store, options: options)
                next.run(.refuse(refused("new"), next.ticket()))
                #expect(try store.refused(before: .max, limit: 1).map { String(decoding: $0.message.payload, as: UTF8.self) } == ["new"])
            }
        }
        var large = refused("x")
        large.payload = [UInt8](repeating: 0, count: RefusedMessage.mostPayload + 1)
        let rig = try Rig()
        rig.run(.refuse(large, rig.ticket()))
        #expect(rig.state.shelf.list(before: .max, limit: 1).first?.message.payload.count == RefusedMessage.mostPayload)
    }
}
