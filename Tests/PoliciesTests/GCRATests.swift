import Glibc
import Testing

@testable import Policies

@Suite struct GCRATests {
    let second: UInt64 = 1_000_000_000

    @Test func aBurstThenTheRate() {
        let table = LimitTable(keys: 64)
        let rate = LimitRate(requests: 10, periodNS: second, burst: 5)
        var now = second
        for left in [4, 3, 2, 1, 0] as [UInt64] {
            let decision = table.decide(policy: 0, key: 1, now: now, rate: rate)
            #expect(decision.isAllowed && decision.remaining == left)
        }
        let refused = table.decide(policy: 0, key: 1, now: now, rate: rate)
        #expect(!refused.isAllowed && refused.remaining == 0)
        #expect(refused.retryAfterNS == second / 10)
        #expect(refused.resetNS == second / 2)
        now += refused.retryAfterNS - 1
        #expect(!table.decide(policy: 0, key: 1, now: now, rate: rate).isAllowed)
        now += 1
        #expect(table.decide(policy: 0, key: 1, now: now, rate: rate).isAllowed)
        #expect(!table.decide(policy: 0, key: 1, now: now, rate: rate).isAllowed)
        now += second * 100
        #expect(table.decide(policy: 0, key: 1, now: now, rate: rate).remaining == 4)
    }

    @Test func policiesAndKeysDoNotShare() {
        let table = LimitTable(keys: 64)
        let rate = LimitRate(requests: 1, periodNS: second, burst: 1)
        for policy in 0..<4 as Range<UInt16> {
            for key in 0..<8 as Range<UInt64> {
                #expect(table.decide(policy: policy, key: key, now: second, rate: rate).isAllowed)
                #expect(!table.decide(policy: policy, key: key, now: second, rate: rate).isAllowed)
            }
        }
    }

    @Test func costsCount() {
        let table = LimitTable(keys: 8)
        let rate = LimitRate(requests: 10, periodNS: second, burst: 10)
        #expect(table.decide(policy: 0, key: 1, now: second, rate: rate, cost: 7).remaining == 3)
        let refused = table.decide(policy: 0, key: 1, now: second, rate: rate, cost: 4)
        #expect(!refused.isAllowed && refused.remaining == 3 && refused.retryAfterNS == second / 10)
        #expect(table.decide(policy: 0, key: 1, now: second, rate: rate, cost: 3).isAllowed)
        #expect(table.decide(policy: 0, key: 2, now: second, rate: rate, cost: 11).retryAfterNS == .max)
    }

    @Test func extremesDoNotTrap() {
        let table = LimitTable(keys: 1)
        for requests in [0, 1, .max] as [UInt64] {
            for period in [0, 1, .max] as [UInt64] {
                for burst in [0, 1, .max] as [UInt64] {
                    let rate = LimitRate(requests: requests, periodNS: period, burst: burst)
                    for cost in [0, 1, .max] as [UInt32] {
                        _ = table.decide(policy: .max, key: .max, now: second, rate: rate, cost: cost)
                    }
                }
            }
        }
    }

    /// A clock that lags behind another worker's refuses at most what it should, and never traps.
    @Test func clocksMayDiffer() {
        let table = LimitTable(keys: 8)
        let rate = LimitRate(requests: 1000, periodNS: second, burst: 2)
        #expect(table.decide(policy: 0, key: 1, now: 2 * second, rate: rate).isAllowed)
        #expect(!table.decide(policy: 0, key: 1, now: second, rate: rate).isAllowed)
        #expect(table.decide(policy: 0, key: 1, now: 2 * second, rate: rate).isAllowed)
    }

    /// The long-run count equals the rate, whatever the order of arrivals: compared with the definition.
    @Test func agreesWithTheDefinition() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let burst = UInt64.random(in: 1...20, using: &random)
            let rate = LimitRate(requests: 100, periodNS: second, burst: burst)
            let table = LimitTable(keys: 8)
            var tokens = Double(burst)
            var last = second
            var now = second
            for _ in 0..<2000 {
                now += UInt64.random(in: 0...20_000_000, using: &random)
                tokens = min(Double(burst), tokens + Double(now - last) / 1e7)
                last = now
                let isAllowed = table.decide(policy: 0, key: 7, now: now, rate: rate).isAllowed
                // A token bucket in floating point: not asked where it is undecided.
                if abs(tokens - 1) > 1e-6 { #expect(isAllowed == (tokens >= 1)) }
                if isAllowed { tokens -= 1 }
            }
        }
    }

    @Test(arguments: [1, 2, 4, 8]) func exactWhenManyThreadsShareKeys(_ threads: Int) async {
        let table = LimitTable(keys: 4096)
        let rate = LimitRate(requests: 1, periodNS: 1_000 * second, burst: 500)
        let allowed = await withTaskGroup(of: [Int].self) { group in
            for _ in 0..<threads {
                group.addTask {
                    var allowed = [Int](repeating: 0, count: 64)
                    for i in 0..<64_000 {
                        // All threads begin with the same new keys at once: the race for a place.
                        if table.decide(policy: 3, key: UInt64(i & 63), now: 5, rate: rate).isAllowed { allowed[i & 63] += 1 }
                    }
                    return allowed
                }
            }
            return await group.reduce(into: [Int](repeating: 0, count: 64)) { sum, part in
                for i in 0..<64 { sum[i] += part[i] }
            }
        }
        #expect(allowed == [Int](repeating: 500, count: 64))
        #expect(table.evictions == 0)
    }

    /// New keys appear all the time from several threads: each is admitted its burst, exactly.
    @Test func exactWhileKeysComeAndGo() async {
        let table = LimitTable(keys: 512)
        let rate = LimitRate(intervalNS: 100, toleranceNS: 0)
        let total = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    var allowed = 0
                    for round in 1...5_000 as ClosedRange<UInt64> {
                        // Every round's 16 keys are new, and the last rounds' owe nothing any more.
                        for key in 0..<16 as Range<UInt64> {
                            if table.decide(policy: 0, key: round << 8 | key, now: round * 1000, rate: rate).isAllowed {
                                allowed += 1
                            }
                        }
                    }
                    return allowed
                }
            }
            return await group.reduce(0, +)
        }
        // A thread that lags many rounds may ask again for a key whose place was rightly given away.
        #expect(total >= 80_000)
    }

    @Test func aFullTableForgetsWhoOwesLeastAndNeverGrows() {
        let table = LimitTable(keys: 8)
        #expect(table.capacity == 8)
        let slow = LimitRate(requests: 1, periodNS: 1000 * second, burst: 1)
        let quick = LimitRate(requests: 1, periodNS: second, burst: 1)
        for key in 0..<7 as Range<UInt64> { _ = table.decide(policy: 0, key: key, now: second, rate: slow) }
        _ = table.decide(policy: 0, key: 7, now: second, rate: quick)
        #expect(table.decide(policy: 0, key: 8, now: second, rate: slow).isAllowed)
        #expect(table.evictions == 1)
        for key in 0..<7 as Range<UInt64> { #expect(!table.decide(policy: 0, key: key, now: second, rate: slow).isAllowed) }
        // Who owes nothing makes room without a loss.
        #expect(table.decide(policy: 0, key: 9, now: 2000 * second, rate: slow).isAllowed)
        #expect(table.evictions == 1)
    }

    @Test func whatADecisionCosts() {
        let table = LimitTable(keys: 65_536)
        let rate = LimitRate(requests: 1_000_000, periodNS: second, burst: 1000)
        var now = second
        for key in 0..<1024 as Range<UInt64> { _ = table.decide(policy: 0, key: key, now: now, rate: rate) }
        var begin = timespec()
        var end = timespec()
        let n = 2_000_000
        var allowed = 0
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin)
        for i in 0..<n {
            now += 500
            if table.decide(policy: 0, key: UInt64(i & 1023), now: now, rate: rate).isAllowed { allowed += 1 }
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
        let cost = Double((end.tv_sec - begin.tv_sec) * 1_000_000_000 + (end.tv_nsec - begin.tv_nsec)) / Double(n)
        print("limit decision: \(cost) ns")
        #expect(allowed == n)
        #if !DEBUG
            #expect(cost < 300)
        #endif
    }
}

@Suite struct KeyedHashTests {
    /// Answers of a second, independent writing of the algorithm (checked with the rounds of
    /// SipHash-2-4 against its paper's vector), key 00 01 … 0f, input 00 01 02 … of the given length.
    @Test(arguments: [
        (0, 0xabac_0158_050f_c4dc), (1, 0xc9f4_9bf3_7d57_ca93), (7, 0xd392_7d98_9bb1_1140),
        (8, 0x3690_9511_8d29_9a8e), (15, 0xd320_d86d_2a51_9956), (16, 0xcc4f_dd1a_7d90_8b66),
        (63, 0x9d19_9062_b7bb_b3a8),
    ] as [(UInt8, UInt64)]) func knownAnswers(_ length: UInt8, _ expected: UInt64) {
        let hash = KeyedHash(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        let bytes = Array(0..<length)
        let answer = hash(bytes.span)
        #expect(answer == expected)
    }

    @Test func twoWordsAreSixteenBytes() {
        let hash = KeyedHash(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        #expect(hash(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f) == 0xcc4f_dd1a_7d90_8b66)
    }

    @Test func lengthsAndKeysMatter() {
        let hash = KeyedHash(1, 2)
        var seen = Set<UInt64>()
        for n in 0..<200 { seen.insert(hash([UInt8](repeating: 0, count: n).span)) }
        #expect(seen.count == 200)
        #expect(KeyedHash()(1, 2) != KeyedHash()(1, 2))
        let a = KeyedHash()
        #expect(a(1, 2) == a(1, 2))
    }

    @Test func spreadsNeighbours() {
        let hash = KeyedHash()
        var sets = [Int](repeating: 0, count: 256)
        for i in 0..<65_536 as Range<UInt64> { sets[Int(hash(0, i) >> 40 & 255)] += 1 }
        #expect(sets.allSatisfy { $0 > 150 && $0 < 370 })
    }
}
