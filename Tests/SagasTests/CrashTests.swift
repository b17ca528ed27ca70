import EventCore
import MemoryStores
import Sagas
import Synchronization
import Testing

/// The process dies at every boundary there is, and another one takes over (SPEC T-7).
@Suite(.timeLimit(.minutes(8))) struct CrashTests {
    /// What the services do in a run.
    enum Scenario: String, CaseIterable, Sendable {
        case allGoesWell, shippingIsRefused, shippingIsRefusedAndNobodyCanRefund, paymentIsAway, cardIsMissing

        func script(_ world: World) {
            switch self {
            case .allGoesWell: break
            case .shippingIsRefused, .shippingIsRefusedAndNobodyCanRefund:
                world.services.script("shipping.ship") { _ in .refused(Failure(reason: "no"), []) }
                if self == .shippingIsRefusedAndNobodyCanRefund {
                    world.services.script("payment.refund") { _ in .manual("give it back") }
                }
            case .paymentIsAway:
                world.services.script("payment.charge", answers: [.unavailable(Failure(reason: "away")), .unavailable(Failure(reason: "away"))])
            case .cardIsMissing: world.services.script("payment.charge", answers: [.missing("card")])
            }
        }
    }

    static let shipped = (try? World.shipped())?.all ?? []
    static let cases = shipped.flatMap { definition in Scenario.allCases.map { (definition.name, $0) } }

    @Test func thereAreDefinitionsToGoThrough() {
        #expect(Self.shipped.map(\.name) == ["checkout", "checkout-with-inventory", "cancel-order"])
        #expect(Self.shipped.allSatisfy { FailPoint.all(of: $0).count >= 16 })
    }

    @Test(arguments: cases) func everyBoundary(_ name: String, _ scenario: Scenario) async throws {
        let definition = try #require(Self.shipped.first { $0.name == name })
        var reached = 0
        for point in FailPoint.all(of: definition) where try await die(at: point, definition, scenario) { reached += 1 }
        // Steps, their results and the end: none of a definition's boundaries is only on paper.
        #expect(reached >= 8, "only \(reached) of \(FailPoint.all(of: definition).count)")
    }

    /// - Returns: whether the saga came that way.
    private func die(at point: FailPoint, _ definition: SagaDefinition, _ scenario: Scenario) async throws -> Bool {
        let world = try World()
        let isCancellation = definition.name == "cancel-order"
        if isCancellation {
            try await world.begin()
            try await world.checkout("o", "checkout-with-inventory")
            try await world.settle()
            world.crash()
        }
        scenario.script(world)
        let died = Mutex(false)
        try await world.begin(
            FailPoints { reached in
                let isFirst = died.withLock { died in
                    guard reached == point, !died else { return false }
                    died = true
                    return true
                }
                guard isFirst else { return }
                world.crash()
                // A dead process does nothing more.
                while !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
            })
        let id: Identifier
        if isCancellation { id = try await world.cancel("o") } else { id = try await world.checkout("o", definition.name) }
        try await world.pass(milliseconds: World.minute, until: { world.isDead })
        if world.isDead { try await world.begin() }
        try await world.pass(milliseconds: World.minute)
        var saga = try await world.saga(id)
        // Until its deadline a saga may wait for a card; then, and for people, it may not just stand there.
        if saga.status == .parked && saga.openTasks.isEmpty {
            #expect(scenario == .cardIsMissing, "\(point) \(scenario)")
            try world.sagas.wake(id)
            try await world.settle()
            // What lies behind the wait is reached only now.
            if world.isDead {
                try await world.begin()
                try await world.pass(milliseconds: World.minute)
            }
            saga = try await world.saga(id)
        }
        let words = "\(point) \(scenario): \(world.story(id))"
        switch saga.status {
        case .completed, .compensated: break
        case .parked: #expect(!saga.openTasks.isEmpty, "\(words)")
        case .inProgress: Issue.record("\(words)")
        }
        // Nothing that must not happen twice has happened twice. (The scripted services say of some calls that
        // nothing has happened; those do not count.)
        let inVain = scenario == .paymentIsAway ? 2 : scenario == .cardIsMissing ? 1 : 0
        #expect(world.services.mostCalls("payment.charge") <= 1 + inVain, "\(words)")
        #expect(world.services.mostCalls("shipping.ship") <= 1, "\(words)")
        #expect(world.services.mostCalls("email.confirm") <= 1, "\(words)")
        #expect(world.services.mostCalls("payment.refund") <= 1, "\(words)")
        let order = try await world.order("o")
        #expect(order.payment.charges.count <= 1, "\(words)")
        if saga.status == .completed { #expect(order.state == (isCancellation ? .cancelled : .confirmed), "\(words)") }
        if saga.status == .compensated { #expect(order.state == .failed && order.payment.held == 0, "\(words)") }
        world.crash()
        return died.withLock { $0 }
    }

    @Test func nothingIsLostWhenTheIndexIs() async throws {
        let world = try World()
        try await world.begin()
        world.services.script("payment.charge") { _ in .missing("card") }
        for i in 0..<20 { try await world.checkout("o\(i)") }
        try await world.pass(milliseconds: 1000)
        world.rows.fail(with: .full)
        for i in 20..<40 { try await world.checkout("o\(i)") }
        try await world.pass(milliseconds: 1000)
        world.crash()
        world.rows.fail(with: nil)
        try await world.begin()
        try await world.settle()
        #expect(try world.sagas.figures().open == [.parked: 40])
        world.services.usual("payment.charge")
        for i in 0..<40 { try world.sagas.wake(try #require(Identifier("checkout-o\(i)"))) }
        try await world.settle()
        #expect(try world.sagas.figures().open.isEmpty)
        world.crash()
        // And the index forgets what is over.
        #expect(try world.rows.rows(of: "sagas", after: nil, limit: 100).isEmpty)
    }

    @Test func followsThroughTheStoreWhenItCannotKeepUp() async throws {
        let world = try World()
        try await world.begin()
        let order = try #require(Identifier("big"))
        // One commit with more sagas than the feed keeps events.
        var commands: [Command] = [.order(order, .place(World.priced(order)))]
        let definition = SagaDefinition(name: "n", groups: [[StepDefinition(name: "a", operation: "order.verify-cart")]])
        for i in 0..<10_500 {
            commands.append(.saga(try #require(Identifier("n-\(i)")), .start(definition, order: order, after: nil)))
        }
        try await world.log.execute(commands)
        try await wait(seconds: 60) { try world.sagas.figures().completed["n"] == 10_500 }
        world.crash()
    }
}
