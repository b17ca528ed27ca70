import Seeded
import Settings
import Testing

@testable import Gateway

struct RetryBudgetTests {
    func budget(_ percent: Int, _ minimum: Int, workers: Int = 1) -> RetryBudget {
        var settings = Settings.Cluster.RetryBudget()
        settings.percent = percent
        settings.minimum = minimum
        return RetryBudget(settings, workers: workers)
    }

    /// How many of `n` retries are allowed.
    func take(_ n: Int, _ budget: inout RetryBudget, _ nowMS: UInt64) -> Int {
        var taken = 0
        for _ in 0..<n where budget.takeRetry(nowMS: nowMS) { taken += 1 }
        return taken
    }

    @Test func aFifthOfTheRequestsMayBeRepeated() {
        var b = budget(20, 0)
        for _ in 0..<1000 { b.request(nowMS: 5_000) }
        #expect(take(1000, &b, 5_000) == 200)
    }

    @Test func aFewASecondAreAlwaysAllowed() {
        var b = budget(20, 10)
        #expect(take(100, &b, 5_000) == 10)
        #expect(take(100, &b, 6_000) == 10)
    }

    @Test func workersShareTheMinimum() {
        var b = budget(0, 10, workers: 4)
        #expect(take(100, &b, 5_000) == 3)
        var off = budget(0, 0)
        off.request(nowMS: 5_000)
        #expect(take(1, &off, 5_000) == 0)
    }

    @Test func whatIsTenSecondsOldIsForgotten() {
        var b = budget(20, 0)
        for _ in 0..<100 { b.request(nowMS: 5_000) }
        #expect(take(1, &b, 14_999) == 1)
        #expect(take(1, &b, 15_000) == 0)
        #expect(b.requestsInWindow == 0 && b.retriesInWindow == 1)
        _ = b.takeRetry(nowMS: 86_400_000)
        #expect(b.requestsInWindow == 0 && b.retriesInWindow == 0)
    }

    /// Everything fails and everything wants to be repeated, at uneven rates: the sum holds.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64]) func underTotalFailureTheBudgetHolds(_ seed: UInt64) {
        var random = Seeded(state: seed)
        var b = budget(20, 10)
        var nowMS: UInt64 = 1_000_000
        let begin = nowMS
        var requests = 0
        var retries = 0
        while nowMS < begin + 60_000 {
            for _ in 0..<random.count(0...40) {
                b.request(nowMS: nowMS)
                requests += 1
                for _ in 0..<2 where b.takeRetry(nowMS: nowMS) { retries += 1 }
            }
            nowMS += UInt64(random.count(1...200))
        }
        #expect(retries * 100 <= requests * 20 + 61 * 10 * 100, "\(retries) retries for \(requests) requests")
        #expect(retries > requests / 10)
    }
}
