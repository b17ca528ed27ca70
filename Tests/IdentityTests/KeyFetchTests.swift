import Exchanges
import JOSE
import Settings
import Synchronization
import Testing

@testable import Identity

/// Key sets that are fetched: a scripted service, a clock moved by hand.
@Suite struct KeyFetchTests {
    private let calls = ScriptedCalls()
    private let clock = HandClock()
    private let woken: Woken
    private let directory: IssuerDirectory
    private var good: Good

    final class Woken: Sendable {
        let tickets = Mutex<[Ticket]>([])
        let notes = Mutex<[FetchFault?]>([])
    }

    init() throws {
        good = try Good(remote: RemoteKeys(cluster: "auth", path: "/keys"))
        let woken = Woken()
        self.woken = woken
        directory = IssuerDirectory(
            calls: calls, clock: { [clock] in clock.now }, wake: { ticket in woken.tickets.withLock { $0.append(ticket) } },
            note: { note in woken.notes.withLock { $0.append(note.fault) } })
        calls.answer = .answered(status: 200, message: "", body: good.published)
    }

    private func adopted() -> Issuer {
        let definitions = [IssuerDefinition(good.settings, Diagnostics())]
        directory.adopt(definitions)
        return directory.issuers(of: definitions)[0]
    }

    private func ask(_ issuer: Issuer, kid: UInt64 = 1, slot: UInt32 = 0, begin: () -> Void = {}) -> Issuer.Asked {
        issuer.ask(
            for: kid, notIn: issuer.version, ticket: Ticket(worker: 0, slot: slot, generation: 0), nowMS: clock.now, begin: begin)
    }

    @Test func tenThousandStrangersCauseOneFetchIn30Seconds() async {
        let issuer = adopted()
        #expect(issuer.beginsIfDue(clock.now))
        await directory.fetch(issuer)
        var began = 0
        for kid in 0..<10_000 {
            var begins = false
            _ = ask(issuer, kid: UInt64(kid + 1), slot: UInt32(kid)) { begins = true }
            if begins {
                began += 1
                await directory.fetch(issuer)
            }
            clock.pass(9)  // 90 seconds in all
        }
        #expect(began == 3 && calls.calls == 4)
        // Everybody who waited was woken, once.
        #expect(woken.tickets.withLock { $0.count } == 3)
        #expect(woken.notes.withLock { $0.isEmpty })
    }

    @Test func whoComesDuringAFetchWaitsForIt() async {
        let issuer = adopted()
        #expect(issuer.beginsIfDue(clock.now) && !issuer.beginsIfDue(clock.now))
        var began = 0
        let asked = (0..<2000).map { ask(issuer, kid: UInt64($0), slot: UInt32($0)) { began += 1 } }
        #expect(began == 0 && asked.filter { $0 == .wait }.count == Issuer.mostWaiting)
        await directory.fetch(issuer)
        #expect(woken.tickets.withLock { $0.count } == Issuer.mostWaiting)
    }

    @Test func aSetThatCameMeanwhileIsTriedAtOnce() async {
        let issuer = adopted()
        let before = issuer.version
        _ = issuer.beginsIfDue(clock.now)
        await directory.fetch(issuer)
        let asked = issuer.ask(for: 1, notIn: before, ticket: Ticket(worker: 0, slot: 0, generation: 0), nowMS: clock.now) {}
        #expect(asked == .changed)
    }

    @Test func theLastGoodSetStaysUntilItIsStale() async {
        let issuer = adopted()
        _ = issuer.beginsIfDue(clock.now)
        await directory.fetch(issuer)
        let version = issuer.version
        let lies: [OutboundAnswer] = [
            .failed(Outcome(.deadline), mayHaveRun: true), .answered(status: 503, message: "", body: good.published),
            .answered(status: 200, message: "", body: Array("<html>".utf8)), .answered(status: 200, message: "", body: Array(#"{"keys":[]}"#.utf8)),
            .answered(status: 200, message: "", body: good.published + [UInt8](repeating: 0x20, count: Issuer.mostBytes)),
        ]
        for lie in lies {
            calls.answer = lie
            clock.pass(300_000)
            #expect(issuer.beginsIfDue(clock.now))
            await directory.fetch(issuer)
            #expect(issuer.version == version && issuer.keys().set != nil)
        }
        #expect(issuer.figures(nowMS: clock.now).failures == [1, 1, 1, 1, 1])
        // Said once.
        #expect(woken.notes.withLock { $0.count } == 1)
        clock.pass(86_400_000)
        _ = issuer.beginsIfDue(clock.now)
        #expect(issuer.version != version && issuer.keys().set == nil)
        await directory.fetch(issuer)
        calls.answer = .answered(status: 200, message: "", body: good.published)
        clock.pass(30_000)
        #expect(issuer.beginsIfDue(clock.now))
        await directory.fetch(issuer)
        #expect(issuer.keys().set != nil)
        #expect(woken.notes.withLock { $0.count == 2 && $0[1] == nil })
    }

    @Test func withoutKeysItIsAskedSoonThenMoreSeldom() async {
        calls.answer = .failed(Outcome(.upstreamUnavailable), mayHaveRun: false)
        let issuer = adopted()
        for _ in 0..<1200 {  // five minutes
            if issuer.beginsIfDue(clock.now) { await directory.fetch(issuer) }
            clock.pass(250)
        }
        #expect((12...18).contains(calls.calls), "\(calls.calls)")
    }

    @Test func aReloadKeepsWhatHasNotChanged() async throws {
        let kept = adopted()
        _ = kept.beginsIfDue(clock.now)
        await directory.fetch(kept)
        #expect(adopted() === kept)
        var changed = good.settings
        changed.audiences = ["another"]
        let definitions = [IssuerDefinition(changed, Diagnostics())]
        directory.adopt(definitions)
        #expect(directory.issuers(of: definitions)[0] !== kept && kept.version == .max)
        // Nothing brings it back to life.
        kept.adopt(try #require(try? KeySet(good.published.span)), text: [1], nowMS: clock.now)
        #expect(kept.version == .max)
    }
}
