import EventCore
@testable import Sagas
import Synchronization
import Testing

/// The world around the sagas misbehaves: clocks are set, disks are full, others write too, the end comes early.
@Suite(.timeLimit(.minutes(10))) struct AdversityTests {
    private static let away = StepResult.unavailable(Failure(reason: "connection refused"))

    // MARK: - Clocks

    @Test(arguments: [-24 * World.hour, World.hour]) func aClockThatIsSetHoldsNobodyUp(_ by: Int64) async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in Self.away }
        for i in 0..<3 { try await world.checkout("o\(i)") }
        try await world.pass(milliseconds: World.minute)
        #expect(try world.sagas.figures().open == [.parked: 3])
        world.clock.setWall(by: by)
        world.services.usual("payment.charge")
        try await world.pass(milliseconds: 2 * World.minute)
        #expect(try world.sagas.figures().completed["checkout"] == 3)
        world.crash()
    }

    @Test(arguments: [-24 * World.hour, World.hour]) func aClockThatIsSetGivesAStepNeitherMoreNorLessTime(_ by: Int64) async throws {
        let world = try World()
        try await world.begin()
        let timeouts = Mutex<[UInt32]>([])
        world.services.script("shipping.ship") { [clock = world.clock] context in
            let number = timeouts.withLock { timeouts in
                timeouts.append(context.timeoutMS)
                return timeouts.count
            }
            guard number == 1 else { return nil }
            clock.setWall(by: by)
            return Self.away
        }
        let saga = try await world.checkout("o")
        try await world.settle()
        try await world.pass(milliseconds: World.minute)
        #expect(try await world.saga(saga).status == .completed)
        #expect(timeouts.withLock { $0 } == [10_000, 9_000])
        world.crash()
    }

    // MARK: - The store

    @Test(arguments: [StoreError.full, .conflict(batch: 0, actual: 7)])
    func whatHasHappenedIsNotedWhenItCanBe(_ error: StoreError) async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { [disk = world.disk] _ in
            // Of a conflict the log itself tries three times more.
            disk.fail(error, times: 12)
            return nil
        }
        let saga = try await world.checkout("o")
        try await world.pass(milliseconds: World.minute)
        #expect(try await world.saga(saga).status == .completed)
        #expect(world.services.count("payment.charge") == 1 && world.services.count("payment.refund") == 0)
        world.crash()
    }

    // MARK: - Limits

    @Test func whoIsFullStillCancels() async throws {
        let world = try World(options: .init(open: 3))
        try await world.begin()
        world.services.script("payment.charge") { _ in .missing("card") }
        for i in 0..<3 { try await world.checkout("o\(i)") }
        try await world.settle()
        await #expect(throws: Refusal.self) { try await world.checkout("more") }
        try await world.cancel("o1")
        try await world.settle()
        #expect(try await world.order("o1").state == .cancelled)
        try await world.checkout("more")
        world.crash()
    }

    @Test func aSagaThatIsParkedAgainAndAgainTakesNoMoreRoom() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in .missing("card") }
        let saga = try await world.checkout("o")
        for _ in 0..<50 {
            try world.sagas.wake(saga)
            try await world.settle()
        }
        #expect(world.services.count("payment.charge") == 51)
        #expect(try world.sagas.state.withLock { $0.deadlines.count } == 1)
        world.services.usual("payment.charge")
        for i in 0..<2000 {
            world.services.script("payment.charge", answers: [.missing("card")])
            let other = try await world.checkout("p\(i)")
            try await world.settle()
            try world.sagas.wake(other)
            try await world.settle()
        }
        #expect(try world.sagas.state.withLock { $0.deadlines.count } < 1100)
        world.crash()
    }

    @Test func whoComesBackToAGateAgainAndAgainStandsInLineOnce() throws {
        var gate = Gate()
        gate.unavailable(atMS: 0)
        let ids = try (0..<3).map { try #require(Identifier("s\($0)")) }
        for id in ids { gate.wait(id) }
        for _ in 0..<10_000 {
            gate.leave(ids[1])
            gate.wait(ids[1])
        }
        #expect(gate.places < 100)
        gate.answered()
        gate.answered()
        #expect(gate.admit(atMS: 1) == [ids[0], ids[1], ids[2]])
    }

    // MARK: - An end in order

    @Test func anEndInOrderCutsNoChargeHoweverManyWait() async throws {
        let world = try World(options: .init(running: 4))
        try await world.begin()
        let clock = world.clock
        world.services.script("payment.charge") { [services = world.services] _ in
            await services.hold { await clock.sleep(milliseconds: 900) }
            return nil
        }
        for i in 0..<40 { try await world.checkout("o\(i)") }
        try await world.settle()
        let sagas = try world.sagas
        let isSettled = Mutex(false)
        let settling = Task {
            await sagas.settle(withinMS: 5000)
            isSettled.withLock { $0 = true }
        }
        // What was begun in the first half is through long before the end.
        try await wait {
            clock.advance(to: Timestamp(microseconds: clock.now.microseconds + 20_000))
            try await wait { clock.isStill(sleepers: 0, timerUntilMS: nil) }
            return isSettled.withLock { $0 }
        }
        await settling.value
        #expect(try world.sagas.figures().running == 0)
        let charged = world.services.count("payment.charge")
        #expect((4..<40).contains(charged))
        world.crash()
        // And the next process goes on, without asking anybody.
        world.services.usual("payment.charge")
        try await world.begin()
        try await world.pass(milliseconds: World.minute)
        #expect(try world.sagas.figures().openTasks == 0)
        for i in 0..<40 { #expect(try await world.order("o\(i)").state == .confirmed) }
        #expect(world.services.count("payment.charge") == 40)
        world.crash()
    }

    @Test func anEndInOrderWaitsForWhatCannotBeNotedYet() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { [disk = world.disk] _ in
            disk.fail(.full, times: 4)
            return nil
        }
        let saga = try await world.checkout("o")
        let (sagas, clock) = (try world.sagas, world.clock)
        try await wait(seconds: 120) { sagas.figures().sleeping == 1 }
        let isSettled = Mutex(false)
        let settling = Task {
            await sagas.settle(withinMS: 20_000)
            isSettled.withLock { $0 = true }
        }
        try await wait {
            clock.advance(to: Timestamp(microseconds: clock.now.microseconds + 20_000))
            try await wait { clock.isStill(sleepers: 0, timerUntilMS: nil) }
            return isSettled.withLock { $0 }
        }
        await settling.value
        #expect(try await world.saga(saga).step("process-payment")?.progress == .done)
        world.crash()
    }

    // MARK: - Due times

    @Test func theEarliestComesFirstAndOnce() throws {
        var due = DueTimes<UInt64>()
        let ids = try (0..<500).map { try #require(Identifier("s\($0)")) }
        for (i, id) in ids.enumerated() { due.insert(id, at: UInt64((i * 7919) % 1000 + 10)) }
        for id in ids { due.insert(id, at: 5000) }
        #expect(due.count == 500)
        due.insert(ids[17], at: 1)
        #expect(due.next == 1 && due.popFirst(at: 0) == nil && due.popFirst(at: 1) == ids[17])
        due.keep { $0 != ids[18] }
        var seen: [Identifier] = []
        while let id = due.popFirst(at: 2000) { seen.append(id) }
        #expect(Set(seen).count == 498 && seen.count == 498)
        #expect(seen == seen.sorted { a, b in
            let (i, j) = (ids.firstIndex(of: a) ?? 0, ids.firstIndex(of: b) ?? 0)
            return (i * 7919) % 1000 < (j * 7919) % 1000
        })
    }
}
