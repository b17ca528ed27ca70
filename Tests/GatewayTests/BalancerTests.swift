import Seeded
import Testing

@testable import Gateway

struct BalancerTests {
    func balancer(_ standings: [Standing], nowMS: UInt64 = 1_000_000, slowStart: UInt32 = 0) -> Balancer {
        var made = Balancer()
        made.place(standings.indices.map { Array("endpoint-\($0)".utf8) })
        made.adopt(Selection(of: standings, nowMS: nowMS, panic: 50, slowStart: slowStart), of: standings.count)
        return made
    }

    func counts(_ n: Int, of endpoints: Int, _ choose: () -> Int) -> [Int] {
        var counts = Array(repeating: 0, count: endpoints)
        for _ in 0..<n { counts[choose()] += 1 }
        return counts
    }

    // MARK: - In turn

    @Test func turnsAreEqual() {
        var b = balancer(Array(repeating: Standing(), count: 7))
        #expect(counts(700, of: 7) { b.roundRobin(avoiding: nil) } == Array(repeating: 100, count: 7))
    }

    @Test func turnsPassOverWhoIsAway() {
        var b = balancer([Standing(), Standing(isHealthy: false), Standing()])
        #expect(counts(100, of: 3) { b.roundRobin(avoiding: nil) } == [50, 0, 50])
        #expect((0..<10).allSatisfy { _ in b.roundRobin(avoiding: 0) == 2 })
    }

    @Test func aSlowStartMissesSomeTurns() {
        var b = balancer([Standing(), Standing(), Standing(sinceMS: 995_000)], slowStart: 10_000)
        let share = counts(2500, of: 3) { b.roundRobin(avoiding: nil) }
        #expect(share == [1000, 1000, 500])
    }

    // MARK: - Least request

    @Test func theLessBusyOfTwoIsTaken() {
        let b = balancer([Standing(), Standing()])
        var random = Seeded(state: 1)
        let taken = counts(100, of: 2) {
            b.leastRequest(avoiding: nil, draw: { Int.random(in: 0..<$0, using: &random) }, active: { $0 == 0 ? 3 : 2 })
        }
        #expect(taken == [0, 100])
    }

    @Test func drawnPairsAreFairAndNeverTheAvoided() {
        let b = balancer(Array(repeating: Standing(), count: 10))
        var random = Seeded(state: 2)
        func choose(_ avoiding: Int?) -> Int {
            b.leastRequest(avoiding: avoiding, draw: { Int.random(in: 0..<$0, using: &random) }, active: { _ in 0 })
        }
        let fair = counts(10_000, of: 10) { choose(nil) }
        #expect(fair.allSatisfy { (850...1150).contains($0) }, "\(fair)")
        #expect(counts(1000, of: 10) { choose(4) }[4] == 0)
    }

    /// The steady queue of the most loaded stays near that of the others.
    @Test func loadStaysLevel() {
        let b = balancer(Array(repeating: Standing(), count: 20))
        var random = Seeded(state: 3)
        var active = Array(repeating: 0, count: 20)
        for _ in 0..<20_000 {
            active[b.leastRequest(avoiding: nil, draw: { Int.random(in: 0..<$0, using: &random) }, active: { active[$0] })] += 1
            if active.reduce(0, +) > 400 { active[random.pick(active.indices.filter { active[$0] > 0 })] -= 1 }
        }
        #expect((active.max() ?? 0) - (active.min() ?? 0) <= 14, "\(active)")
    }

    @Test func aSlowStartGetsItsShareWhateverItsLoad() {
        // A quarter of the time has passed: a quarter of a full share, which is 1/2 here.
        let b = balancer([Standing(), Standing(sinceMS: 997_500)], slowStart: 10_000)
        var random = Seeded(state: 4)
        let taken = counts(10_000, of: 2) {
            b.leastRequest(avoiding: nil, draw: { Int.random(in: 0..<$0, using: &random) }, active: { _ in 0 })
        }
        #expect((1000...1500).contains(taken[1]), "\(taken)")
    }

    // MARK: - By hash

    @Test func aKeyStaysWhereItIs() {
        let b = balancer(Array(repeating: Standing(), count: 5))
        for key in 0..<1000 {
            let hash = HashPlaces.mix(UInt64(key), 7)
            #expect(b.byHash(hash, avoiding: nil) { _ in false } == b.byHash(hash, avoiding: nil) { _ in false })
        }
    }

    @Test func keysAreSpreadEvenly() {
        let b = balancer(Array(repeating: Standing(), count: 10))
        var key: UInt64 = 0
        let spread = counts(100_000, of: 10) {
            key += 1
            return b.byHash(HashPlaces.mix(key, 3), avoiding: nil) { _ in false } ?? 0
        }
        #expect(spread.allSatisfy { (9_000...11_000).contains($0) }, "\(spread)")
    }

    /// While an endpoint is away only its own keys move, they spread over the others, and they come back.
    @Test func onlyTheKeysOfTheAbsentMove() {
        let all = balancer(Array(repeating: Standing(), count: 10))
        let without = balancer((0..<10).map { Standing(isHealthy: $0 != 3) })
        var moved = Array(repeating: 0, count: 10)
        for key in 0..<20_000 {
            let hash = HashPlaces.mix(UInt64(key), 9)
            let before = all.byHash(hash, avoiding: nil) { _ in false }
            let during = without.byHash(hash, avoiding: nil) { _ in false }
            if before == 3, let during { moved[during] += 1 } else { #expect(before == during) }
        }
        #expect(moved[3] == 0 && moved.enumerated().allSatisfy { $0.offset == 3 || $0.element > 130 }, "\(moved)")
    }

    /// An endpoint that leaves for good takes its own keys' places with it and few others.
    @Test func fewKeysMoveWhenAnEndpointLeaves() {
        let names = (0..<10).map { Array("endpoint-\($0)".utf8) }
        let before = HashPlaces(names)
        let after = HashPlaces(Array(names.dropLast()))
        var others = 0
        for key in 0..<20_000 {
            let hash = HashPlaces.mix(UInt64(key), 5)
            let old = before.place(hash, 0)
            if old != 9 && old != after.place(hash, 0) { others += 1 }
        }
        #expect(others < 20_000 / 20, "\(others) of 20000 keys moved though their endpoint stayed")
    }

    @Test func theOrderOfTheListDoesNotMatter() {
        let names = (0..<10).map { Array("endpoint-\($0)".utf8) }
        let straight = HashPlaces(names)
        let turned = HashPlaces(names.reversed())
        for key in 0..<1000 { #expect(straight.place(UInt64(key), 0) == 9 - turned.place(UInt64(key), 0)) }
    }

    @Test func aKeyThatIsTooPopularIsShared() {
        let b = balancer(Array(repeating: Standing(), count: 10))
        var active = Array(repeating: 0, count: 10)
        for _ in 0..<1000 {
            let total = active.reduce(0, +)
            let chosen = b.byHash(42, avoiding: nil) { active[$0] >= max(32, total * 3 / 20) }
            active[chosen ?? (active.indices.min { active[$0] < active[$1] } ?? 0)] += 1
        }
        #expect((active.max() ?? 0) <= 152, "\(active)")
        #expect(b.byHash(42, avoiding: nil) { _ in true } == nil)
    }

    @Test func aSlowStartGetsMoreAndMoreKeysForGood() {
        var own: Set<Int> = []
        for age in stride(from: UInt64(0), through: 10_000, by: 1_000) {
            let b = balancer([Standing(), Standing(sinceMS: 1_000_000 - age)], slowStart: 10_000)
            let now = Set((0..<2000).filter { b.byHash(HashPlaces.mix(UInt64($0), 11), avoiding: nil) { _ in false } == 1 })
            #expect(own.isSubset(of: now))
            own = now
        }
        #expect((900...1100).contains(own.count))
    }

    // MARK: - Cost

    /// Not a bound for all machines, but a choice must never look at all endpoints.
    @Test(arguments: [2, 1000]) func aChoiceTakesTheSameTimeForManyEndpoints(_ n: Int) {
        var b = balancer(Array(repeating: Standing(), count: n))
        var random = Seeded(state: 5)
        let active = Array(repeating: 1, count: n)
        let clock = ContinuousClock()
        var sum = 0
        func time(_ choose: () -> Int) -> Duration {
            // The fastest of many: others may have the processor meanwhile.
            (0..<20).map { _ in clock.measure { for _ in 0..<5000 { sum &+= choose() } } / 5000 }.min() ?? .zero
        }
        let times = [
            time { b.roundRobin(avoiding: nil) },
            time { b.leastRequest(avoiding: nil, draw: { Int(random.next() >> 33) % $0 }, active: { active[$0] }) },
            time { b.byHash(random.next(), avoiding: nil) { active[$0] > 5 } ?? 0 },
        ]
        print("a choice among \(n): round robin, least request, hash: \(times)")
        #expect(times.allSatisfy { $0 < .microseconds(50) } && sum > 0)
    }
}
