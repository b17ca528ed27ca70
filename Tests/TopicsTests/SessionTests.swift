import Exchanges
import Testing

@testable import Topics
import WireMQTT

@Suite struct SessionTests {
    @Test func aSessionIsPresentAsLongAsItLives() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one", expiry: 10)
        #expect(one.attached?.isPresent == false)
        #expect(one.attached?.sessionExpiry == 10)
        #expect(one.attached?.incarnation != 0)
        one.leave()
        rig.pass(ms: 9000)
        let back = TestClient(rig, "one", expiry: 10)
        #expect(back.attached?.isPresent == true)
        #expect(back.attached?.incarnation == one.attached?.incarnation)
        back.leave()
        rig.pass(ms: 11_000)
        let late = TestClient(rig, "one", expiry: 0)
        #expect(late.attached?.isPresent == false)
        #expect(late.attached?.incarnation != one.attached?.incarnation)
        #expect(late.session != one.session)
        late.leave()
        #expect(TestClient(rig, "one").attached?.isPresent == false)
        #expect(TestClient(rig, "one", clean: true).attached?.isPresent == false)
    }

    @Test func expiryIsBoundedAndDISCONNECTMayShortenIt() throws {
        var options = Broker.Options()
        options.sessionExpiry = 100
        let rig = try Rig(options: options)
        let one = TestClient(rig, "one", expiry: .max)
        #expect(one.attached?.sessionExpiry == 100)
        one.leave(.clean(sessionExpiry: 5))
        rig.pass(ms: 6000)
        #expect(rig.state.readFigures().sessions == 0)
        let two = TestClient(rig, "two", expiry: 0)
        two.leave(.clean(sessionExpiry: 50))
        #expect(rig.state.readFigures().sessions == 0)
    }

    @Test func theEndOfASessionThatOutlivedItsConnectionIsTold() throws {
        var options = Broker.Options()
        options.sessions = 2
        let rig = try Rig(options: options)
        let expired = TestClient(rig, "one", expiry: 10, worker: 1)
        expired.leave()
        #expect(rig.pass(ms: 9000).gone.isEmpty)
        let told = rig.pass(ms: 2000)
        #expect(told.gone == [expired.attached?.incarnation])
        #expect(told.allSatisfy { $0.ticket.worker == 1 })
        // For another one, by a clean start, and by the end that DISCONNECT made earlier.
        let evicted = TestClient(rig, "two")
        evicted.leave()
        let renewed = TestClient(rig, "three")
        #expect(TestClient(rig, "four", expiry: 0).first.gone == [evicted.attached?.incarnation])
        let clean = TestClient(rig, "three", clean: true)
        #expect(clean.first.gone == [renewed.attached?.incarnation])
        clean.leave(.clean(sessionExpiry: 1))
        #expect(rig.pass(ms: 2000).gone == [clean.attached?.incarnation])
    }

    @Test func sessionsThatEndedWhileNobodyRanAreTold() throws {
        let store = MemorySessionStore()
        let rig = try Rig(store: store)
        let one = TestClient(rig, "one", expiry: 10)
        one.leave()
        rig.pass(ms: 200)
        let told = try Rig(store: store, wallMS: rig.wallMS + 60_000).pass(ms: 0)
        #expect(told.gone == [one.attached?.incarnation])
        #expect(told.allSatisfy { $0.ticket.worker < 2 })
    }

    /// Who has its connection knows himself.
    @Test func theEndOfASessionWithItsConnectionIsNotTold() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one", expiry: 0)
        #expect(one.leave().gone.isEmpty)
        let two = TestClient(rig, "two")
        #expect(two.leave(.clean(sessionExpiry: 0)).gone.isEmpty)
        #expect(rig.pass(ms: 10_000).gone.isEmpty)
    }

    @Test func aTakeOverEndsTheEarlierConnectionFirst() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one")
        one.subscribe(subscription("a"))
        let again = TestClient(rig, "one")
        #expect(again.first.map { $0.ended != nil } == [true, false])
        #expect(again.first.to(one).first?.ended == .sessionTakenOver)
        #expect(again.attached?.isPresent == true)
        one.leave(.lost(sessionExpiry: 0))
        #expect(TestClient(rig, "other").publish(message("a")).to(again).deliveries.count == 1)
        // A session that was to end with its connection is not taken over.
        TestClient(rig, "short", expiry: 0)
        #expect(TestClient(rig, "short").attached?.isPresent == false)
    }

    @Test func anothersSessionIsRefused() throws {
        let rig = try Rig()
        let one = TestClient(rig, "one", owner: "me")
        let thief = TestClient(rig, "one", owner: "you", clean: true)
        #expect(thief.first.map(\.refusal) == [.notAuthorized])
        #expect(thief.first.to(one).isEmpty)
        one.leave()
        #expect(TestClient(rig, "one", owner: "you").first.map(\.refusal) == [.notAuthorized])
        #expect(TestClient(rig, "one").attached?.isPresent == true)
    }

    @Test func whoIsConnectedIsNeverEvicted() throws {
        var options = Broker.Options()
        options.sessions = 3
        let rig = try Rig(options: options)
        let a = TestClient(rig, "a", expiry: 100)
        let b = TestClient(rig, "b", expiry: 50)
        TestClient(rig, "c")
        #expect(TestClient(rig, "d").first.map(\.refusal) == [.quotaExceeded])
        a.leave()
        b.leave()
        #expect(TestClient(rig, "d").attached != nil)
        #expect(TestClient(rig, "a").attached?.isPresent == true)
        #expect(TestClient(rig, "b").first.map(\.refusal) == [.quotaExceeded])
        #expect(rig.state.figures.evictions == 1)
    }

    @Test func onlyWhatHasToSurviveIsStored() throws {
        let store = MemorySessionStore()
        let rig = try Rig(store: store)
        let short = TestClient(rig, "short", expiry: 0)
        short.subscribe(subscription("a"))
        short.publish(message("a"))
        rig.pass(ms: 200)
        #expect(store.changes == 0)
        let long = TestClient(rig, "long", expiry: 100)
        long.subscribe(subscription("a"))
        #expect(store.rows.sessions.count == 1)
        let numbers = Set([short.session, long.session])
        let next = try Rig(store: MemorySessionStore(store.rows), wallMS: rig.wallMS + 1)
        let back = TestClient(next, "long")
        #expect(back.attached?.isPresent == true)
        #expect(back.session == long.session)
        #expect(back.attached?.incarnation == long.attached?.incarnation)
        #expect(TestClient(next, "short").attached?.isPresent == false)
        #expect(!numbers.contains(TestClient(next, "new").session))
        // It may become one that lives as long as its connection.
        long.leave()
        TestClient(rig, "long", expiry: 0)
        rig.pass(ms: 200)
        #expect(store.rows.sessions.isEmpty && store.rows.messages.isEmpty)
    }

    @Test func sessionsThatExpiredWhileTheProcessWasDownAreGone() throws {
        let store = MemorySessionStore()
        let rig = try Rig(store: store)
        TestClient(rig, "one", expiry: 10).leave()
        TestClient(rig, "two", expiry: 1000).leave()
        TestClient(rig, "three", expiry: 10)  // was connected: it counts as lost when the process is back
        rig.pass(ms: 200)
        let next = try Rig(store: store, wallMS: rig.wallMS + 60_000)
        next.pass(ms: 200)
        #expect(Set(next.state.byClient.keys) == [bytes("two"), bytes("three")])
        next.pass(ms: 10_000)
        next.pass(ms: 200)
        #expect(Set(store.rows.sessions.values.map(\.clientID)) == [bytes("two")])
    }

    // MARK: Wills

    private func will(_ text: String, delay: UInt32 = 0) -> Will { Will(message("gone", text), delay: delay) }

    @Test func aWillIsDueWhenTheConnectionIsLost() throws {
        let rig = try Rig()
        let lost = TestClient(rig, "a", will: will("a"), worker: 1).leave(.lost(sessionExpiry: nil))
        #expect(lost.wills.map { String(decoding: $0.message.payload, as: UTF8.self) } == ["a"])
        #expect(lost.first?.ticket.worker == 1)
        #expect(lost.first?.will?.1.clientID == bytes("a"))
        #expect(TestClient(rig, "b", will: will("b")).leave().wills.isEmpty)
    }

    @Test func aDelayedWillWaitsForTheDelayOrTheSessionsEnd() throws {
        let rig = try Rig()
        #expect(TestClient(rig, "a", expiry: 100, will: will("a", delay: 10)).leave(.lost(sessionExpiry: nil)).wills.isEmpty)
        #expect(rig.pass(ms: 9000).wills.isEmpty)
        #expect(rig.pass(ms: 1000).wills.count == 1)
        #expect(rig.pass(ms: 100_000).wills.isEmpty)
        #expect(TestClient(rig, "b", expiry: 5, will: will("b", delay: 10)).leave(.lost(sessionExpiry: nil)).wills.isEmpty)
        #expect(rig.pass(ms: 5000).wills.count == 1)
        #expect(TestClient(rig, "c", expiry: 0, will: will("c", delay: 10)).leave(.lost(sessionExpiry: nil)).wills.count == 1)
    }

    @Test func whoIsBackInTimeHasNoWill() throws {
        let rig = try Rig()
        TestClient(rig, "a", will: will("a", delay: 10)).leave(.lost(sessionExpiry: nil))
        rig.pass(ms: 5000)
        let back = TestClient(rig, "a")
        #expect(back.first.wills.isEmpty)
        #expect(rig.pass(ms: 20_000).wills.isEmpty)
        // A clean start ends the session, and that is when the will is due at the latest.
        TestClient(rig, "b", will: will("b", delay: 10)).leave(.lost(sessionExpiry: nil))
        #expect(TestClient(rig, "b", clean: true).first.wills.count == 1)
        #expect(rig.pass(ms: 20_000).wills.isEmpty)
    }

    @Test func aTakeOverPublishesTheWillAsTheStandardSays() throws {
        let rig = try Rig()
        TestClient(rig, "a", will: will("a"))
        #expect(TestClient(rig, "a").first.wills.count == 1)
        TestClient(rig, "b", will: will("b", delay: 10))
        #expect(TestClient(rig, "b").first.wills.isEmpty)
        TestClient(rig, "c", will: will("c", delay: 10))
        #expect(TestClient(rig, "c", clean: true).first.wills.count == 1)
        #expect(rig.pass(ms: 20_000).wills.isEmpty)
    }

    @Test func willsSurviveARestart() throws {
        let store = MemorySessionStore()
        let rig = try Rig(store: store)
        TestClient(rig, "connected", will: will("connected"))
        TestClient(rig, "left", will: will("left", delay: 60)).leave(.lost(sessionExpiry: nil))
        rig.pass(ms: 200)
        let next = try Rig(store: store, wallMS: rig.wallMS + 10_000)
        let first = next.pass(ms: 0)
        #expect(first.wills.map { $0.delay } == [0])
        #expect(first.allSatisfy { $0.ticket.worker < 2 })
        #expect(next.pass(ms: 49_000).wills.isEmpty)
        #expect(next.pass(ms: 1000).wills.count == 1)
        next.pass(ms: 200)
        #expect(store.rows.sessions.values.allSatisfy { $0.will == nil })
    }
}
