import EventCore
import MemoryStores
import Sagas
import Synchronization
import Testing

/// The way back.
@Suite(.timeLimit(.minutes(10))) struct CompensationTests {
    private let declined = StepResult.refused(Failure(reason: "declined", grpcCode: 400), [])

    @Test func undoesWhatWasDoneTheLastFirst() async throws {
        let world = try World()
        try await world.begin()
        let saga = try await world.checkout("o", "checkout-with-inventory")
        world.services.script("shipping.ship") { [declined] _ in declined }
        try await world.settle()
        #expect(world.services.calls.map(\.operation).suffix(2) == ["payment.refund", "inventory.release"])
        #expect(world.services.calls.last?.key == "checkout-o/undo-reserve-inventory")
        #expect(
            world.story(saga).suffix(5) == ["StepFailed", "StepStarted", "StepCompensated", "StepCompensated", "Compensated"])
        #expect(try await world.saga(saga).status == .compensated)
        let order = try await world.order("o")
        #expect(order.state == .failed && order.failure == Failure(reason: "declined", grpcCode: 400))
        #expect(order.payment.held == 0 && !order.refundOwed)
        world.crash()
    }

    @Test func aRefusedCardUndoesNothingButFailsTheOrder() async throws {
        let world = try World()
        try await world.begin()
        let saga = try await world.checkout("o")
        world.services.script("payment.charge") { [declined] context in
            guard case .refused(let failure, _) = declined else { return nil }
            return .refused(failure, [.order(context.order, .failPayment(failure))])
        }
        #expect(try await world.sagas.ending(of: saga, withinMS: 1000) == .compensated)
        #expect(world.services.count("payment.charge") == 1 && world.services.count("payment.refund") == 0)
        #expect(try await world.order("o").failure?.grpcCode == 400)
        world.crash()
    }

    @Test func whatNoMachineCanUndoIsATaskAtOnce() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("shipping.ship") { [declined] _ in declined }
        world.services.script("payment.refund") { _ in .manual("give back 8.99") }
        let saga = try await world.checkout("o", "checkout-with-inventory")
        // The order has failed, although the money is still to be given back; what machines can undo they have.
        #expect(try await world.sagas.ending(of: saga, withinMS: 1000) == .parked)
        try await world.settle()
        #expect(try await world.order("o").state == .failed)
        #expect(world.services.count("inventory.release") == 1)
        let state = try await world.saga(saga)
        #expect(state.status == .parked && state.openTasks.map(\.text) == ["give back 8.99"])
        #expect(world.services.count("payment.refund") == 1)

        let answer = try await world.sagas.answer(.decide(saga, .skip, body: Array(#"{"note":"by hand"}"#.utf8)))
        #expect(answer.status == 200)
        try await world.settle()
        #expect(try await world.saga(saga).status == .compensated)
        #expect(world.services.settled == ["checkout-o/undo-process-payment by hand"])
        world.crash()
    }

    @Test func aCompensationThatFailsIsTriedAgainAndThenATask() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("shipping.ship") { [declined] _ in declined }
        world.services.script("payment.refund") { _ in .unavailable(Failure(reason: "away")) }
        let saga = try await world.checkout("o")
        try await world.pass(milliseconds: World.minute)
        #expect(world.services.count("payment.refund") == 5)
        #expect(world.story(saga).count { $0 == "CompensationFailed" } == 5)
        #expect(try await world.saga(saga).openTasks.count == 1)
        world.services.usual("payment.refund")
        #expect(try await world.sagas.answer(.decide(saga, .retry, body: [])).status == 200)
        try await world.settle()
        #expect(try await world.saga(saga).status == .compensated)
        #expect(try await world.order("o").payment.held == 0)
        world.crash()
    }

    @Test func aLateSuccessAfterTheWayBackHasBegunIsUndone() async throws {
        // The stock answers after its step's time, and is idempotent: so the step has failed, and may have run.
        let door = Door()
        let definition = SagaDefinition(
            name: "d", groups: [[StepDefinition(name: "reserve", operation: "inventory.reserve", compensation: "inventory.release", timeoutMS: 1000)]])
        let world = try World(SagaDefinitions([definition]))
        world.services.script("inventory.reserve") { [services = world.services] _ in
            await services.hold { await door.pass() }
            return nil
        }
        try await world.begin()
        let saga = try await world.checkout("o", "d")
        try await world.pass(milliseconds: 10, until: { world.services.held == 1 })
        world.clock.advance(to: Timestamp(microseconds: world.clock.now.microseconds + 1_000_000))
        #expect(try await world.sagas.ending(of: saga, withinMS: 1000) == .compensated)
        #expect(world.services.count("inventory.release") == 1)
        door.open()
        try await world.pass(milliseconds: 10, until: { world.services.count("inventory.release") == 2 })
        try await world.settle()
        #expect(world.story(saga).suffix(4) == ["Compensated", "StepCompleted", "StepCompensated", "Compensated"])
        #expect(try await world.saga(saga).status == .compensated)
        #expect(try await world.order("o").stock != .none)
        #expect(try world.sagas.figures().lateAnswers == 1)
        world.crash()
    }

    @Test func aLateSuccessOfAChargeAnswersTheQuestion() async throws {
        let world = try World()
        try await world.begin()
        let door = Door()
        world.services.script("payment.charge") { [services = world.services] _ in
            await services.hold { await door.pass() }
            return nil
        }
        let saga = try await world.checkout("o")
        try await world.pass(milliseconds: 10, until: { world.services.held == 1 })
        world.clock.advance(to: Timestamp(microseconds: world.clock.now.microseconds + 30_000_000))
        try await wait { try await world.saga(saga).openTasks.count == 1 }
        #expect(try await world.saga(saga).status == .parked)
        door.open()
        try await wait { try await world.saga(saga).isOver }
        try await world.settle()
        #expect(try await world.saga(saga).status == .completed)
        #expect(world.services.count("payment.charge") == 1)
        #expect(try await world.order("o").state == .confirmed)
        world.crash()
    }

    @Test func aChargeOfWhichNobodyKnowsIsNeverMadeAgain() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge", answers: [.unknown(Failure(reason: "reset"))])
        let saga = try await world.checkout("o")
        try await world.pass(milliseconds: World.hour)
        #expect(world.services.count("payment.charge") == 1)
        #expect(try await world.saga(saga).status == .parked)
        // It had gone through, somebody finds out.
        let body = Array(#"{"step":"process-payment","note":"4711"}"#.utf8)
        #expect(try await world.sagas.answer(.decide(saga, .skip, body: body)).status == 200)
        try await world.settle()
        #expect(try await world.saga(saga).status == .completed)
        #expect(world.services.count("payment.charge") == 1)
        #expect(try await world.order("o").transaction == "4711")
        world.crash()
    }

    @Test(arguments: [SagaDecision.retry, .compensate]) func peopleDecide(_ decision: SagaDecision) async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge", answers: [.unknown(Failure(reason: "reset"))])
        let saga = try await world.checkout("o")
        try await world.settle()
        #expect(try await world.sagas.answer(.decide(saga, decision, body: [])).status == 200)
        try await world.settle()
        #expect(try await world.saga(saga).status == (decision == .retry ? .completed : .compensated))
        #expect(world.services.count("payment.charge") == (decision == .retry ? 2 : 1))
        world.crash()
    }

    @Test func whatTheCoreRefusesToNoteIsUndone() async throws {
        let world = try World()
        try await world.begin()
        // The order is given up while the card is being charged, by somebody who does not know of sagas.
        world.services.script("shipping.ship") { [world] context in
            _ = try? await world.log.execute([.order(context.order, .requestCancellation(reason: "no"))])
            return .done([.order(context.order, .confirm)])
        }
        let saga = try await world.checkout("o")
        try await world.settle()
        #expect(try await world.saga(saga).status == .compensated)
        #expect(world.services.count("shipping.cancel") == 1 && world.services.count("payment.refund") == 1)
        world.crash()
    }
}

/// Closed until it is opened.
final class Door: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// For what comes by itself, without the clock.
func wait(seconds: Int = 120, for condition: () async throws -> Bool) async throws {
    for _ in 0..<seconds * 2000 {
        if try await condition() { return }
        try await Task.sleep(for: .microseconds(500))
    }
    Issue.record("it did not come")
}
