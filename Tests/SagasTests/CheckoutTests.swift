import EventCore
import MemoryStores
import Sagas
import Testing

/// The way forward, when everything goes well or nearly so.
@Suite(.timeLimit(.minutes(10))) struct CheckoutTests {
    @Test func goesThroughItsStepsInOrder() async throws {
        let world = try World()
        try await world.begin()
        let saga = try await world.checkout("o", "checkout-with-inventory")
        #expect(saga.description == "checkout-o")
        try await world.settle()
        #expect(
            world.services.calls.map(\.operation) == [
                "order.verify-cart", "inventory.reserve", "payment.charge", "shipping.ship", "email.confirm", "cart.empty",
            ])
        #expect(world.services.calls[2].key == "checkout-o/process-payment")
        #expect(
            world.story(saga) == [
                "Started", "StepCompleted", "StepCompleted", "StepStarted", "StepCompleted", "StepStarted", "StepCompleted",
                "StepStarted", "StepCompleted", "StepCompleted", "Completed",
            ])
        #expect(try await world.saga(saga).status == .completed)
        #expect(try await world.order("o").state == .confirmed)
        world.crash()
    }

    @Test func everyEventAndCallKnowsWhereItCameFrom() async throws {
        let world = try World()
        try await world.begin()
        try await world.checkout("o")
        try await world.settle()
        let events = world.store.events
        #expect(events.allSatisfy { $0.event.metadata.correlationId == "corr-1" && $0.event.metadata.traceparent == "00-trace" })
        let caused = events.dropFirst(2)
        #expect(caused.allSatisfy { $0.event.metadata.source == "saga" && $0.event.metadata.userId == "u" })
        let ids = Set(events.map(\.event.id.description))
        #expect(caused.allSatisfy { ids.contains($0.event.metadata.causationId ?? "") })
        #expect(world.services.calls.allSatisfy { $0.correlationId == "corr-1" && ids.contains($0.causationId ?? "") })
        world.crash()
    }

    @Test func triesAgainWhatHasNotHappened() async throws {
        let world = try World()
        try await world.begin()
        let away = StepResult.unavailable(Failure(reason: "connection refused", grpcCode: 14))
        world.services.script("shipping.ship", answers: [away, away])
        let saga = try await world.checkout("o")
        try await world.settle()
        #expect(world.services.count("shipping.ship") == 1)
        try await world.pass(milliseconds: 999)
        #expect(world.services.count("shipping.ship") == 1)
        try await world.pass(milliseconds: 1)
        #expect(world.services.count("shipping.ship") == 2)
        try await world.pass(milliseconds: 2000)
        #expect(world.services.count("shipping.ship") == 3)
        #expect(world.services.calls.filter { $0.operation == "shipping.ship" }.map(\.attempt) == [1, 2, 3])
        #expect(try await world.saga(saga).status == .completed)
        world.crash()
    }

    @Test func aLetterThatCannotBeSentIsDeferred() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("email.confirm") { _ in .refused(Failure(reason: "mailbox full", grpcCode: 9), []) }
        let saga = try await world.checkout("o")
        try await world.settle()
        #expect(try await world.saga(saga).status == .completed)
        let event = try #require(world.store.events.first { $0.event.type == "SagaStepDeferred" })
        #expect(
            String(decoding: event.event.payload, as: UTF8.self)
                == #"{"step":"send-confirmation","attempt":1,"operation":"email.confirm","orderId":"o","reason":"mailbox full","grpcCode":9}"#)
        world.crash()
    }

    @Test func anEndCanBeWaitedFor() async throws {
        let world = try World()
        try await world.begin()
        let sagas = try world.sagas
        let saga = try await world.checkout("o")
        #expect(await sagas.ending(of: saga, withinMS: 1000) == .completed)
        // Also of one that has been over for long.
        #expect(await sagas.ending(of: saga, withinMS: 1000) == .completed)
        world.services.script("payment.charge") { _ in .missing("card") }
        let other = try await world.checkout("p")
        async let never = sagas.ending(of: other, withinMS: 1000)
        try await world.pass(milliseconds: 1000)
        #expect(await never == nil)
        world.crash()
    }

    @Test func noMoreSagasAreOpenThanMayBe() async throws {
        let world = try World(options: .init(running: 2, open: 5))
        try await world.begin()
        world.services.script("payment.charge") { _ in .missing("card") }
        for i in 0..<5 { try await world.checkout("o\(i)") }
        try await world.settle()
        #expect(world.services.count("payment.charge") == 5)
        await #expect(throws: Refusal.self) { try await world.checkout("one-more") }
        world.crash()
    }
}
