import Glibc
import Testing

@testable import Policies

@Suite struct WindowTests {
    let second: UInt64 = 1_000_000_000

    @Test func tenAnHourAreTenAnHour() {
        let hour = 3600 * second
        let table = WindowTable(keys: 64, requests: 10)
        for i in 0..<10 as Range<UInt64> {
            let decision = table.decide(key: 1, now: hour + i * second, requests: 10, periodNS: hour).decision
            #expect(decision.isAllowed && decision.remaining == 9 - i)
        }
        let refused = table.decide(key: 1, now: hour + 10 * second, requests: 10, periodNS: hour).decision
        #expect(!refused.isAllowed && refused.remaining == 0 && refused.retryAfterNS == hour - 10 * second)
        // Where GCRA would have given one back after six minutes, a window has none until the first is an hour old.
        #expect(!table.decide(key: 1, now: 2 * hour - 1, requests: 10, periodNS: hour).decision.isAllowed)
        #expect(table.decide(key: 1, now: 2 * hour, requests: 10, periodNS: hour).decision.isAllowed)
        #expect(!table.decide(key: 1, now: 2 * hour, requests: 10, periodNS: hour).decision.isAllowed)
        #expect(table.decide(key: 2, now: 2 * hour, requests: 10, periodNS: hour).decision.isAllowed, "keys do not share")
    }

    /// Against the definition: a list of all times, counted from the start at each step.
    @Test func agreesWithTheDefinition() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<60 {
            let requests = Int.random(in: 1...40, using: &random)
            let period = UInt64.random(in: 10...500, using: &random)
            let table = WindowTable(keys: 8, requests: requests)
            var granted: [UInt64] = []
            var now: UInt64 = 1000
            for _ in 0..<400 {
                now += UInt64.random(in: 0...(period / 8 + 1), using: &random)
                let cost = Int.random(in: 1...3, using: &random)
                let live = granted.filter { $0 + period > now }.sorted()
                let (decision, at) = table.decide(key: 7, now: now, requests: requests, periodNS: period, cost: cost)
                #expect(decision.isAllowed == (live.count + cost <= requests))
                #expect(at == now)
                if decision.isAllowed {
                    #expect(decision.remaining == UInt64(requests - live.count - cost))
                    granted += Array(repeating: now, count: cost)
                } else if cost <= requests {
                    #expect(decision.remaining == UInt64(requests - live.count))
                    #expect(now + decision.retryAfterNS == live[live.count + cost - requests - 1] + period)
                } else {
                    #expect(decision.retryAfterNS == .max)
                }
                if Int.random(in: 0..<4, using: &random) == 0, let some = granted.filter({ $0 + period > now }).randomElement(using: &random) {
                    table.refund(key: 7, at: some)
                    granted.remove(at: granted.firstIndex(of: some) ?? 0)
                }
            }
        }
    }

    @Test func whatIsGivenBackTwiceOrLateIsNot() {
        let table = WindowTable(keys: 8, requests: 2)
        let (_, at) = table.decide(key: 1, now: second, requests: 2, periodNS: second)
        _ = table.decide(key: 1, now: second + 1, requests: 2, periodNS: second)
        table.refund(key: 1, at: at)
        table.refund(key: 1, at: at)
        table.refund(key: 2, at: at)
        table.refund(key: 1, at: 5)
        #expect(table.decide(key: 1, now: second + 2, requests: 2, periodNS: second).decision.isAllowed)
        #expect(!table.decide(key: 1, now: second + 2, requests: 2, periodNS: second).decision.isAllowed)
    }

    @Test func numbersMayChangeAsLongAsTheRingIsWideEnough() {
        let table = WindowTable(keys: 8, requests: 10)
        #expect(table.width == 16)
        for _ in 0..<10 { #expect(table.decide(key: 1, now: second, requests: 10, periodNS: second).decision.isAllowed) }
        #expect(!table.decide(key: 1, now: second, requests: 5, periodNS: second).decision.isAllowed)
        #expect(table.decide(key: 1, now: second, requests: 16, periodNS: second).decision.remaining == 5)
        #expect(table.decide(key: 1, now: second + 9, requests: 5, periodNS: 8).decision.isAllowed, "a shorter period")
    }

    @Test func aClockThatLagsTakesNothingOutOfOrder() {
        let table = WindowTable(keys: 8, requests: 3)
        #expect(table.decide(key: 1, now: 5 * second, requests: 3, periodNS: second).at == 5 * second)
        #expect(table.decide(key: 1, now: 5 * second - 99, requests: 3, periodNS: second).at == 5 * second)
        #expect(table.decide(key: 1, now: 5 * second + 1, requests: 3, periodNS: second).decision.isAllowed)
        #expect(!table.decide(key: 1, now: 5 * second + 2, requests: 3, periodNS: second).decision.isAllowed)
        #expect(table.decide(key: 1, now: 6 * second, requests: 3, periodNS: second).decision.remaining == 1)
    }

    @Test func exactWithManyThreads() async {
        let table = WindowTable(keys: 1024, requests: 1000)
        let total = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask { [second] in
                    var allowed = 0
                    for i in 0..<4000 as Range<UInt64> where table.decide(key: i % 4, now: second, requests: 1000, periodNS: second).decision.isAllowed {
                        allowed += 1
                    }
                    return allowed
                }
            }
            return await group.reduce(0, +)
        }
        #expect(total == 4000)
    }

    @Test func whoWasQuietLongestMakesRoom() {
        let table = WindowTable(keys: 8, requests: 1)
        #expect(table.capacity == 8)
        for key in 0..<8 as Range<UInt64> { _ = table.decide(key: key, now: second + key, requests: 1, periodNS: second) }
        #expect(table.decide(key: 8, now: second + 8, requests: 1, periodNS: second).decision.isAllowed)
        #expect(table.evictions == 1)
        #expect(!table.decide(key: 1, now: second + 9, requests: 1, periodNS: second).decision.isAllowed)
        #expect(table.decide(key: 9, now: 9 * second, requests: 1, periodNS: second).decision.isAllowed)
        #expect(table.evictions == 1, "nobody whose units were over is missed")
    }
}

@Suite struct ConcurrencyTests {
    @Test func soManyAtOnceAndNoMore() {
        let table = ConcurrencyTable(keys: 64)
        for left in [2, 1, 0] as [UInt64] {
            let decision = table.acquire(policy: 1, key: 1, limit: 3)
            #expect(decision.isAllowed && decision.remaining == left)
        }
        #expect(!table.acquire(policy: 1, key: 1, limit: 3).isAllowed)
        #expect(table.acquire(policy: 2, key: 1, limit: 3).isAllowed && table.acquire(policy: 1, key: 2, limit: 3).isAllowed)
        table.release(policy: 1, key: 1)
        #expect(!table.acquire(policy: 1, key: 1, limit: 3, cost: 2).isAllowed)
        #expect(table.acquire(policy: 1, key: 1, limit: 3).isAllowed)
        #expect(!table.acquire(policy: 1, key: 1, limit: 2).isAllowed, "a limit that has become smaller")
        for _ in 0..<3 { table.release(policy: 1, key: 1) }
        table.release(policy: 1, key: 1)
        #expect(table.acquire(policy: 1, key: 1, limit: 3).remaining == 2, "never more than there are")
    }

    @Test func aFullSetLetsNobodyElseIn() {
        let table = ConcurrencyTable(keys: 8)
        for key in 0..<8 as Range<UInt64> { #expect(table.acquire(policy: 0, key: key, limit: 1).isAllowed) }
        #expect(!table.acquire(policy: 0, key: 9, limit: 1).isAllowed)
        #expect(table.overflows == 1)
        table.release(policy: 0, key: 3)
        #expect(table.acquire(policy: 0, key: 9, limit: 1).isAllowed)
    }

    @Test func manyThreadsHoldNoMoreThanTheLimit() async {
        let table = ConcurrencyTable(keys: 64)
        let most = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var most = 0
                    for _ in 0..<20_000 {
                        let decision = table.acquire(policy: 0, key: 5, limit: 6)
                        guard decision.isAllowed else { continue }
                        most = max(most, 6 - Int(decision.remaining))
                        table.release(policy: 0, key: 5)
                    }
                    return most
                }
            }
            return await group.reduce(0, max)
        }
        #expect(most <= 6)
        #expect(table.acquire(policy: 0, key: 5, limit: 6).remaining == 5, "all was given back")
    }
}
