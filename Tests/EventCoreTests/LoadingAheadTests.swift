import EventCore
import Exchanges
import Glibc
import Synchronization
import Testing
import Threads

/// A store whose reads of some carts wait until they are let through, or fail.
private final class SlowStore: EventStore {
    private struct State {
        var isOpen = false
        var failure: StoreError?
        var waiting = 0
        var reads: [String: Int] = [:]
    }

    let memory = MemoryStore()
    private let state = Mutex(State())

    func open() { state.withLock { $0.isOpen = true } }
    func fail(with error: StoreError?) { state.withLock { $0.failure = error } }
    func reads(of id: String) -> Int { state.withLock { $0.reads[id] ?? 0 } }

    func read(_ aggregate: AggregateKey, from: UInt64, through: UInt64, limit: Int) throws(StoreError) -> [StoredEvent] {
        let id = "\(aggregate.id)"
        let failure = state.withLock { state in
            state.reads[id, default: 0] += 1
            return state.failure
        }
        if let failure { throw failure }
        while id.hasPrefix("slow") && !state.withLock({ $0.isOpen }) { usleep(500) }
        return memory.read(aggregate, from: from, through: through, limit: limit)
    }

    func append(
        _ batches: [Batch], _ repetitions: RepetitionChanges, _ deliveries: [DeliveryChange]
    ) throws(StoreError) -> Appended {
        try memory.append(batches, repetitions, deliveries)
    }
    func repetitions(after position: UInt64, limit: Int) -> [RepetitionRecord] { [] }
    func deliveries(after place: DeliveryRecord?, limit: Int) -> [DeliveryRecord] { [] }
    func deliveries(of session: UInt64) -> [DeliveryRecord] { [] }
    func read(type: String, from: Timestamp, until: Timestamp, limit: Int) -> [StoredEvent] { [] }
    func read(after position: UInt64, limit: Int) -> [StoredEvent] { memory.read(after: position, limit: limit) }
    func head() -> UInt64 { memory.head() }
}

/// Answers by slot, in the order of their coming.
private final class Desk: Sendable {
    private let state = Mutex<[(slot: UInt32, what: String)]>([])

    func deliver(_ replies: [Reply]) {
        state.withLock { state in
            for reply in replies {
                switch reply.outcome {
                case .accepted(let accepted): state.append((reply.ticket.slot, "\(accepted.version)"))
                case .found(_, let version): state.append((reply.ticket.slot, "at \(version)"))
                case .refused(let refusal): state.append((reply.ticket.slot, refusal.outcome.code.name.description))
                default: state.append((reply.ticket.slot, "?"))
                }
            }
        }
    }

    var all: [(slot: UInt32, what: String)] { state.withLock { $0 } }

    func wait(for count: Int) {
        for _ in 0..<200_000 where all.count < count { usleep(500) }
    }
}

private func id(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

private func add(_ user: String, _ slot: UInt32) throws -> Submission {
    Submission(
        ticket: Ticket(worker: 0, slot: slot, generation: 0),
        work: .command(.cart(try id(user), .add(product: try id("p"), quantity: 1)), expected: .any))
}

private func get(_ user: String, _ slot: UInt32) throws -> Submission {
    Submission(ticket: Ticket(worker: 0, slot: slot, generation: 0), work: .query(.cart(try id(user))))
}

@Suite(.timeLimit(.minutes(10))) struct LoadingAheadTests {
    /// Who needs an aggregate that takes long to read waits; nobody else does.
    @Test func aSlowLoadHoldsUpOnlyItsOwn() throws {
        let (store, desk) = (SlowStore(), Desk())
        let log = try EventLog(store: store) { desk.deliver($1) }
        for slot in 0..<4 as Range<UInt32> { _ = log.submit(slot == 2 ? try get("slow", slot) : try add("slow", slot)) }
        for slot in 10..<60 as Range<UInt32> { _ = log.submit(try add("quick", slot)) }
        desk.wait(for: 50)
        #expect(desk.all.map(\.slot).sorted() == Array(10..<60))
        #expect(log.depth == 4)
        store.open()
        desk.wait(for: 54)
        // In the order they were handed in, and read once for all of them.
        #expect(desk.all.suffix(4).map(\.slot) == [0, 1, 2, 3])
        #expect(desk.all.suffix(4).map(\.what) == ["1", "2", "at 2", "3"])
        #expect(store.reads(of: "slow") == 1)
        log.close()
        #expect(log.depth == 0)
    }

    /// All or none goes on when all of its aggregates are there; and what comes to them meanwhile is not lost.
    @Test func togetherWaitsForEach() async throws {
        let (store, desk) = (SlowStore(), Desk())
        let log = try EventLog(store: store, options: .init(group: 2, aggregates: 1)) { desk.deliver($1) }
        let product = try id("p")
        let commands = try ["slow-a", "quick", "slow-b", "slow-a"].map { Command.cart(try id($0), .add(product: product, quantity: 1)) }
        async let together = log.execute(commands)
        _ = log.submit(try add("slow-b", 1))
        _ = log.submit(try add("other", 2))
        desk.wait(for: 1)
        #expect(desk.all.map(\.slot) == [2])
        store.open()
        let versions = try await together.map { Int($0.version) }
        desk.wait(for: 2)
        log.close()
        #expect(versions[0] == 1 && versions[1] == 1 && versions[3] == 2)
        #expect(Set([versions[2], Int(desk.all[1].what) ?? 0]) == [1, 2])
    }

    /// Everything that was taken is answered, also what waits for a load when the log is closed.
    @Test func closingAnswersWhatWaits() throws {
        let (store, desk) = (SlowStore(), Desk())
        let log = try EventLog(store: store) { desk.deliver($1) }
        for slot in 0..<100 as Range<UInt32> { _ = log.submit(try add("slow-\(slot % 10)", slot)) }
        let opening = NamedThread.required(name: "opening") {
            usleep(20_000)
            store.open()
        }
        log.close()
        opening.join()
        #expect(desk.all.count == 100)
        for (slot, what) in desk.all { #expect(what == "\(slot / 10 + 1)") }
        #expect(!log.submit(try add("slow", 1)))
    }

    /// The bound counts those that wait, too.
    @Test func theQueueIsBounded() throws {
        let (store, desk) = (SlowStore(), Desk())
        let log = try EventLog(store: store, options: .init(queue: 10)) { desk.deliver($1) }
        #expect(try (0..<50 as Range<UInt32>).count { log.submit(try add("slow-\($0)", $0)) } == 10)
        store.open()
        log.close()
        #expect(desk.all.count == 10)
    }

    /// A store that cannot be read refuses all who wait for the aggregate, and is asked again by the next.
    @Test func whoCannotBeLoadedIsRefused() throws {
        let (store, desk) = (SlowStore(), Desk())
        store.open()
        store.fail(with: .io("away", undecided: true))
        let log = try EventLog(store: store) { desk.deliver($1) }
        for slot in 0..<20 as Range<UInt32> { _ = log.submit(try add("u", slot)) }
        desk.wait(for: 20)
        #expect(desk.all.count == 20 && desk.all.allSatisfy { $0.what == "UPSTREAM_UNAVAILABLE" })
        store.fail(with: nil)
        _ = log.submit(try add("u", 20))
        log.close()
        #expect(desk.all.last?.what == "1")
    }

    /// However few fit in memory, and however it is mixed: each aggregate sees its commands in their order.
    @Test func theOrderOfEachAggregateIsKept() throws {
        var random = SystemRandomNumberGenerator()
        for aggregates in [1, 2, 7] {
            let (store, desk) = (MemoryStore(), Desk())
            let log = try EventLog(store: store, options: .init(group: 3, aggregates: aggregates)) { desk.deliver($1) }
            let users = (0..<600).map { _ in Int.random(in: 0..<12, using: &random) }
            for (slot, user) in users.enumerated() {
                _ = log.submit(try add("u\(user)", UInt32(slot)))
                if slot % 40 == 0 { usleep(300) }
            }
            log.close()
            var versions = [Int](repeating: 0, count: 12)
            let answers = desk.all.sorted { $0.slot < $1.slot }
            #expect(answers.count == 600)
            for (slot, user) in users.enumerated() {
                versions[user] += 1
                #expect(answers[slot].what == "\(versions[user])")
            }
            #expect(log.meters.read().cached <= aggregates)
        }
    }
}
