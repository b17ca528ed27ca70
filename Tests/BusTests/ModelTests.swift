import Bus
import EventCore
import MemoryStores
import Seeded
import Synchronization
import Testing

/// Fails and dawdles as chance will have it, the same way for the same seed and event; in the end all goes well.
private final class Chancy: Consumer {
    let name = "chancy"
    let types: Set<String> = ["ItemAdded"]
    private struct State {
        var attempts: [UInt64: UInt64] = [:]
        var done: [String: [UInt64]] = [:]
        var isWell = false
    }

    private let state = Mutex(State())
    private let seed: UInt64

    init(_ seed: UInt64) { self.seed = seed }

    func becomeWell() { state.withLock { $0.isWell = true } }

    /// The versions that went well, each time they did.
    var done: [String: [UInt64]] { state.withLock { $0.done } }

    func apply(_ event: StoredEvent) async -> Applied {
        let (attempt, isWell) = state.withLock { state in
            state.attempts[event.position, default: 0] += 1
            return (state.attempts[event.position] ?? 0, state.isWell)
        }
        var random = Seeded(state: seed &+ event.position &* 1_000_003 &+ attempt)
        for _ in 0..<random.count(0...5) { await Task.yield() }
        if !isWell {
            if random.chance(8) { return .transient(Failure(reason: "away")) }
            if random.chance(40) { return .permanent(Failure(reason: "never")) }
        }
        state.withLock { $0.done["\(event.aggregate.id)", default: []].append(event.version) }
        return .done
    }
}

@Suite(.timeLimit(.minutes(10))) struct ModelTests {
    /// However it fails, is stopped or dies: every event goes well in the end, none before the one before it, and what
    /// comes again comes in order too.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func nothingIsLostNorOutOfOrder(_ seed: UInt64) async throws {
        let stage = try Stage()
        var random = Seeded(state: seed)
        let consumer = Chancy(seed)
        var options = BusOptions(concurrency: random.count(1...6), window: random.count(3...60), held: random.count(5...50))
        options.perAggregate = random.count(1...8)
        options.graceMS = 1
        var bus = try await stage.bus([consumer], options)
        for round in 0..<60 {
            for _ in 0..<random.count(0...12) {
                let user = "u\(random.count(0...8))"
                if random.chance(6) { try await stage.empty(user) } else { try await stage.add(user) }
            }
            stage.clock.advance(byMS: UInt64(random.count(0...3000)))
            for _ in 0..<random.count(0...200) { await Task.yield() }
            if random.chance(12) {
                await bus.stop()
                bus = try await stage.bus([consumer], options)
            } else if round % 20 == 19 {
                // Stopped while nothing can be written: what was not committed is lost, as in a crash.
                stage.store.fail(with: .full)
                await bus.stop()
                stage.store.fail(with: nil)
                bus = try await stage.bus([consumer], options)
            }
        }
        consumer.becomeWell()
        let last = bus
        for _ in 0..<2000 {
            let figures = last.figures[0]
            if figures.lagEvents == 0 && figures.held == 0 { break }
            for entry in await entries(last) { _ = await last.retryDeadLetter(entry) }
            stage.clock.advance(byMS: 1000)
            for _ in 0..<100 { await Task.yield() }
        }
        await last.stop()
        #expect(try stage.store.rows(of: "chancy", after: "bus/held/", limit: 9) == [])
        for (user, wanted) in Dictionary(grouping: stage.events.events.filter { $0.event.type == "ItemAdded" }, by: { "\($0.aggregate.id)" }) {
            let done = consumer.done[user] ?? []
            let versions = wanted.map(\.version)
            #expect(Set(done) == Set(versions), "\(user)")
            // Each goes well for the first time after all before it have.
            var first: [UInt64] = []
            for version in done where !first.contains(version) { first.append(version) }
            #expect(first == versions, "\(user): \(done)")
        }
    }

    private func entries(_ bus: Bus) async -> [String] {
        let body = String(decoding: await bus.deadLetters(queue: "chancy").body, as: UTF8.self)
        return body.matches(of: /"entry":"([^"]+)"/).map { String($0.1) }
    }
}
