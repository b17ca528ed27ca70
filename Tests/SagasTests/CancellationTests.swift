import EventCore
import MemoryStores
import Sagas
import Synchronization
import Testing

/// Cancellation, also while the checkout still runs.
@Suite(.timeLimit(.minutes(10))) struct CancellationTests {
    @Test func aConfirmedOrderIsCancelled() async throws {
        let world = try World()
        try await world.begin()
        try await world.checkout("o", "checkout-with-inventory")
        try await world.settle()
        let cancel = try await world.cancel("o")
        #expect(cancel.description == "cancel-o")
        try await world.settle()
        #expect(try await world.saga(cancel).status == .completed)
        #expect(try await world.order("o").state == .cancelled)
        #expect(world.services.count("payment.refund") == 1 && world.services.count("inventory.release") == 1)
        #expect(try await world.order("o").payment.held == 0)
        world.crash()
    }

    /// At each step of the checkout: what was done is undone once, and the order is cancelled.
    @Test(arguments: ["order.verify-cart", "inventory.reserve", "payment.charge", "shipping.ship", "email.confirm", "cart.empty"])
    func aRunningCheckoutIsStoppedAndUndone(_ operation: String) async throws {
        let world = try World()
        try await world.begin()
        let door = Door()
        world.services.script(operation) { [services = world.services] _ in
            await services.hold { await door.pass() }
            return nil
        }
        let checkout = try await world.checkout("o", "checkout-with-inventory")
        try await wait { world.services.held == 1 }
        let cancel = try await world.cancel("o")
        try await world.settle()
        // Nothing is undone while it may still be done.
        #expect(world.services.count("payment.refund") == 0 && world.services.count("inventory.release") == 0)
        #expect(try await world.saga(cancel).status == .inProgress)
        door.open()
        try await wait { try await world.saga(cancel).isOver }
        try await world.settle()
        #expect(try await world.saga(checkout).status == .compensated)
        #expect(try await world.saga(cancel).status == .completed)
        let order = try await world.order("o")
        #expect(order.state == .cancelled && order.payment.held == 0)
        #expect(world.services.mostCalls("payment.charge") <= 1)
        let refunds = world.services.calls.count { $0.operation == "payment.refund" && $0.key.hasPrefix("checkout") }
        #expect(refunds == world.services.count("payment.charge"))
        world.crash()
    }

    @Test func aParkedCheckoutIsStoppedAtOnce() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in .missing("card") }
        let checkout = try await world.checkout("o")
        try await world.settle()
        let cancel = try await world.cancel("o")
        try await world.settle()
        #expect(try await world.saga(checkout).status == .compensated)
        #expect(try await world.saga(cancel).status == .completed)
        #expect(try await world.order("o").state == .cancelled)
        world.crash()
    }

    @Test func aCancellationWaitsForPeopleWhoFindOutAboutACharge() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge", answers: [.unknown(Failure(reason: "reset"))])
        let checkout = try await world.checkout("o")
        try await world.settle()
        let cancel = try await world.cancel("o")
        try await world.settle()
        #expect(try await world.saga(checkout).status == .parked)
        #expect(try await world.saga(cancel).status == .inProgress)
        #expect(try await world.sagas.answer(.decide(checkout, .retry, body: [])).status == 409)
        let body = Array(#"{"note":"4711"}"#.utf8)
        #expect(try await world.sagas.answer(.decide(checkout, .skip, body: body)).status == 200)
        try await world.settle()
        #expect(try await world.saga(checkout).status == .compensated)
        #expect(try await world.saga(cancel).status == .completed)
        #expect(try await world.order("o").payment.held == 0)
        world.crash()
    }

    @Test func whatCannotBeGivenBackByAMachineIsATask() async throws {
        let world = try World()
        try await world.begin()
        try await world.checkout("o")
        try await world.settle()
        world.services.script("payment.refund") { _ in .manual("give back 8.99") }
        let cancel = try await world.cancel("o")
        try await world.settle()
        #expect(try await world.saga(cancel).status == .parked)
        #expect(world.services.count("inventory.release") == 1)
        #expect(try await world.sagas.answer(.decide(cancel, .skip, body: [])).status == 200)
        try await world.settle()
        #expect(try await world.saga(cancel).status == .completed)
        #expect(try await world.order("o").state == .cancelled)
        world.crash()
    }

    @Test func aRefundThatIsRefusedIsATaskToo() async throws {
        let world = try World()
        try await world.begin()
        try await world.checkout("o")
        try await world.settle()
        world.services.script("payment.refund", answers: [.refused(Failure(reason: "too old"), [])])
        let cancel = try await world.cancel("o")
        try await world.settle()
        #expect(try await world.saga(cancel).openTasks.map(\.text) == ["too old"])
        #expect(try await world.sagas.answer(.decide(cancel, .retry, body: [])).status == 200)
        try await world.settle()
        #expect(try await world.saga(cancel).status == .completed)
        world.crash()
    }

    @Test func bothAtOnceInOneGroup() async throws {
        let world = try World()
        try await world.begin()
        try await world.checkout("o", "checkout-with-inventory")
        try await world.settle()
        let door = Door()
        for operation in ["payment.refund", "inventory.release"] {
            world.services.script(operation) { [services = world.services] _ in
                await services.hold { await door.pass() }
                return nil
            }
        }
        let cancel = try await world.cancel("o")
        try await wait { world.services.held == 2 }
        door.open()
        try await wait { try await world.saga(cancel).isOver }
        #expect(try await world.saga(cancel).status == .completed)
        world.crash()
    }
}
