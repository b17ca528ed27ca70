import EventCore
import MemoryStores
import Sagas
import Synchronization
import Testing

/// Sagas that wait for what is away or missing (SPEC F-5, F-6).
@Suite(.timeLimit(.minutes(10))) struct ParkingTests {
    private static let away = StepResult.unavailable(Failure(reason: "connection refused", grpcCode: 14))

    @Test func thousandOrdersAreConfirmedTenMinutesAfterAnOutageOfThirty() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in Self.away }
        let outage: Int64 = 30 * World.minute
        // They come all through the outage.
        for i in 0..<1000 {
            try await world.checkout("o\(i)")
            if i % 50 == 49 { try await world.pass(milliseconds: outage / 20) }
        }
        #expect(try world.sagas.figures().open[.parked] == 1000)
        // While the service is away it is asked now and then, and the log does not fill with tries.
        #expect(world.services.count("payment.charge") < 3000)
        world.services.usual("payment.charge")
        let back = world.clock.now
        try await world.pass(milliseconds: 10 * World.minute, until: { try world.sagas.figures().open.isEmpty })
        for i in 0..<1000 { #expect(try await world.order("o\(i)").state == .confirmed) }
        #expect(world.clock.now.microseconds - back.microseconds < 600_000_000)
        #expect(world.services.mostCalls("shipping.ship") == 1)
        world.crash()
    }

    @Test func noMoreThanTheGateAllowsAreTriedAtTheSameTime() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in Self.away }
        for i in 0..<300 { try await world.checkout("o\(i)") }
        try await world.pass(milliseconds: World.minute)
        let most = Mutex((now: 0, most: 0))
        let clock = world.clock
        world.services.script("payment.charge") { [services = world.services] _ in
            most.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            await services.hold { await clock.sleep(milliseconds: 50) }
            most.withLock { $0.now -= 1 }
            return nil
        }
        try await world.pass(milliseconds: 10 * World.minute, until: { try world.sagas.figures().open.isEmpty })
        #expect(most.withLock { $0.most } <= 64)
        #expect(try world.sagas.figures().completed["checkout"] == 300)
        world.crash()
    }

    @Test func aParkedSagaSaysWhatItWaitsFor() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in Self.away }
        let saga = try await world.checkout("o")
        try await world.pass(milliseconds: World.minute)
        let state = try await world.saga(saga)
        #expect(state.status == .parked)
        let park = try #require(state.parkedSteps.first?.park)
        #expect(park.reason == "connection refused" && park.nextTryAt != nil)
        let body = String(decoding: try await world.sagas.answer(.show(saga)).body, as: UTF8.self)
        #expect(body.contains(#""status":"PARKED","currentStep":"process-payment","completedSteps":["verify-cart"]"#))
        #expect(body.contains(#""nextTryAt":"#))
        world.crash()
    }

    @Test func anOrderFailsWhenTheOutageIsTooLong() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in Self.away }
        let saga = try await world.checkout("o", "checkout-with-inventory")
        try await world.pass(milliseconds: 23 * World.hour)
        #expect(try await world.saga(saga).status == .parked)
        try await world.pass(milliseconds: 2 * World.hour)
        #expect(try await world.saga(saga).status == .compensated)
        #expect(world.services.count("inventory.release") == 1)
        #expect(try await world.order("o").state == .failed)
        world.crash()
    }

    @Test func whatIsMissingIsWaitedForWithoutTrying() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge", answers: [.missing("the card is gone")])
        let saga = try await world.checkout("o")
        try await world.pass(milliseconds: World.hour)
        #expect(try await world.saga(saga).status == .parked)
        #expect(world.services.count("payment.charge") == 1)
        try world.sagas.wake(saga)
        try await world.settle()
        #expect(try await world.saga(saga).status == .completed)
        world.crash()
    }

    @Test func whatIsMissingForTooLongFailsTheOrder() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in .missing("the card is gone") }
        let saga = try await world.checkout("o")
        try await world.pass(milliseconds: 25 * World.hour)
        #expect(try await world.saga(saga).status == .compensated)
        #expect(world.services.count("payment.charge") == 1)
        world.crash()
    }

    @Test func timersOutliveTheProcess() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { context in context.order.description == "card" ? .missing("card") : Self.away }
        let sagas = [try await world.checkout("away"), try await world.checkout("card")]
        try await world.pass(milliseconds: 12 * World.hour)
        world.crash()
        try await world.begin()
        try await world.pass(milliseconds: 11 * World.hour)
        for saga in sagas { #expect(try await world.saga(saga).status == .parked) }
        world.crash()
        try await world.begin()
        try await world.pass(milliseconds: 2 * World.hour)
        for saga in sagas { #expect(try await world.saga(saga).status == .compensated) }
        world.crash()
    }

    @Test func whileStockIsOutOfReachTheOrderWaits() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("inventory.reserve") { _ in Self.away }
        let saga = try await world.checkout("o", "checkout-with-inventory")
        try await world.pass(milliseconds: World.hour)
        #expect(try await world.order("o").state == .created)
        world.services.usual("inventory.reserve")
        try await world.pass(milliseconds: World.minute)
        #expect(try await world.saga(saga).status == .completed)
        world.crash()
    }
}
