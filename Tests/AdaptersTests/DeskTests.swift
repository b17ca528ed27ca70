@testable import Adapters
import EventCore
import Exchanges
import Settings
import Synchronization
import Testing

/// Paying later, cancelling, and how much may go on at once.
@Suite struct DeskTests {
    private func id(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

    // MARK: - Paying

    @Test func aCardGivenAgainWakesTheSaga() async throws {
        let rig = try Rig()
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let order = try id(try #require(await rig.place()?.orderId))
        rig.cards.remove(order)
        let answer = try #require(await rig.ask(.pay(order: order, Rig.card(Cards.bad)))?.answered)
        #expect(answer.status == 202)
        #expect(answer.body == #"{"orderId":"\#(order)","version":1,"status":"PENDING","sagaId":"checkout-\#(order)"}"#)
        #expect(rig.cards.card(of: order)?.number == Array(Cards.bad.utf8))
        #expect(rig.sagas.woken.withLock { $0 } == [try id("checkout-\(order)")])
        // And whoever waits sees the end.
        let ended = try #require(await rig.ask(.pay(order: order, Rig.card()), .preferred(milliseconds: 300_000))?.answered)
        #expect(ended.status == 200 && ended.body.contains(#""status":"COMPLETED""#))
    }

    @Test func onlyAnOrderThatWaitsTakesACard() async throws {
        let rig = try Rig()
        defer { rig.close() }
        #expect(await rig.ask(.pay(order: try id("nobody's"), Rig.card()))?.refusal?.outcome.code == .notFound)
        try await rig.add("OLJCESPC7Z", 1)
        let order = try id(try #require(await rig.place(.preferred(milliseconds: 300_000))?.orderId))
        #expect(await rig.ask(.pay(order: order, Rig.card()))?.refusal?.outcome.code == .illegalState)
        #expect(rig.cards.count == 0 && rig.sagas.woken.withLock { $0.isEmpty })
    }

    // MARK: - Cancelling

    @Test func acceptedCancellationsArePending() async throws {
        let rig = try Rig()
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let order = try id(try #require(await rig.place()?.orderId))
        let answer = try #require(await rig.ask(.cancel(order: order, reason: "too late", expected: .exact(1)))?.answered)
        #expect(answer.status == 202)
        #expect(
            answer.body.wholeMatch(
                of: /\{"orderId":"[0-9a-f-]{36}","version":2,"status":"PROCESSING","state":"CancellationPending","eventIds":\["[^"]+"\],"sagaId":"cancel-[0-9a-f-]{36}"\}/
            ) != nil, "\(answer.body)")
        #expect(answer.fields == "Location: /api/v1/orders/\(order)\r\nETag: \"2\"\r\n")
        #expect(try await rig.order(order.description).cancellationReason == "too late")
        // Again is fine, and changes nothing.
        #expect(await rig.ask(.cancel(order: order, reason: "again", expected: .any))?.answered?.status == 202)
        #expect(try await rig.order(order.description).version == 2)
    }

    @Test func whatCannotBeCancelledSaysSo() async throws {
        let rig = try Rig()
        defer { rig.close() }
        #expect(await rig.ask(.cancel(order: try id("nobody's"), reason: "", expected: .any))?.refusal?.outcome.code == .notFound)
        try await rig.add("OLJCESPC7Z", 1)
        let order = try id(try #require(await rig.place(.preferred(milliseconds: 300_000))?.orderId))
        #expect(await rig.ask(.cancel(order: order, reason: "", expected: .exact(1)))?.refusal?.outcome.code == .versionConflict)
        try await rig.log.execute([.order(order, .startProcessing)])
        #expect(await rig.ask(.cancel(order: order, reason: "", expected: .any))?.refusal?.outcome.code == .illegalState)
    }

    // MARK: - At once

    @Test func twoHundredAtOnce() async throws {
        let rig = try Rig()
        defer { rig.close() }
        for user in 0..<200 { try await rig.add("OLJCESPC7Z", 1, user: "u-\(user)") }
        let orders = await withTaskGroup(of: String?.self) { group in
            for user in 0..<200 { group.addTask { await rig.place(user: "u-\(user)", .required(milliseconds: 300_000))?.orderId } }
            return await group.reduce(into: Set<String>()) { if let id = $1 { $0.insert(id) } }
        }
        #expect(orders.count == 200)
        #expect(rig.shop.calls(of: "Charge").count == 200)
        #expect(try await rig.cardsAreGone())
        #expect(rig.desk.depth == 0 && rig.desk.waiters == 0)
    }

    @Test func moreThanMayBeIsNotTaken() async throws {
        var settings = CheckoutSettings()
        settings.inFlight = 1
        let held = Holding()
        let rig = try Rig(settings) { call in
            if call.method == "GetQuote" { await held.wait() }
            return nil
        }
        defer { rig.close() }
        async let first = rig.place()
        while rig.shop.calls(of: "GetQuote").isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
        #expect(await rig.place() == nil)
        held.release()
        #expect(await first?.answered?.status == 202)
        #expect(await rig.place()?.answered?.status == 202)
    }

    @Test func whoWaitsTakesNoPlace() async throws {
        var settings = CheckoutSettings()
        settings.inFlight = 1
        settings.waiting = 1
        let held = Holding()
        let rig = try Rig(settings) { call in
            if call.method == "ShipOrder" { await held.wait() }
            return nil
        }
        defer { rig.close() }
        async let first = rig.place(.required(milliseconds: 300_000))
        while rig.shop.calls(of: "ShipOrder").isEmpty { try? await Task.sleep(for: .milliseconds(1)) }
        // There is no room to wait, but to be accepted there is.
        #expect(await rig.place(.preferred(milliseconds: 300_000))?.answered?.status == 202)
        #expect(await rig.place(.required(milliseconds: 300_000))?.refusal?.outcome.code == .deadline)
        held.release()
        #expect(await first?.answered?.status == 200)
    }

    @Test func aFullVaultRefuses() async throws {
        var settings = CheckoutSettings()
        settings.cards = 1
        let rig = try Rig(settings)
        defer { rig.close() }
        #expect(await rig.place()?.answered?.status == 202)
        let head = rig.log.feed.head
        let refusal = try #require(await rig.place()?.refusal)
        #expect(refusal.outcome.code == .upstreamUnavailable && refusal.outcome.retryAfterMS > 0 && rig.log.feed.head == head)
    }
}

/// Holds callers until it is released.
private final class Holding: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func wait() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func release() {
        let waiting = state.withLock { state in
            state.isOpen = true
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
