import Exchanges
import Testing

@testable import Policies

@Suite struct ShieldTests {
    private let second: UInt64 = 1_000_000_000
    private let rate = LimitRate(requests: 1, periodNS: 1_000_000_000, burst: 2)

    private func isRefused(_ verdict: Verdict) -> Bool { if case .answer = verdict { true } else { false } }
    private func outcome(_ verdict: Verdict) -> Outcome? { if case .answer(let outcome) = verdict { outcome } else { nil } }

    private func shield() -> Shield { Shield(LimitTable(keys: 1024), hash: KeyedHash()) }

    /// Spends the burst of one peer; then another asks.
    private func sharesBudget(_ one: (high: UInt64, low: UInt64), _ other: (high: UInt64, low: UInt64)) -> Bool {
        let shield = shield()
        for _ in 0..<2 { #expect(!isRefused(shield.decide(policy: 1, peer: one, now: second, rate: rate))) }
        #expect(isRefused(shield.decide(policy: 1, peer: one, now: second, rate: rate)))
        return isRefused(shield.decide(policy: 1, peer: other, now: second, rate: rate))
    }

    private func v4(_ address: UInt64) -> (high: UInt64, low: UInt64) { (0, 0xffff_0000_0000 | address) }

    @Test func everyIPv4AddressHasItsOwnBudget() {
        #expect(!sharesBudget(v4(0xc000_0201), v4(0xc000_0202)))
        #expect(sharesBudget(v4(0xc000_0201), v4(0xc000_0201)))
    }

    /// One subscriber has a whole /64, and can use another address of it for each request.
    @Test func anIPv6PeerIsItsNetwork() {
        let network: UInt64 = 0x2001_0db8_0001_0002
        #expect(sharesBudget((network, 1), (network, 0xffff_ffff_ffff_ffff)))
        #expect(!sharesBudget((network, 1), (network + 1, 1)))
        // Not the mapped form: only `::ffff:0:0/96` is IPv4.
        #expect(sharesBudget((network, 0xffff_c000_0201), (network, 0xffff_c000_0202)))
        #expect(!sharesBudget((0, 1), v4(1)))
    }

    @Test func policiesDoNotShare() {
        let shield = shield()
        for policy in 0..<3 as Range<UInt16> {
            for _ in 0..<2 { #expect(!isRefused(shield.decide(policy: policy, peer: v4(1), now: second, rate: rate))) }
            #expect(isRefused(shield.decide(policy: policy, peer: v4(1), now: second, rate: rate)))
        }
    }

    /// Whoever waits as long as he is told is let in.
    @Test func retryAfterIsTheTimeToWait() throws {
        let shield = shield()
        var now = second
        for _ in 0..<2 { _ = shield.decide(policy: 0, peer: v4(9), now: now, rate: rate) }
        now += 250_000_000
        let refused = try #require(outcome(shield.decide(policy: 0, peer: v4(9), now: now, rate: rate)))
        #expect(refused.code == .rateLimited && refused.httpStatus == 429 && refused.retryAfterMS == 750)
        now += 749_000_000
        #expect(isRefused(shield.decide(policy: 0, peer: v4(9), now: now, rate: rate)))
        now += 1_000_000
        #expect(!isRefused(shield.decide(policy: 0, peer: v4(9), now: now, rate: rate)))
    }

    @Test func retryAfterIsNeverZeroAndNeverOverflows() throws {
        let shield = shield()
        let quick = LimitRate(requests: 1_000_000, periodNS: second, burst: 1)
        _ = shield.decide(policy: 0, peer: v4(1), now: second, rate: quick)
        let soon = try #require(outcome(shield.decide(policy: 0, peer: v4(1), now: second, rate: quick)))
        #expect(soon.retryAfterMS == 1)
        let slow = LimitRate(requests: 1, periodNS: .max >> 2, burst: 1)
        _ = shield.decide(policy: 1, peer: v4(1), now: second, rate: slow)
        let late = try #require(outcome(shield.decide(policy: 1, peer: v4(1), now: second, rate: slow)))
        #expect(late.retryAfterMS == .max)
    }

    /// Two workers, one table, one secret: a peer has one budget.
    @Test func workersShareTheBudget() {
        let table = LimitTable(keys: 64)
        let hash = KeyedHash()
        let workers = [Shield(table, hash: hash), Shield(table, hash: hash)]
        let verdicts = (0..<4).map { workers[$0 & 1].decide(policy: 0, peer: v4(5), now: second, rate: rate) }
        #expect(verdicts.map(isRefused) == [false, false, true, true])
    }
}

@Suite struct CollectTests {
    private func decide(_ complete: Bool, _ announced: UInt64?, _ limit: UInt64) -> String {
        switch Collect.decide(complete: complete, announced: announced, limit: limit) {
        case .proceed: "proceed"
        case .park: "park"
        case .collect: "collect"
        case .answer(let outcome): "\(outcome.httpStatus)"
        }
    }

    @Test func waitsForTheWholeBody() {
        #expect(decide(false, 10, 10) == "park")
        #expect(decide(true, 10, 10) == "proceed")
        #expect(decide(false, nil, 10) == "park")
        #expect(decide(true, nil, 10) == "proceed")
        #expect(decide(true, 0, 0) == "proceed")
    }

    /// Too large is known from the head, before a byte of the body is read.
    @Test func announcedBodiesAreBoundedAtOnce() {
        #expect(decide(false, 11, 10) == "413")
        #expect(decide(true, 11, 10) == "413")
        #expect(decide(false, .max, .max) == "park")
        #expect(decide(false, .max, 0) == "413")
        #expect(decide(false, 1, 0) == "413")
    }
}
