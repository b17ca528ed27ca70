import Testing

@testable import Topics
import WireMQTT

@Suite struct SubscriptionTests {
    @Test(arguments: [
        ("#", "a/b", true), ("#", "$SYS/b", false), ("+/b", "$SYS/b", false), ("$SYS/#", "$SYS/b", true), ("a/#", "a", true),
        ("a/+", "a", false), ("a/+", "a/", true), ("+", "a", true), ("+", "/a", false), ("/+", "/a", true), ("+/+", "/a", true),
        ("a/+/c", "a/b/c", true), ("a/+/c", "a/b/d", false), ("a/b", "a/b", true), ("a/b", "a/b/c", false), ("a/b/#", "a/b", true),
        ("+/#", "a", true), ("a//b", "a//b", true), ("a/+/b", "a//b", true), ("A", "a", false), ("a/$b/#", "a/$b/c", true), ("a/+", "a/$b", true),
    ])
    func filtersTakeTopics(_ filterText: String, _ topic: String, _ takes: Bool) throws {
        let rig = try Rig()
        let one = TestClient(rig, "one")
        one.subscribe(subscription(filterText))
        #expect(one.publish(message(topic, retain: true)).deliveries.count == (takes ? 1 : 0))
        // Retained messages are looked for by the filter: the same rules from the other side.
        #expect(TestClient(rig, "two").subscribe(subscription(filterText)).deliveries.count == (takes ? 1 : 0))
        #expect(filter(filterText).matches(bytes(topic).span) == takes)
    }

    @Test func subscribingAgainReplacesAndUnsubscribingEnds() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a", .exactlyOnce, id: 1))
        one.subscribe(subscription("a", .atMostOnce, id: 2))
        let delivery = try #require(one.publish(message("a")).deliveries.first)
        #expect(delivery.qos == .atMostOnce)
        #expect(delivery.identifiers == [2])
        #expect(rig.state.readFigures().subscriptions == 1)
        #expect(one.unsubscribe("a", "b").first?.unsubscribed == [.success, .noSubscriptionExisted])
        #expect(one.publish(message("a")).deliveries.isEmpty)
        #expect(rig.store?.rows.subscriptions.values.allSatisfy { $0.isEmpty } == true)
    }

    @Test func filtersOfOneSessionAreBounded() throws {
        var options = Broker.Options()
        options.subscriptions = 2
        let rig = try Rig(options: options)
        let one = TestClient(rig, "one")
        #expect(
            one.subscribe(subscription("a"), subscription("b"), subscription("c"), subscription("a", .atMostOnce)).first?.subscribed
                == [.grantedQoS1, .grantedQoS1, .quotaExceeded, .success])
    }

    @Test func aRefusedFilterKeepsItsPlace() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one")
        let replies = rig.run(
            .subscribe(one.session, one.ticket, packetID: 7, [.failure(RefusedFilter(.notAuthorized)), .success(subscription("a"))]))
        #expect(replies.first?.subscribed == [.notAuthorized, .grantedQoS1])
    }

    /// Thousands with the same filter: those who leave take nobody else's place.
    @Test func manySubscribersOfOneFilterComeAndGo() throws {
        let rig = try Rig()
        let clients = (0..<60).map { TestClient(rig, "c\($0)", expiry: 0) }
        for client in clients { client.subscribe(subscription("a"), subscription("+"), subscription("$share/g/a")) }
        for (i, client) in clients.enumerated() where i % 3 == 0 { client.leave() }
        for (i, client) in clients.enumerated() where i % 3 == 1 { client.unsubscribe("a", "$share/g/a") }
        let came = rig.run(.publish(message("a"), from: nil, packetID: 0, rig.ticket()))
        for (i, client) in clients.enumerated() where i % 3 == 0 { #expect(came.to(client).isEmpty) }
        for (i, client) in clients.enumerated() where i % 3 != 0 { #expect(came.to(client).deliveries.count >= 1) }
        #expect(came.deliveries.count == 41)
        for client in clients { client.leave() }
        #expect(rig.state.readFigures().subscriptions == 0)
    }

    // MARK: Shared

    @Test func aSharedSubscriptionGivesEachMessageToOneMember() throws {
        let rig = try Rig()
        let members = (0..<3).map { TestClient(rig, "m\($0)") }
        for member in members { member.subscribe(subscription("$share/g/a/+")) }
        TestClient(rig, "own").subscribe(subscription("a/b"))
        var counts: [String: Int] = [:]
        for i in 0..<9 {
            let replies = rig.run(.publish(message("a/b", "\(i)"), from: nil, packetID: 0, rig.ticket()))
            #expect(replies.deliveries.count == 2)
            for member in members where !replies.to(member).isEmpty { counts[member.id, default: 0] += 1 }
        }
        #expect(counts == ["m0": 3, "m1": 3, "m2": 3])
    }

    @Test func whoIsAwayGetsSharedMessagesOnlyWhenNobodyIsThere() throws {
        let rig = try Rig(store: MemorySessionStore())
        let (one, two) = (TestClient(rig, "one"), TestClient(rig, "two"))
        one.subscribe(subscription("$share/g/a"))
        two.subscribe(subscription("$share/g/a"))
        one.leave()
        for i in 0..<4 { #expect(rig.run(.publish(message("a", "\(i)"), from: nil, packetID: 0, rig.ticket())).to(two).deliveries.count == 1) }
        two.leave()
        for i in 0..<2 { rig.run(.publish(message("a", "\(i)"), from: nil, packetID: 0, rig.ticket())) }
        let back = TestClient(rig, "one").first.deliveries.count + TestClient(rig, "two").first.deliveries.filter { !$0.dup }.count
        #expect(back == 2)
    }

    @Test func whatAMemberLeavesUnsentGoesToOthers() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = TestClient(rig, "one", expiry: 100, receive: 1)
        one.subscribe(subscription("$share/g/a"))
        for i in 0..<4 { rig.run(.publish(message("a", "\(i)"), from: nil, packetID: 0, rig.ticket())) }
        let two = TestClient(rig, "two", expiry: 100)
        two.subscribe(subscription("$share/g/a"))
        let moved = one.leave(.lost(sessionExpiry: nil)).to(two).deliveries
        #expect(moved.map(\.text) == ["1", "2", "3"])
        // When its session ends, what it had not acknowledged goes as well.
        let rest = rig.pass(ms: 100_000).to(two).deliveries
        #expect(rest.map(\.text) == ["0"])
        #expect(rig.store?.rows.complaints.isEmpty == true)
        #expect(rig.store?.rows.dangling.isEmpty == true)
    }
}

@Suite struct RetainedTests {
    @Test func aTopicRetainsItsLastMessage() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = TestClient(rig, "one")
        one.publish(message("a/b", "first", .atLeastOnce, retain: true))
        one.publish(message("a/b", "second", .atMostOnce, retain: true))
        one.publish(message("a/c", "other", .exactlyOnce, retain: true))
        let replies = one.subscribe(subscription("a/+", .atLeastOnce, id: 5))
        #expect(replies.first?.subscribed != nil)
        #expect(Set(replies.deliveries.map(\.text)) == ["second", "other"])
        #expect(replies.deliveries.allSatisfy { $0.retain && $0.identifiers == [5] })
        #expect(replies.deliveries.first { $0.text == "other" }?.qos == .atLeastOnce)
        // To those who are there already it is an ordinary message, unless they want to know.
        #expect(one.publish(message("a/b", "third", retain: true)).deliveries.map(\.retain) == [false])
        one.subscribe(subscription("a/+", asPublished: true, retain: .doNotSend))
        #expect(one.publish(message("a/b", "", retain: true)).deliveries.map(\.retain) == [true])
        #expect(TestClient(rig, "two").subscribe(subscription("#")).deliveries.map(\.text) == ["other"])
        rig.pass(ms: 200)
        let next = try Rig(store: MemorySessionStore(rig.store?.rows ?? .init()))
        #expect(TestClient(next, "three").subscribe(subscription("#")).deliveries.map(\.text) == ["other"])
    }

    @Test func retainHandlingIsKept() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one")
        one.publish(message("a", retain: true))
        #expect(one.subscribe(subscription("a", retain: .doNotSend)).deliveries.isEmpty)
        #expect(one.subscribe(subscription("a", retain: .sendIfNew)).deliveries.isEmpty)
        #expect(one.subscribe(subscription("a", retain: .send)).deliveries.count == 1)
        #expect(one.subscribe(subscription("+", retain: .sendIfNew)).deliveries.count == 1)
        #expect(one.subscribe(subscription("$share/g/a")).deliveries.isEmpty)
    }

    @Test func retainedMessagesAreBounded() throws {
        var options = Broker.Options()
        options.retained = 2
        options.retainedBytes = 4000
        let rig = try Rig(options: options)
        let one = TestClient(rig, "one")
        one.subscribe(subscription("#"))
        #expect(one.publish(message("a", retain: true)).failures.isEmpty)
        #expect(one.publish(message("b", retain: true)).failures.isEmpty)
        let third = one.publish(message("c", retain: true))
        #expect(third.failures == [.quotaExceeded])
        #expect(third.deliveries.isEmpty)
        #expect(one.publish(message("a", "again", retain: true)).failures.isEmpty)
        #expect(one.publish(message("a", String(repeating: "x", count: 5000), retain: true)).failures == [.quotaExceeded])
        one.publish(message("b", "", retain: true))
        #expect(one.publish(message("c", retain: true)).failures.isEmpty)
        #expect(rig.state.readFigures().retained == 2)
    }

    @Test func aSubscribeLooksAtSoManyTopicsAndNoMore() throws {
        var options = Broker.Options()
        options.retainedSteps = 150
        let rig = try Rig(options: options)
        let writer = TestClient(rig, "writer")
        for i in 0..<100 { writer.publish(message("a/\(i)/b", retain: true)) }
        let reader = TestClient(rig, "reader")
        // 101 steps; what is left does not do for the next one, and is not needed by the others.
        let answer = reader.subscribe(
            subscription("+/+/none"), subscription("a/+/never"), subscription("a/7/b"), subscription("a/+/no", retain: .doNotSend),
            subscription("$share/g/a/+/b"))
        #expect(answer.compactMap(\.subscribed) == [[.grantedQoS1, .quotaExceeded, .grantedQoS1, .grantedQoS1, .grantedQoS1]])
        #expect(answer.deliveries.map(\.topic) == ["a/7/b"])
        #expect(writer.publish(message("a/x/never")).to(reader).deliveries.isEmpty)
        #expect(writer.publish(message("a/x/no")).to(reader).deliveries.count == 1)
        // Each SUBSCRIBE has its own.
        #expect(TestClient(rig, "other").subscribe(subscription("a/+/b")).deliveries.count == 64)
    }

    @Test func messagesThatAreNeverReleasedAreBounded() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = TestClient(rig, "one")
        for packetID in 1...UInt16(BrokerState.mostIncoming) {
            guard one.publish(message("a", "x", .exactlyOnce), packetID: packetID).failures.isEmpty else {
                Issue.record("refused at \(packetID)")
                return
            }
        }
        let next = UInt16(BrokerState.mostIncoming) + 1
        #expect(one.publish(message("a", "x", .exactlyOnce), packetID: next).failures == [.quotaExceeded])
        // What it has sent already is still known, and the next one goes when one of them is released.
        #expect(one.publish(message("a", "x", .exactlyOnce), packetID: 1).compactMap(\.published).map(\.isRepeated) == [true])
        one.release(1)
        #expect(one.publish(message("a", "x", .exactlyOnce), packetID: next).failures.isEmpty)
    }

    @Test func retainedMessagesExpire() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = TestClient(rig, "one")
        one.publish(message("a", retain: true, expiresMS: rig.wallMS + 1000))
        one.publish(message("a", "later", retain: true, expiresMS: rig.wallMS + 5000))
        rig.pass(ms: 2000)
        #expect(one.subscribe(subscription("a")).deliveries.count == 1)
        one.unsubscribe("a")
        rig.pass(ms: 4000)
        rig.pass(ms: 200)
        #expect(rig.state.readFigures().retained == 0)
        #expect(rig.store?.rows.retained.isEmpty == true)
    }

    // MARK: What the gateway says of itself

    @Test func whatTheGatewaySaysOfItselfIsToldWhenItChanges() throws {
        let rig = try Rig(store: MemorySessionStore())
        let one = TestClient(rig, "one")
        one.subscribe(subscription("$SYS/#", .exactlyOnce, id: 3), subscription("#"), subscription("+/b/#"))
        func tell(_ texts: (String, String)...) -> [Delivery] {
            rig.state.tell(texts.map { message("$SYS/b/\($0.0)", $0.1, .atMostOnce, retain: true) })
            return rig.run().to(one).deliveries
        }
        let first = tell(("x", "1"), ("y", "1"))
        #expect(first.map(\.topic) == ["$SYS/b/x", "$SYS/b/y"])
        #expect(first.allSatisfy { $0.qos == .atMostOnce && !$0.retain && $0.identifiers == [3] })
        #expect(tell(("x", "1"), ("y", "2")).map(\.topic) == ["$SYS/b/y"])
        let two = TestClient(rig, "two")
        let replies = two.subscribe(subscription("$SYS/b/+"), subscription("#"), subscription("+/+/+"))
        #expect(Set(replies.to(two).deliveries.map { "\($0.topic) \($0.text) \($0.retain)" }) == ["$SYS/b/x 1 true", "$SYS/b/y 2 true"])
        // It is nobody's to wait for, and not on disk.
        one.leave()
        #expect(tell(("x", "3")).isEmpty && TestClient(rig, "one").first.deliveries.isEmpty)
        #expect(rig.state.readFigures().retained == 0 && rig.store?.rows.messages.isEmpty == true)
    }
}
