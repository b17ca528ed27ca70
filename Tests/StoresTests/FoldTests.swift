import Exchanges
import Glibc
import Stores
import Synchronization
import Testing

@testable import EventCore

/// Commands at random, for a few aggregates of every kind.
private struct RandomCommands {
    var random = SystemRandomNumberGenerator()
    private let definition = SagaDefinition(
        name: "checkout",
        groups: [
            [StepDefinition(name: "a", operation: "o.a", compensation: "o.undo-a")],
            [StepDefinition(name: "b", operation: "o.b", onFailure: .retryAsync, parkMS: 1000), StepDefinition(name: "c", operation: "o.c", onFailure: .task)],
        ])

    mutating func pick<T>(_ all: T...) -> T { all[Int.random(in: 0..<all.count, using: &random)] }

    mutating func name(_ prefix: String, _ count: Int) throws -> Identifier {
        try #require(Identifier("\(prefix)\(Int.random(in: 0..<count, using: &random))"))
    }

    mutating func next() throws -> Command {
        // The same ids for all kinds.
        let id = try name("x", 3)
        let thing = try name("é\"", 40)
        let price = Money(currency: "EUR", units: .random(in: 1...99, using: &random), nanos: 0)
        let failure = Failure(reason: pick("no", "", "\"\n"), grpcCode: pick(nil, 14))
        let soon = Timestamp(microseconds: Timestamp.now().microseconds + .random(in: 1000...200_000, using: &random))
        switch Int.random(in: 0..<8, using: &random) {
        case 0:
            return .cart(id, pick(.add(product: thing, quantity: 2), .add(product: thing, quantity: 1), .remove(product: thing), .update(product: thing, quantity: 7), .empty))
        case 1:
            return .inventory(
                id,
                pick(
                    .adjust(delta: .random(in: -5...30, using: &random), reason: thing, eventId: try name("e", 300)),
                    .reserve(reservation: thing, order: nil, quantity: 1, expiresAt: soon),
                    .reserve(reservation: thing, order: thing, quantity: 2, expiresAt: nil),
                    .release(reservation: thing, order: nil, reason: .compensation)))
        case 2: return .order(id, try order(failure, soon))
        case 3:
            return .product(
                id,
                pick(
                    .create(ProductDetails(name: "n", categories: ["k"]), price: price), .changePrice(price),
                    .update(ProductChange(name: "\(thing)", categories: pick(nil, ["a", "b"])))))
        case 4:
            // One product, and rarely an end: nothing happens to a sale that is over.
            let product = try name("s", 1)
            if Int.random(in: 0..<40, using: &random) == 0 { return .flashSale(id, .end) }
            return .flashSale(
                id,
                pick(
                    .start([PricedProduct(product, price)], startsAt: nil, endsAt: Timestamp(microseconds: soon.microseconds + 3_600_000_000)),
                    .changePrice(product: product, price), .changePrice(product: product, price)))
        case 5:
            return .flag(
                id,
                pick(
                    .setWeight(UInt16.random(in: 0...100, using: &random) * 100, file: 0, note: pick(nil, "n"), by: "ann"),
                    .clearWeight(file: 0, note: nil, by: "bob")))
        case 6: return .affinity(id, pick(.take(isOn: pick(true, false), age: 0), .take(isOn: true, age: 1_000_000), .release))
        default: return .saga(id, try saga(failure, soon, id))
        }
    }

    private mutating func order(_ failure: Failure, _ soon: Timestamp) throws -> OrderAction {
        let product = try name("p", 3)
        let cost = Money(currency: "EUR", units: 5, nanos: 0)
        let placed = PricedOrder(
            user: product, email: "a@b", address: PostalAddress(street: "1", city: "L", state: "", country: "P", zipCode: 1), currency: "EUR",
            lines: [OrderLine(product: product, name: "n", category: "", quantity: 1, cost: cost)],
            shippingCost: cost, total: Money(currency: "EUR", units: 10, nanos: 0), card: CardReference(lastFour: "1111", token: "t"))
        let transaction = pick("a", "b", "c")
        return pick(
            .place(placed), .place(placed), .requestPayment, .completePayment(transaction: transaction), .failPayment(failure),
            .refundPayment(transaction: transaction), .failRefund(failure), .requestShipment, .scheduleShipment(tracking: transaction),
            .failShipment(failure), .reserveStock(expiresAt: soon), .failStock(failure), .releaseStock, .confirm, .cancel,
            .startProcessing, .ship)
    }

    private mutating func saga(_ failure: Failure, _ soon: Timestamp, _ id: Identifier) throws -> SagaAction {
        let (step, attempt) = (pick("a", "b", "c"), Int.random(in: 1...3, using: &random))
        return pick(
            .start(definition, order: id, after: nil), .begin(step, .action), .begin(step, .compensation),
            .unavailable(step, attempt: attempt, failure), .complete(step, attempt: attempt, late: false, note: pick(nil, "n")),
            .complete(step, attempt: attempt, late: true, note: nil), .fail(step, attempt: attempt, failure, mayHaveRun: false),
            .defer(step, attempt: attempt, failure), .compensated(step, attempt: attempt),
            .compensationFailed(step, attempt: attempt, failure), .raise(step, pick(.action, .compensation), text: "t"),
            .resolve(pick(nil, step), pick(.retry, .skip, .compensate), note: nil), .park(step, reason: "r", nextTryAt: soon), .handOver)
    }
}

extension AnyAggregate {
    fileprivate func isSame(as other: AnyAggregate) -> Bool {
        switch (self, other) {
        case (.cart(let one), .cart(let two)): one == two
        case (.inventory(let one), .inventory(let two)): one == two
        case (.order(let one), .order(let two)): one == two
        case (.product(let one), .product(let two)): one == two
        case (.flashSale(let one), .flashSale(let two)): one == two
        case (.saga(let one), .saga(let two)): one == two
        case (.flag(let one), .flag(let two)): one == two
        case (.affinity(let one), .affinity(let two)): one == two
        default: false
        }
    }
}

@Suite(.timeLimit(.minutes(10))) struct FoldTests {
    /// Of every kind of aggregate, at every version that was met: memory has the fold of the stored events, however few
    /// fit in memory, however often they come back by a snapshot, in transactions of one command or of several.
    @Test(arguments: [(1, 1), (2, 5), (5, 64), (100, 4096)])
    func memoryIsTheFoldAtEveryVersion(_ aggregates: Int, _ group: Int) async throws {
        let shop = try Workshop()
        let (store, snapshots) = (try shop.open(), try shop.openSnapshots())
        var rule = SnapshotRule(events: 6)
        // A load looks for a snapshot after so many.
        rule.fewEvents = 3
        let met = Mutex<[UInt32: AnyAggregate]>([:])
        var asked: [AggregateName] = []
        var commands = RandomCommands()
        let rounds = 3
        var snapshotLoads: UInt64 = 0
        for round in 0..<rounds {
            let options = EventLog.Options(group: group, aggregates: aggregates, snapshots: rule)
            let log = try EventLog(store: store, snapshots: snapshots, options: options) { _, replies in
                met.withLock { met in
                    for reply in replies {
                        if case .state(let aggregate) = reply.outcome { met[reply.ticket.slot] = aggregate }
                    }
                }
            }
            // Each group waits for the disk.
            for i in 0..<(group == 1 ? 400 : 900) {
                let command = try commands.next()
                let nowhere = Ticket(worker: 1, slot: 0, generation: 0)
                let isTogether = i % 7 == 0
                let work: Submission.Work = isTogether ? .together([command, try commands.next(), try commands.next()]) : .command(command, expected: .any)
                _ = log.submit(Submission(ticket: nowhere, work: work))
                let ticket = Ticket(worker: 0, slot: UInt32(asked.count), generation: 0)
                asked.append(command.target)
                _ = log.submit(Submission(ticket: ticket, work: .state(command.target)))
                if i % 50 == 0 { usleep(2000) }
            }
            log.close()
            #expect(log.meters.read().cached <= aggregates && log.meters.read().failedCommits == 0, "\(round)")
            snapshotLoads += log.meters.read().loadsFromSnapshot
        }
        let states = met.withLock { $0 }
        #expect(states.count == asked.count)
        try compare(states, asked, store)
        // With all in memory only a new log loads.
        #expect(snapshotLoads >= 8)
        snapshots.close()
        store.close()
    }

    private func compare(_ states: [UInt32: AnyAggregate], _ asked: [AggregateName], _ store: any EventStore) throws {
        var kinds: [AggregateKind: Set<UInt64>] = [:]
        for name in Set(asked) {
            var folded = [AnyAggregate(name.kind)]
            for stored in try store.read(name.key, from: 1, through: .max, limit: 10_000) {
                var next = folded[folded.count - 1]
                let isKnown = next.replay(stored.event)
                #expect(isKnown)
                folded.append(next)
            }
            for (slot, state) in states where asked[Int(slot)] == name {
                let version = Int(state.version)
                guard version < folded.count else {
                    Issue.record("\(name) is ahead of the store")
                    continue
                }
                #expect(state.isSame(as: folded[version]), "\(name) at \(version)")
                kinds[name.kind, default: []].insert(state.version)
            }
        }
        // A model that never gets anywhere proves little.
        for kind in AggregateKind.allCases { #expect(kinds[kind, default: []].count > 5, "\(kind)") }
    }
}
