import Exchanges
import Testing

@testable import Topics
import WireMQTT

/// What an owner may have, and what is left of it when he comes back.
@Suite struct ResumingTests {
    private func attach(_ rig: Rig, _ id: String, _ ticket: Ticket, owner: String = "me", clean: Bool = false) -> BrokerRequest {
        .attach(
            Attach(
                ticket: ticket, clientID: bytes(id), owner: bytes(owner), version: .v5, cleanStart: clean, sessionExpiry: 3600,
                receiveMaximum: 100, judges: true))
    }

    // MARK: Sessions of one owner

    @Test func oneOwnerGetsNoMoreThanHisShareAndPushesNobodyOut() throws {
        var options = Broker.Options()
        options.sessions = 4
        options.sessionsOfOne = 2
        let rig = try Rig(options: options)
        let others = ["a", "b"].map { TestClient(rig, $0, owner: "others") }
        for client in others { client.leave() }
        let first = TestClient(rig, "c1", owner: "crowd")
        TestClient(rig, "c2", owner: "crowd", expiry: 0)
        let refused = TestClient(rig, "c3", owner: "crowd")
        #expect(refused.attached == nil && refused.first.first?.refusal == .quotaExceeded)
        #expect(rig.state.readFigures().refusedAsOwners == 1)
        // His own he gets again, also anew; and those of others are all there.
        #expect(TestClient(rig, "c1", owner: "crowd").attached?.isPresent == true)
        #expect(TestClient(rig, "c1", owner: "crowd", clean: true).attached != nil)
        #expect(TestClient(rig, "a", owner: "others").attached?.isPresent == true)
        #expect(rig.state.figures.evictions == 0)
        // Another owner pushes out who has left, as before.
        #expect(TestClient(rig, "d", owner: "third").attached != nil)
        #expect(rig.state.figures.evictions == 1)
        _ = first
    }

    @Test func theEndOfASessionMakesRoomForItsOwner() throws {
        var options = Broker.Options()
        options.sessionsOfOne = 1
        let store = MemorySessionStore()
        let rig = try Rig(store: store, options: options)
        TestClient(rig, "one", expiry: 10).leave()
        #expect(TestClient(rig, "two").attached == nil)
        rig.pass(ms: 11_000)
        TestClient(rig, "two", expiry: 100).leave()
        // What a former process left counts.
        let again = try Rig(store: store, options: options)
        #expect(TestClient(again, "three").attached == nil)
        #expect(TestClient(again, "two").attached?.isPresent == true)
        #expect(again.state.holders.sessions(of: bytes("me")) == 1)
    }

    // MARK: Filters that are judged again

    @Test func nothingIsDeliveredBeforeTheFiltersAreJudged() throws {
        let rig = try Rig()
        let client = TestClient(rig, "one")
        client.subscribe(subscription("room/+"), subscription("hall/#"))
        client.leave()
        TestClient(rig, "speaker").publish(message("room/a", "kept"))
        let ticket = rig.ticket()
        let came = rig.run(attach(rig, "one", ticket))
        let attached = try #require(came.compactMap(\.attached).first)
        #expect(attached.filters == [filter("room/+"), filter("hall/#")] && came.deliveries.isEmpty)
        #expect(rig.pass(ms: 1000).deliveries.isEmpty)
        let delivered = rig.run(.judged(attached.session, ticket, refused: []))
        #expect(delivered.deliveries.map(\.text) == ["kept"])
    }

    @Test func whoHasNoFiltersIsNotHeld() throws {
        let rig = try Rig()
        let ticket = rig.ticket()
        let attached = try #require(rig.run(attach(rig, "one", ticket)).compactMap(\.attached).first)
        #expect(attached.filters.isEmpty)
        rig.run(.subscribe(attached.session, ticket, packetID: 1, [.success(subscription("a"))]))
        #expect(TestClient(rig, "speaker").publish(message("a", "at once")).deliveries.map(\.text) == ["at once"])
    }

    @Test func aRefusedFilterGoesWithWhatWaitedUnderItAlone() throws {
        let store = MemorySessionStore()
        let rig = try Rig(store: store)
        let client = TestClient(rig, "one")
        client.subscribe(subscription("secret/#"), subscription("secret/+/door"), subscription("$share/g/hall/#"))
        client.leave()
        let speaker = TestClient(rig, "speaker", expiry: 0)
        for topic in ["secret/1", "secret/2/door", "hall/x"] { speaker.publish(message(topic, topic)) }
        let ticket = rig.ticket()
        let attached = try #require(rig.run(attach(rig, "one", ticket)).compactMap(\.attached).first)
        let delivered = rig.run(.judged(attached.session, ticket, refused: [filter("secret/#"), filter("$share/g/hall/#")]))
        #expect(delivered.deliveries.map(\.text) == ["secret/2/door"])
        #expect(speaker.publish(message("secret/3")).deliveries.isEmpty)
        #expect(speaker.publish(message("secret/3/door", "still")).deliveries.map(\.text) == ["still"])
        #expect(rig.state.figures.withdrawn == 2 && rig.state.figures.dropped.withdrawn == 1)
        rig.pass(ms: 1000)
        // And so after a restart; nothing is left of what was dropped.
        #expect(store.rows.subscriptions.values.map { Array($0.keys) } == [[filter("secret/+/door")]])
        #expect(store.rows.complaints.isEmpty && store.rows.dangling.isEmpty)
    }

    @Test func whoHasGoneMeanwhileIsNotJudged() throws {
        let rig = try Rig()
        let client = TestClient(rig, "one")
        client.subscribe(subscription("a"))
        let ticket = rig.ticket()
        let attached = try #require(rig.run(attach(rig, "one", ticket)).compactMap(\.attached).first)
        rig.run(.detach(attached.session, ticket, .lost(sessionExpiry: nil)), .judged(attached.session, ticket, refused: [filter("a")]))
        let back = TestClient(rig, "one")
        #expect(back.attached?.isPresent == true)
        #expect(TestClient(rig, "speaker").publish(message("a", "heard")).deliveries.map(\.text) == ["heard"])
    }

    // MARK: Refused messages

    @Test func whatIsCutIsKnownToBeCut() throws {
        let store = MemorySessionStore()
        let rig = try Rig(store: store)
        func refused(_ payload: Int, _ properties: Int) -> RefusedMessage {
            RefusedMessage(
                topic: bytes("t"), payload: [UInt8](repeating: 1, count: payload), clientID: bytes("c"), subject: [], qos: .atLeastOnce,
                code: "NOT_FOUND", reason: "none", atMS: 1, properties: [UInt8](repeating: 2, count: properties), mark: 5)
        }
        for (payload, properties) in [(10, 10), (70_000, 10), (10, 20_000)] { rig.run(.refuse(refused(payload, properties), rig.ticket())) }
        #expect(store.rows.refused.sorted { $0.key < $1.key }.map(\.value.isCut) == [false, true, true])
        #expect(store.rows.refused[2]?.payload.count == RefusedMessage.mostPayload && store.rows.refused[3]?.properties.isEmpty == true)
        #expect(store.rows.refused[1]?.mark == 5)
    }

    @Test func aWillKeepsWhatItsOwnerMay() throws {
        let store = MemorySessionStore()
        let rig = try Rig(store: store)
        TestClient(rig, "one", expiry: 100, will: Will(message("gone"), delay: 5, standing: [7, 8])).leave(.lost(sessionExpiry: nil))
        let again = try Rig(store: store, wallMS: rig.wallMS)
        let wills = again.pass(ms: 6000).wills
        #expect(wills.map(\.standing) == [[7, 8]])
    }
}
