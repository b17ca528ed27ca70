import Testing

@testable import Topics
import WireMQTT

/// One owner with very many sessions, and the others.
@Suite struct HolderTests {
    private func reasons(_ replies: [BrokerReply]) -> [ReasonCode] {
        replies.flatMap { reply -> [ReasonCode] in if case .subscribed(_, let reasons) = reply.what { reasons } else { [] } }
    }

    @Test func whoHasManySessionsCrowdsOutHisOwn() throws {
        var options = Broker.Options()
        options.sessions = 20
        let rig = try Rig(options: options)
        let other = TestClient(rig, "other", owner: "other", expiry: 10)
        other.leave()
        for i in 0..<40 { TestClient(rig, "mine-\(i)", owner: "me", expiry: 3600).leave() }
        #expect(TestClient(rig, "other", owner: "other", expiry: 10).attached?.isPresent == true)
        #expect(TestClient(rig, "mine-39", owner: "me").attached?.isPresent == true)
        #expect(TestClient(rig, "mine-0", owner: "me").attached?.isPresent == false)
        #expect(rig.state.readFigures().sessions == 20)
        // And who has none of his own to give for it gets none more, until others come who have few.
        for i in 0..<20 { TestClient(rig, "now-\(i)", owner: "me") }
        #expect(TestClient(rig, "more", owner: "me").first.map(\.refusal) == [.quotaExceeded])
    }

    @Test func filtersAndWillsAreBoundedForAllAndForOne() throws {
        var options = Broker.Options()
        options.allSessionBytes = 100_000
        let rig = try Rig(options: options)
        let long = String(repeating: "x", count: 744)  // and 256 of its own
        let one = TestClient(rig, "one", owner: "one")
        for i in 0..<49 { #expect(reasons(one.subscribe(subscription("\(10 + i)" + long))) == [.grantedQoS1]) }
        #expect(reasons(one.subscribe(subscription("99" + long))) == [.quotaExceeded], "half is taken, and a tenth his")
        #expect(reasons(one.subscribe(subscription("10" + long, .exactlyOnce))) == [.grantedQoS2], "what he has he may have anew")
        let two = TestClient(rig, "two", owner: "two")
        for i in 0..<9 { #expect(reasons(two.subscribe(subscription("\(10 + i)" + long))) == [.grantedQoS1]) }
        #expect(reasons(two.subscribe(subscription("99" + long))) == [.quotaExceeded])
        let will = Will(message("w", String(repeating: "y", count: 2000)))
        #expect(TestClient(rig, "two-b", owner: "two", will: will).first.map(\.refusal) == [.quotaExceeded])
        #expect(TestClient(rig, "three", owner: "three", will: will).attached != nil)
        // What has gone holds nothing.
        one.leave(.clean(sessionExpiry: 0))
        #expect(reasons(two.subscribe(subscription("99" + long))) == [.grantedQoS1])
    }

    /// All that is counted goes with what it was counted for, over a restart as well.
    @Test func nothingIsCountedForEver() throws {
        let store = MemorySessionStore()
        func come(_ rig: Rig) -> [TestClient] {
            (0..<3).map { TestClient(rig, "c-\($0)", owner: "o-\($0 % 2)", will: Will(message("w", "gone"), delay: 60)) }
        }
        let first = try Rig(store: store)
        for client in come(first) {
            client.subscribe(subscription("a/\(client.id)"), subscription("$share/g/a/#"), subscription("b"))
            client.unsubscribe("b")
            client.leave()
        }
        first.pass(ms: 1000)
        let held = first.state.holders.bytes
        let second = try Rig(store: store)
        #expect(held > 0 && second.state.holders.bytes == held)
        for _ in 0..<50 {
            for client in come(second) { client.leave() }
            second.pass(ms: 1)
        }
        #expect(second.state.holders.bytes == held)
        #expect(second.state.holders.holder(of: bytes("o-0")).ends.count < 20)
        for client in come(second) { client.leave(.clean(sessionExpiry: 0)) }
        #expect(second.state.holders.bytes == 0 && second.state.readFigures().sessions == 0)
    }
}
