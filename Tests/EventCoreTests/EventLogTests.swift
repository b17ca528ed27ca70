import EventCore
import Exchanges
import Synchronization
import Testing
import Threads

/// Collects replies, and waits for as many as are due.
private final class Replies: Sendable {
    private let state = Mutex<[(worker: UInt16, reply: Reply)]>([])
    private let bell = Bell()

    func deliver(_ worker: UInt16, _ replies: [Reply]) {
        state.withLock { state in state += replies.map { (worker, $0) } }
        bell.ring()
    }

    func wait(for count: Int) -> [(worker: UInt16, reply: Reply)] {
        while true {
            let all = state.withLock { $0 }
            if all.count >= count { return all }
            bell.wait()
        }
    }
}

private func name(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

private func add(
    _ user: String, _ quantity: Int32 = 1, slot: UInt32 = 0, worker: UInt16 = 0, expected: ExpectedVersion = .any
) throws -> Submission {
    Submission(
        ticket: Ticket(worker: worker, slot: slot, generation: 1),
        work: .command(.cart(try name(user), .add(product: try name("p"), quantity: quantity)), expected: expected),
        metadata: Metadata(correlationId: "c", source: "test"))
}

private func get(_ user: String, slot: UInt32 = 0) throws -> Submission {
    Submission(ticket: Ticket(worker: 0, slot: slot, generation: 1), work: .query(.cart(try name(user))))
}

/// `version`, or the refusal's code, in the order of slots.
private func summary(_ replies: [(worker: UInt16, reply: Reply)]) -> [String] {
    replies.sorted { $0.reply.ticket.slot < $1.reply.ticket.slot }.map {
        switch $0.reply.outcome {
        case .accepted(let accepted): "\(accepted.version)"
        case .found(let body, _): String(decoding: body, as: UTF8.self)
        case .refused(let refusal): "\(refusal.outcome.code.name)"
        case .acceptedTogether(let accepted): "\(accepted.map(\.version))"
        case .state(let aggregate): "\(aggregate.version)"
        case .answered(let status, _, _): "\(status)"
        case .repeated(let accepted): "again \(accepted.version)"
        case .notRepeated: "new"
        case .reserved, .underWay, .upstream, .upstreamRepeated, .released, .delivered, .releasedDelivery: "?"
        }
    }
}

@Suite(.timeLimit(.minutes(10))) struct EventLogTests {
    @Test func answersEachOnceToItsWorkerInOrder() throws {
        let (store, replies) = (MemoryStore(), Replies())
        let log = try EventLog(store: store) { replies.deliver($0, $1) }
        for i in 0..<3000 {
            #expect(log.submit(try add("u\(i % 7)", slot: UInt32(i), worker: UInt16(i % 3))))
        }
        log.close()
        let all = replies.wait(for: 3000)
        #expect(all.count == 3000)
        #expect(all.allSatisfy { $0.worker == $0.reply.ticket.worker })
        let versions = summary(all)
        for i in 0..<3000 { #expect(versions[i] == "\(i / 7 + 1)") }
        #expect(store.events.count == 3000)
        let figures = log.meters.read()
        #expect(figures.commands == 3000 && figures.events == 3000 && figures.head == 3000)
        #expect(figures.commits == UInt64(store.appends) && figures.commits < 3000)
        #expect(figures.groupSize.counts.reduce(0, +) >= figures.commits)
        #expect(log.depth == 0)
        #expect(!log.submit(try add("u")))
    }

    @Test func readsItsWrites() throws {
        let replies = Replies()
        let log = try EventLog(store: MemoryStore()) { replies.deliver($0, $1) }
        _ = log.submit(try get("u", slot: 0))
        _ = log.submit(try add("u", 2, slot: 1))
        _ = log.submit(try get("u", slot: 2))
        log.close()
        #expect(
            summary(replies.wait(for: 3)) == [
                #"{"userId":"u","items":[],"version":0}"#, "1",
                #"{"userId":"u","items":[{"productId":"p","quantity":2}],"version":1}"#,
            ])
    }

    @Test func comparesTheExpectedVersion() throws {
        let replies = Replies()
        let log = try EventLog(store: MemoryStore()) { replies.deliver($0, $1) }
        let expectations: [ExpectedVersion] = [.exact(1), .none, .none, .exact(1), .exact(1), .any, .exact(0)]
        for (i, expected) in expectations.enumerated() {
            _ = log.submit(try add("u", slot: UInt32(i), expected: expected))
        }
        log.close()
        let conflict = "VERSION_CONFLICT"
        #expect(summary(replies.wait(for: 7)) == [conflict, "1", conflict, "2", conflict, "3", conflict])
    }

    @Test(arguments: [
        (StoreError.full, "UPSTREAM_UNAVAILABLE", 1), (.io("broken", undecided: false), "UPSTREAM_UNAVAILABLE", 3),
        (.io("gone", undecided: true), "UPSTREAM_UNAVAILABLE", 1), (.conflict(batch: 0, actual: 9), "VERSION_CONFLICT", 4),
    ])
    func refusesAWholeGroupAndRecovers(_ failure: StoreError, _ code: String, _ attempts: Int) throws {
        let (store, replies) = (MemoryStore(), Replies())
        let log = try EventLog(store: store) { replies.deliver($0, $1) }
        _ = log.submit(try add("u", slot: 0))
        _ = replies.wait(for: 1)
        store.fail(with: failure)
        _ = log.submit(try add("u", 5, slot: 1))
        _ = replies.wait(for: 2)
        #expect(store.attempts == 1 + attempts)
        // In memory the failed command must not have happened either.
        _ = log.submit(try get("u", slot: 2))
        _ = replies.wait(for: 3)
        store.fail(with: nil)
        _ = log.submit(try add("u", slot: 3, expected: .exact(1)))
        let all = replies.wait(for: 4)
        log.close()
        #expect(
            summary(all) == [
                "1", code, #"{"userId":"u","items":[{"productId":"p","quantity":1}],"version":1}"#, "2",
            ])
        if case .refused(let refusal) = all[1].reply.outcome, code != "VERSION_CONFLICT" {
            #expect(refusal.outcome.retryAfterMS > 0)
        }
        #expect(log.meters.read().failedCommits == 1)
        #expect(store.events.map(\.version) == [1, 2])
    }

    /// Somebody else has written: what was decided on an older state is decided again on the present one.
    @Test func aConflictIsDecidedAgain() async throws {
        let store = MemoryStore()
        let log = try EventLog(store: store) { _, _ in }
        let (u, w, p) = (try name("u"), try name("w"), try name("p"))
        let add = Command.cart(u, .add(product: p, quantity: 1))
        try await log.execute([add, .cart(w, .add(product: p, quantity: 1))])
        func somebodyElse(_ change: CartEvent) throws {
            let event = Event(
                id: EventId(high: UInt64(store.events.count), low: 9), type: change.type, timestamp: .now(), payload: change.payload,
                metadata: Metadata())
            _ = try store.append([Batch(AggregateKey(type: Cart.type, id: u), expected: .any, events: [event])])
        }
        // Without an expectation it comes after what it did not know of.
        try somebodyElse(.itemAdded(p, quantity: 5))
        #expect(try await log.execute([.cart(w, .empty), add]).map(\.version) == [2, 3])
        guard case .cart(let cart) = try await log.state(of: AggregateName(kind: .cart, id: u)) else { return }
        #expect(cart.items.map(\.quantity) == [7])
        // And it may be refused by what it did not know of.
        try somebodyElse(.cartEmptied)
        await #expect(throws: Refusal.self) { try await log.execute([.cart(u, .remove(product: p))]) }
        // With an expectation it is refused at once.
        try somebodyElse(.itemAdded(p, quantity: 5))
        let before = store.attempts
        do {
            _ = try await log.ask(.command(add, expected: .exact(4)))
            Issue.record("was taken")
        } catch {
            #expect(error.outcome.code == .versionConflict)
        }
        #expect(store.attempts == before + 1)
        #expect(log.meters.read().conflicts == 3 && log.meters.read().failedCommits == 0)
        log.close()
    }

    /// A disk that fails for a moment: nobody is refused, and nothing happens twice.
    @Test func aMomentOfTroubleIsNotSeen() async throws {
        let store = MemoryStore()
        let log = try EventLog(store: store) { _, _ in }
        let (u, p) = (try name("u"), try name("p"))
        store.failOnce([.io("a moment", undecided: false), .io("another", undecided: false)])
        #expect(try await log.execute([.cart(u, .add(product: p, quantity: 1))]).map(\.version) == [1])
        store.failOnce([.io("gone", undecided: true)])
        await #expect(throws: Refusal.self) { try await log.execute([.cart(u, .add(product: p, quantity: 1))]) }
        #expect(try await log.execute([.cart(u, .add(product: p, quantity: 1))]).map(\.version) == [2])
        log.close()
        #expect(store.events.count == 2 && log.meters.read().failedCommits == 1)
    }

    /// The clock went back, or the last event came from a machine whose clock is ahead: order by time stays order by
    /// position, within a run and over a restart.
    @Test func timeNeverGoesBack() async throws {
        let store = MemoryStore()
        let future = Timestamp(microseconds: Timestamp.now().microseconds + 3_600_000_000)
        let (u, p) = (try name("u"), try name("p"))
        let ahead = Event(
            id: EventId(high: 1, low: 1), type: "ItemAdded", timestamp: future, payload: CartEvent.itemAdded(p, quantity: 1).payload,
            metadata: Metadata())
        _ = try store.append([Batch(AggregateKey(type: Cart.type, id: u), expected: .none, events: [ahead])])
        for _ in 0..<2 {
            let log = try EventLog(store: store) { _, _ in }
            for _ in 0..<5 { try await log.execute([.cart(u, .add(product: p, quantity: 1))]) }
            log.close()
        }
        let times = store.events.map(\.event.timestamp)
        #expect(times.count == 11 && times == times.sorted() && times.allSatisfy { $0 >= future })
        #expect(Set(store.events.map(\.event.id)).count == 11)
    }

    @Test func queriesOfAFailedGroupTellWhatIs() throws {
        let (store, replies) = (MemoryStore(), Replies())
        store.fail(with: .full)
        let log = try EventLog(store: store) { replies.deliver($0, $1) }
        // While the store is held the log waits in its first read, and the rest gathers to a group.
        try store.state.withLock { _ in
            for _ in 0..<100 {
                _ = log.submit(try add("u", 5, slot: 0))
                _ = log.submit(try get("u", slot: 1))
            }
        }
        log.close()
        var found = 0
        for (_, reply) in replies.wait(for: 200) {
            guard case .found(_, let version) = reply.outcome else { continue }
            #expect(version == 0)
            found += 1
        }
        #expect(found == 100)
        #expect(store.events.isEmpty)
    }

    @Test func refusesWhenTheQueueIsFull() throws {
        let (store, replies) = (MemoryStore(), Replies())
        let log = try EventLog(store: store, options: .init(queue: 10)) { replies.deliver($0, $1) }
        let accepted = try store.state.withLock { _ in
            // Nothing can be answered while the store is held.
            try (0..<50).count { log.submit(try add("u", slot: UInt32($0))) }
        }
        #expect(accepted == 10)
        #expect(replies.wait(for: 10).count == 10)
        log.close()
    }

    @Test func forgetsAndReplays() throws {
        let (store, replies) = (MemoryStore(), Replies())
        let log = try EventLog(store: store, options: .init(group: 4, aggregates: 3)) { replies.deliver($0, $1) }
        for i in 0..<200 {
            _ = log.submit(try add("u\(i % 20)", slot: UInt32(i)))
            // Who comes while an aggregate is being read does not read it again.
            if i % 20 == 19 { _ = replies.wait(for: i + 1) }
        }
        log.close()
        let versions = summary(replies.wait(for: 200))
        for i in 0..<200 { #expect(versions[i] == "\(i / 20 + 1)") }
        let figures = log.meters.read()
        #expect(figures.cached <= 3 && figures.loads > 20)
    }

    @Test func twoTypesShareAnId() throws {
        let (store, replies) = (MemoryStore(), Replies())
        let log = try EventLog(store: store, options: .init(group: 1, aggregates: 1)) { replies.deliver($0, $1) }
        let id = try name("same")
        let adjust = Command.inventory(id, .adjust(delta: 5, reason: try name("count"), eventId: nil))
        for slot in stride(from: 0 as UInt32, to: 20, by: 2) {
            _ = log.submit(try add("same", slot: slot))
            _ = log.submit(
                Submission(ticket: Ticket(worker: 0, slot: slot + 1, generation: 1), work: .command(adjust, expected: .any)))
        }
        log.close()
        #expect(summary(replies.wait(for: 20)) == (0..<20).map { "\($0 / 2 + 1)" })
        #expect(Set(store.events.map(\.aggregate.type)) == ["Cart", "Inventory"])
    }

    /// With one aggregate in memory and with all of them, one at a time and in groups: the same answers,
    /// and the fold of what is stored.
    @Test func memoryIsTheFoldOfTheLog() throws {
        var random = SystemRandomNumberGenerator()
        var work: [Command] = []
        for i in 0..<600 {
            let product = try name("p\(Int.random(in: 0..<6, using: &random))")
            let reservation = try name("r\(Int.random(in: 0..<40, using: &random))")
            switch Int.random(in: 0..<5, using: &random) {
            case 0:
                let delta = Int32.random(in: -20...20, using: &random)
                work.append(.inventory(product, .adjust(delta: delta, reason: try name("count"), eventId: try name("e\(i % 90)"))))
            case 1: work.append(.inventory(product, .release(reservation: reservation, order: nil, reason: .compensation)))
            case 2: work.append(.cart(product, .add(product: reservation, quantity: 1)))
            default:
                let quantity = Int32.random(in: 1...9, using: &random)
                work.append(.inventory(product, .reserve(reservation: reservation, order: nil, quantity: quantity, expiresAt: nil)))
            }
        }
        func run(_ options: EventLog.Options) throws -> (answers: [String], store: MemoryStore) {
            let (store, replies) = (MemoryStore(), Replies())
            let log = try EventLog(store: store, options: options) { replies.deliver($0, $1) }
            for (slot, command) in work.enumerated() {
                let ticket = Ticket(worker: 0, slot: UInt32(slot), generation: 1)
                _ = log.submit(Submission(ticket: ticket, work: .command(command, expected: .any)))
            }
            for product in 0..<6 {
                let ticket = Ticket(worker: 0, slot: UInt32(work.count + product), generation: 1)
                _ = log.submit(Submission(ticket: ticket, work: .query(.inventory(try name("p\(product)")))))
            }
            log.close()
            return (summary(replies.wait(for: work.count + 6)), store)
        }
        let (small, store) = try run(.init(group: 1, aggregates: 1))
        let (large, _) = try run(.init())
        #expect(small.prefix(work.count) == large.prefix(work.count))
        for product in 0..<6 {
            let id = try name("p\(product)")
            var fold = Inventory()
            for stored in store.read(AggregateKey(type: Inventory.type, id: id), from: 1, through: .max, limit: .max) {
                fold.apply(try #require(InventoryEvent(stored.event)), at: stored.event.timestamp)
            }
            let body = try? fold.body(of: id, at: .now())
            #expect(small[work.count + product] == body.map { String(decoding: $0, as: UTF8.self) } ?? "NOT_FOUND")
        }
    }

    @Test func wakesWhoFollows() async throws {
        let (store, replies) = (MemoryStore(), Replies())
        let log = try EventLog(store: store) { replies.deliver($0, $1) }
        var heads = log.feed.heads().makeAsyncIterator()
        #expect(await heads.next() == 0)
        _ = log.submit(try add("u"))
        #expect(await heads.next() == 1)
        #expect(store.read(after: 0, limit: 10).map(\.event.type) == ["ItemAdded"])
        log.close()
    }

    @Test func commandsTogetherAreExecutedAllOrNone() async throws {
        let store = MemoryStore()
        let log = try EventLog(store: store) { _, _ in }
        let (p, u, w) = (try name("p"), try name("u"), try name("w"))
        try await log.execute([.inventory(p, .adjust(delta: 5, reason: p, eventId: nil))])
        let both = try await log.execute([
            .cart(u, .add(product: p, quantity: 1)),
            .inventory(p, .reserve(reservation: u, order: nil, quantity: 3, expiresAt: nil)),
            .cart(u, .add(product: p, quantity: 1)),
        ])
        #expect(both.map(\.version) == [1, 2, 2])
        // The last one is refused: there are 2 left.
        await #expect(throws: Refusal.self) {
            try await log.execute([
                .cart(w, .add(product: p, quantity: 9)), .cart(u, .empty),
                .inventory(p, .reserve(reservation: w, order: nil, quantity: 3, expiresAt: nil)),
            ])
        }
        for (id, version) in [(u, 2), (w, 0)] as [(Identifier, UInt64)] {
            #expect(try await log.state(of: AggregateName(kind: .cart, id: id)).version == version)
        }
        // Nothing of them is in the store, and what comes after them fits.
        #expect(try await log.execute([.cart(u, .empty), .cart(w, .add(product: p, quantity: 1))]).map(\.version) == [3, 1])
        log.close()
        #expect(store.read(after: 0, limit: 100).map(\.version) == [1, 1, 2, 2, 3, 1])
        await #expect(throws: Refusal.self) { try await log.execute([.cart(u, .empty)]) }
    }

    @Test func tellsWhatWasCommitted() async throws {
        let log = try EventLog(store: MemoryStore()) { _, _ in }
        let (p, u) = (try name("p"), try name("u"))
        let seen = Mutex<[(UInt64, UInt64, [String])]>([])
        let id = log.feed.subscribe { committed in
            seen.withLock { $0.append((committed.first, committed.head, committed.batches.flatMap { $0.events.map(\.type) })) }
        }
        try await log.execute([.cart(u, .add(product: p, quantity: 1)), .cart(u, .empty)])
        log.feed.cancel(id)
        try await log.execute([.cart(u, .add(product: p, quantity: 1))])
        log.close()
        let all = seen.withLock { $0 }
        #expect(all.count == 1)
        #expect(all.first?.0 == 1 && all.first?.1 == 2 && all.first?.2 == ["ItemAdded", "CartEmptied"])
    }

    @Test func goesOnWhereItStopped() throws {
        let store = MemoryStore()
        for round in 1...3 {
            let replies = Replies()
            let log = try EventLog(store: store) { replies.deliver($0, $1) }
            _ = log.submit(try add("u"))
            log.close()
            #expect(summary(replies.wait(for: 1)) == ["\(round)"])
        }
        #expect(store.events.map(\.position) == [1, 2, 3])
        #expect(zip(store.events, store.events.dropFirst()).allSatisfy { $0.event.timestamp <= $1.event.timestamp })
        #expect(store.events[0].event.metadata.correlationId == "c")
    }
}
