@testable import Adapters
import EventCore
import Exchanges
import Settings
import Synchronization
import Testing

/// Whose order it is, asked by the checkout before it does anything and by the log when it decides.
@Suite struct AccessTests {
    private static let jane = ObjectAccess([.init(owner: Array("jane".utf8), states: ["Created", "PaymentPending"])])
    private static let joe = ObjectAccess([.init(owner: Array("joe".utf8), states: ["Created", "PaymentPending"])])

    private func placed(_ rig: Rig, _ patience: Patience = .none) async throws -> Identifier {
        try await rig.add("OLJCESPC7Z", 1)
        let order = await rig.place(patience)?.orderId?.asIdentifier
        return try #require(order)
    }

    @Test func onlyItsOwnerCancelsAnOrder() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let order = try await placed(rig)
        let refused = try #require(await rig.ask(.cancel(order: order, reason: "", expected: .exact(7)), access: Self.joe)?.refusal)
        #expect(refused.outcome.code == .forbidden && refused.isByPolicy, "before anything else is told of the order")
        #expect(try await rig.order(order.description).version == 1)
        #expect(await rig.ask(.cancel(order: order, reason: "", expected: .any), access: Self.jane)?.answered?.status == 202)
    }

    @Test func anOwnerWhoIsTooLateHearsOfTheState() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let order = try await placed(rig, .preferred(milliseconds: 300_000))
        let refused = try #require(await rig.ask(.cancel(order: order, reason: "", expected: .any), access: Self.jane)?.refusal)
        #expect(refused.outcome.code == .illegalState)
        #expect(refused.text == "this is not allowed in the state Confirmed, only in Created, PaymentPending")
        #expect(try await rig.order(order.description).state == .confirmed)
    }

    @Test func aStrangersCardIsNotTaken() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let order = try await placed(rig)
        rig.cards.remove(order)
        #expect(await rig.ask(.pay(order: order, Rig.card()), access: Self.joe)?.refusal?.outcome.code == .forbidden)
        #expect(rig.cards.count == 0 && rig.sagas.woken.withLock { $0.isEmpty })
        #expect(await rig.ask(.pay(order: order, Rig.card()), access: Self.jane)?.answered?.status == 202)
    }

    @Test func anOrderIsPlacedForOneself() async throws {
        let rig = try Rig()
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let mine = ObjectAccess([.init(owner: Array("jane".utf8))])
        func place(_ user: String?) async -> Reply.Outcome? {
            let placement = Placement(
                user: user.flatMap { Identifier($0) }, currency: "EUR", address: Rig.address, email: "", card: Rig.card())
            return await rig.ask(.place(placement), access: mine)
        }
        #expect(await place("joe")?.refusal?.outcome.code == .forbidden)
        #expect(await place(nil)?.refusal?.outcome.code == .forbidden)
        #expect(rig.shop.calls.isEmpty && rig.cards.count == 0, "nobody is asked for prices")
        #expect(await place("jane")?.answered?.status == 202)
    }

    @Test func whatNeverWasIsNotFound() async throws {
        let rig = try Rig()
        defer { rig.close() }
        let order = try #require("nothing".asIdentifier)
        #expect(await rig.ask(.cancel(order: order, reason: "", expected: .any), access: Self.joe)?.refusal?.outcome.code == .notFound)
        #expect(await rig.ask(.pay(order: order, Rig.card()), access: Self.joe)?.refusal?.outcome.code == .notFound)
    }
}

extension String {
    fileprivate var asIdentifier: Identifier? { Identifier(self) }
}
