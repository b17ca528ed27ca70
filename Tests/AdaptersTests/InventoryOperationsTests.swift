@testable import Adapters
import Bus
import EventCore
import Exchanges
import Sagas
import Settings
import Testing

/// Stock of an order: all of it or nothing, and given back.
@Suite struct InventoryOperationsTests {
    private static let inventory = {
        var settings = CheckoutSettings()
        settings.saga = .checkoutWithInventory
        return settings
    }()

    private func stock(_ rig: Rig, _ product: String) async throws -> Inventory {
        let name = AggregateName(kind: .inventory, id: try #require(Identifier(product)))
        guard case .inventory(let stock) = try await rig.log.state(of: name) else { return Inventory() }
        return stock
    }

    private func deliver(_ rig: Rig, _ product: String, _ pieces: Int32) async throws {
        let (product, reason) = (try #require(Identifier(product)), try #require(Identifier("delivery")))
        try await rig.log.execute([.inventory(product, .adjust(delta: pieces, reason: reason, eventId: nil))])
    }

    private func context(
        _ rig: Rig, _ id: String, step: String = "reserve-inventory", part: SagaPart = .action
    ) async throws -> StepContext {
        StepContext(
            saga: try #require(Identifier("checkout-\(id)")), step: step, part: part, attempt: 1, order: try #require(Identifier(id)),
            state: try await rig.order(id), timeoutMS: 300_000, metadata: Metadata())
    }

    @Test func allOfItIsHeldUnderTheOrdersId() async throws {
        let rig = try Rig(Self.inventory)
        defer { rig.close() }
        try await deliver(rig, "OLJCESPC7Z", 5)
        try await deliver(rig, "1YMWWN1N4O", 1)
        try await rig.add("OLJCESPC7Z", 2)
        try await rig.add("1YMWWN1N4O", 1)
        let id = try #require(await rig.place()?.orderId)
        let reserve = try #require(rig.operations["inventory.reserve"])
        #expect(await reserve.perform(try await context(rig, id)).kind == "done")
        #expect(try await stock(rig, "OLJCESPC7Z").available(at: .now()) == 3)
        #expect(try await stock(rig, "1YMWWN1N4O").available(at: .now()) == 0)
        // The same again, as after a crash, changes nothing.
        let head = rig.log.feed.head
        #expect(await reserve.perform(try await context(rig, id)).kind == "done")
        #expect(rig.log.feed.head == head)
        // And back.
        let release = try #require(rig.operations["inventory.release"])
        guard case .done(let commands) = await release.perform(try await context(rig, id, part: .compensation)) else {
            return #expect(Bool(false))
        }
        try await rig.log.execute(commands)
        #expect(try await stock(rig, "OLJCESPC7Z").available(at: .now()) == 5)
        #expect(try await stock(rig, "1YMWWN1N4O").available(at: .now()) == 1)
        #expect(await release.perform(try await context(rig, id, part: .compensation)).kind == "done")
    }

    @Test func tooLittleOfOneHoldsNothing() async throws {
        let rig = try Rig(Self.inventory)
        defer { rig.close() }
        try await deliver(rig, "OLJCESPC7Z", 5)
        try await deliver(rig, "1YMWWN1N4O", 1)
        try await rig.add("OLJCESPC7Z", 2)
        try await rig.add("1YMWWN1N4O", 2)
        let answer = try #require(await rig.place(.preferred(milliseconds: 300_000))?.answered)
        #expect(answer.body.contains(#""status":"FAILED""#))
        #expect(answer.body.contains("not enough of the product is available: 1YMWWN1N4O"))
        #expect(try await stock(rig, "OLJCESPC7Z").available(at: .now()) == 5)
        #expect(rig.shop.calls(of: "Charge").isEmpty)
        #expect(try await rig.cardsAreGone())
        // As the façade says it.
        let refusal = try #require(await rig.place(.required(milliseconds: 300_000))?.refusal)
        #expect(refusal.outcome.code == .illegalState && refusal.text?.contains("not enough of the product") == true)
    }

    /// An order that is confirmed, with its stock reserved.
    private func confirmed(_ rig: Rig) async throws -> String {
        try await deliver(rig, "OLJCESPC7Z", 5)
        try await deliver(rig, "1YMWWN1N4O", 1)
        try await rig.add("OLJCESPC7Z", 2)
        try await rig.add("1YMWWN1N4O", 1)
        let answer = try #require(await rig.place(.preferred(milliseconds: 300_000))?.answered)
        #expect(answer.body.contains(#""status":"COMPLETED""#))
        return try #require(answer.body.firstMatch(of: /"orderId":"([^"]+)"/).map { String($0.1) })
    }

    private func confirmation(_ id: String) throws -> StoredEvent {
        let event = OrderEvent.confirmed
        return StoredEvent(
            position: 1, aggregate: AggregateKey(type: Order.type, id: try #require(Identifier(id))), version: 9,
            event: Event(
                id: EventId(high: 0, low: 0), type: event.type, timestamp: .now(), payload: event.payload, metadata: Metadata()))
    }

    private func release(_ rig: Rig, _ id: String) async throws {
        let release = try #require(rig.operations["inventory.release"])
        guard case .done(let commands) = await release.perform(try await context(rig, id, step: "release-inventory")) else {
            return #expect(Bool(false))
        }
        try await rig.log.execute(commands)
    }

    @Test func whatAConfirmedOrderHoldsIsSoldOnceAndComesBackOnce() async throws {
        let rig = try Rig(Self.inventory)
        defer { rig.close() }
        let id = try await confirmed(rig)
        let (order, event) = (try #require(Identifier(id)), try confirmation(id))
        let sold = SoldStock(log: rig.log)
        #expect(await sold.apply(event) == .done)
        let (glasses, watch) = (try await stock(rig, "OLJCESPC7Z"), try await stock(rig, "1YMWWN1N4O"))
        #expect(glasses.onHand == 3 && glasses.reservations.isEmpty && watch.onHand == 0 && watch.reservations.isEmpty)
        // Told again.
        let head = rig.log.feed.head
        #expect(await sold.apply(event) == .done)
        #expect(rig.log.feed.head == head)
        // Cancelled: back, and a late word of the sale changes nothing.
        try await rig.log.execute([.order(order, .requestCancellation(reason: "x"))])
        try await release(rig, id)
        try await release(rig, id)
        #expect(try await stock(rig, "OLJCESPC7Z").available(at: .now()) == 5)
        #expect(try await stock(rig, "1YMWWN1N4O").available(at: .now()) == 1)
        #expect(await sold.apply(event) == .done)
        #expect(try await stock(rig, "OLJCESPC7Z").onHand == 5)
    }

    /// Whoever is first: an order that is being cancelled is not sold any more.
    @Test func whatIsBeingCancelledIsNotSold() async throws {
        let rig = try Rig(Self.inventory)
        defer { rig.close() }
        let id = try await confirmed(rig)
        let order = try #require(Identifier(id))
        try await rig.log.execute([.order(order, .requestCancellation(reason: "x"))])
        #expect(await SoldStock(log: rig.log).apply(try confirmation(id)) == .done)
        #expect(try await stock(rig, "OLJCESPC7Z").reservations.count == 1)
        await #expect(throws: Refusal.self) { try await rig.log.execute([.order(order, .takeStock)]) }
        try await release(rig, id)
        #expect(try await stock(rig, "OLJCESPC7Z").available(at: .now()) == 5)
    }

    @Test func anOrderWithoutStockSellsNone() async throws {
        let rig = try Rig()
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 2)
        let answer = try #require(await rig.place(.preferred(milliseconds: 300_000))?.answered)
        let id = try #require(answer.body.firstMatch(of: /"orderId":"([^"]+)"/).map { String($0.1) })
        let head = rig.log.feed.head
        #expect(await SoldStock(log: rig.log).apply(try confirmation(id)) == .done)
        #expect(rig.log.feed.head == head)
    }

    @Test func aLogThatCannotBeAskedIsAskedAgain() async throws {
        let rig = try Rig(Self.inventory)
        let id = try await confirmed(rig)
        rig.log.close()
        guard case .transient(_) = await SoldStock(log: rig.log).apply(try confirmation(id)) else { return #expect(Bool(false)) }
        rig.close()
    }

    @Test func aProductWithoutStockIsRefused() async throws {
        let rig = try Rig(Self.inventory)
        defer { rig.close() }
        try await rig.add("OLJCESPC7Z", 1)
        let id = try #require(await rig.place()?.orderId)
        let result = await (try #require(rig.operations["inventory.reserve"])).perform(try await context(rig, id))
        guard case .refused(let failure, let commands) = result else { return #expect(result.kind == "refused") }
        #expect(commands == [.order(try #require(Identifier(id)), .failStock(failure))])
    }
}
