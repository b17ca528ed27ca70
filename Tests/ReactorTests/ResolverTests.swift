import Glibc
import Synchronization
import Testing

@testable import Reactor
import Threads

@Suite(.serialized) struct ResolverTests {
    let server: ResolverNameServer
    let resolver: Resolver

    init() throws {
        server = try ResolverNameServer()
        var settings = ResolverSettings()
        settings.servers = ["127.0.0.1:\(server.port)"]
        settings.timeoutMS = 150
        settings.tries = 2
        resolver = try Resolver(settings)
    }

    func end() {
        resolver.stop()
        server.stop()
    }

    func ask(_ name: String) async -> Resolution {
        await withCheckedContinuation { answer in resolver.resolve(name) { answer.resume(returning: $0) } }
    }

    func v4(_ last: UInt8) -> SocketAddress { .v4(0x0a00_0000 | UInt32(last), port: 0) }

    @Test func answersWithAddressesOfBothFamiliesAndTheirTime() async {
        defer { end() }
        server.set("both.test", .addresses([[10, 0, 0, 1], [10, 0, 0, 2], Array(repeating: 0, count: 15) + [9]], ttl: 42))
        guard case .addresses(let found, let ttl, let isStale) = await ask("Both.TEST.") else {
            Issue.record("no addresses")
            return
        }
        #expect(Set(found) == [v4(1), v4(2), .v6(high: 0, low: 9, port: 0)])
        #expect(ttl == 42 && !isStale)
    }

    @Test func anAliasLimitsTheTime() async {
        defer { end() }
        server.set("www.test", .alias(ttl: 7, [[10, 0, 0, 3]]))
        #expect(await ask("www.test") == .addresses([v4(3)], secondsToLive: 7, isStale: false))
    }

    @Test func timesAreClamped() async {
        defer { end() }
        server.set("zero.test", .addresses([[10, 0, 0, 1]], ttl: 0))
        server.set("long.test", .addresses([[10, 0, 0, 1]], ttl: 1_000_000))
        #expect(await ask("zero.test") == .addresses([v4(1)], secondsToLive: 1, isStale: false))
        #expect(await ask("long.test") == .addresses([v4(1)], secondsToLive: 300, isStale: false))
    }

    @Test func remembersForTheTimeToLive() async throws {
        defer { end() }
        server.set("a.test", .addresses([[10, 0, 0, 1]], ttl: 1))
        #expect(await ask("a.test") == .addresses([v4(1)], secondsToLive: 1, isStale: false))
        server.set("a.test", .addresses([[10, 0, 0, 2]], ttl: 1))
        #expect(await ask("a.test") == .addresses([v4(1)], secondsToLive: 1, isStale: false))
        #expect(server.asked("a.test") == 1)
        try await Task.sleep(for: .milliseconds(1100))
        #expect(await ask("a.test") == .addresses([v4(2)], secondsToLive: 1, isStale: false))
    }

    @Test func manyQuestionsForOneNameAreOneQuery() async {
        defer { end() }
        server.set("one.test", .addresses([[10, 0, 0, 1]], ttl: 60))
        await withTaskGroup(of: Resolution.self) { group in
            for _ in 0..<100 { group.addTask { await ask("one.test") } }
            for await resolution in group {
                guard case .addresses(let found, _, _) = resolution else {
                    Issue.record("\(resolution)")
                    continue
                }
                #expect(found == [v4(1)])
            }
        }
        #expect(server.asked("one.test") == 1)
    }

    @Test func failuresSayWhy() async {
        defer { end() }
        server.set("broken.test", .code(2))
        server.set("refused.test", .code(5))
        server.set("silent.test", .silence)
        server.set("garbage.test", .garbage)
        server.set("forged.test", .wrongID)
        server.set("empty.test", .addresses([], ttl: 60))
        #expect(await ask("missing.test") == .failure(.notFound))
        #expect(await ask("empty.test") == .failure(.notFound))
        #expect(await ask("broken.test") == .failure(.serverFailed))
        #expect(await ask("refused.test") == .failure(.serverFailed))
        #expect(await ask("silent.test") == .failure(.timedOut))
        #expect(await ask("forged.test") == .failure(.timedOut))
        let garbage = await ask("garbage.test")
        if case .addresses = garbage { Issue.record("\(garbage)") }
    }

    @Test func aMissingNameIsNotAskedForAgainAtOnce() async {
        defer { end() }
        for _ in 0..<20 { #expect(await ask("missing.test") == .failure(.notFound)) }
        #expect(server.asked("missing.test") == 1)
    }

    @Test func oldAddressesBridgeAFailingServer() async throws {
        defer { end() }
        server.set("a.test", .addresses([[10, 0, 0, 1]], ttl: 1))
        _ = await ask("a.test")
        server.set("a.test", .code(2))
        try await Task.sleep(for: .milliseconds(1100))
        #expect(await ask("a.test") == .addresses([v4(1)], secondsToLive: 1, isStale: true))
        server.set("a.test", .code(3))  // the server is back and says: gone
        try await Task.sleep(for: .milliseconds(1100))
        #expect(await ask("a.test") == .failure(.notFound))
    }

    @Test func aWatchTellsChangesOnly() async throws {
        defer { end() }
        server.set("w.test", .addresses([[10, 0, 0, 1], [10, 0, 0, 2]], ttl: 1))
        let heard = Heard()
        let watch = try #require(resolver.watch("w.test") { heard.add($0) })
        #expect(await heard.wait(for: 1) == [[v4(1), v4(2)]])
        // Another order is no change; a failing server is none either.
        server.set("w.test", .addresses([[10, 0, 0, 2], [10, 0, 0, 1]], ttl: 1))
        try await Task.sleep(for: .milliseconds(1300))
        server.set("w.test", .code(2))
        try await Task.sleep(for: .milliseconds(1300))
        #expect(server.asked("w.test") >= 3)
        #expect(heard.all.count == 1)
        server.set("w.test", .addresses([[10, 0, 0, 7]], ttl: 1))
        #expect(await heard.wait(for: 2).last == [v4(7)])
        resolver.unwatch(watch)
        try await Task.sleep(for: .milliseconds(100))
        server.set("w.test", .addresses([[10, 0, 0, 8]], ttl: 1))
        let asked = server.asked("w.test")
        try await Task.sleep(for: .milliseconds(1500))
        #expect(heard.all.count == 2 && server.asked("w.test") == asked)
    }

    @Test func takesABoundedNumberOfAddresses() async throws {
        server.set("many.test", .addresses((0..<25).map { [10, 0, 0, $0] }, ttl: 60))
        guard case .addresses(let all, _, _) = await ask("many.test") else {
            Issue.record("no addresses")
            return
        }
        #expect(all.count == 25)
        var settings = ResolverSettings()
        settings.servers = ["127.0.0.1:\(server.port)"]
        settings.addressesPerName = 10
        let narrow = try Resolver(settings)
        let heard = Heard()
        narrow.resolve("many.test") { heard.add($0) }
        #expect(await heard.wait(for: 1).first?.count == 10)
        narrow.stop()
        end()
    }

    @Test func literalsAndTheHostsFileNeedNoServer() async {
        defer { end() }
        #expect(await ask("192.0.2.7") == .addresses([.v4(0xc000_0207, port: 0)], secondsToLive: .max, isStale: false))
        #expect(await ask("::1") == .addresses([.v6(high: 0, low: 1, port: 0)], secondsToLive: .max, isStale: false))
        guard case .addresses(let found, _, _) = await ask("localhost") else {
            Issue.record("localhost has no address")
            return
        }
        #expect(found.contains(.v4(0x7f00_0001, port: 0)))
        #expect(server.asked("localhost") == 0)
    }

    @Test(arguments: [
        "", ".", "a..b", "-a.test", "a-.test", "a b.test", "a/b", "a\u{0}b", "ä.test", "x\n.test",
        String(repeating: "a", count: 64) + ".test", String(repeating: "a.", count: 127) + "bb",
    ]) func refusesWhatIsNoName(_ name: String) async {
        defer { end() }
        #expect(await ask(name) == .failure(.badName))
    }

    @Test func stoppingAnswersWhatIsOpen() async throws {
        server.set("silent.test", .silence)
        let heard = Heard()
        resolver.resolve("silent.test") { heard.add($0) }
        try await Task.sleep(for: .milliseconds(50))
        resolver.stop()
        #expect(heard.failures == [.stopped])
        #expect(await ask("later.test") == .failure(.stopped))
        #expect(resolver.watch("later.test", onChange: { _ in }) == nil)
        server.stop()
    }

    @Test func aFullQueueRefuses() async throws {
        var settings = ResolverSettings()
        settings.servers = ["127.0.0.1:\(server.port)"]
        settings.queue = 0
        let narrow = try Resolver(settings)
        let heard = Heard()
        narrow.resolve("a.test") { heard.add($0) }
        #expect(heard.failures == [.busy])
        narrow.stop()
        end()
    }

    @Test func badServersAreSeenAtStart() {
        defer { end() }
        var settings = ResolverSettings()
        settings.servers = ["not an address"]
        #expect(throws: SystemError.self) { try Resolver(settings) }
    }
}

/// What a delivery heard, in order.
private final class Heard: Sendable {
    private let state = Mutex<[Resolution]>([])
    func add(_ resolution: Resolution) { state.withLock { $0.append(resolution) } }

    var all: [Set<SocketAddress>] {
        state.withLock { $0 }.compactMap { if case .addresses(let found, _, _) = $0 { Set(found) } else { nil } }
    }
    var failures: [ResolveFailure] {
        state.withLock { $0 }.compactMap { if case .failure(let why) = $0 { why } else { nil } }
    }

    func wait(for count: Int) async -> [Set<SocketAddress>] {
        for _ in 0..<12_000 where all.count < count { try? await Task.sleep(for: .milliseconds(10)) }
        return all
    }
}
