import Testing

@testable import Gateway

struct AvailabilityTests {
    func selection(_ standings: [Standing], nowMS: UInt64 = 1000, panic: Int = 50, slowStart: UInt32 = 0) -> Selection {
        Selection(of: standings, nowMS: nowMS, panic: panic, slowStart: slowStart)
    }

    @Test func unhealthyAndEjectedEndpointsAreLeftOut() {
        let made = selection([Standing(), Standing(isHealthy: false), Standing(ejectedUntilMS: 1001), Standing(), Standing()])
        #expect(made.members == [0, 3, 4] && !made.isPanic)
        #expect(made.weights.allSatisfy { $0 == Selection.full })
        #expect(made.nextChangeMS == 1001)
    }

    @Test func anEjectionEndsByItself() {
        let standings = [Standing(), Standing(ejectedUntilMS: 1001)]
        #expect(selection(standings, nowMS: 1000).members == [0])
        #expect(selection(standings, nowMS: 1001).members == [0, 1])
    }

    /// Fewer than half available is panic, half is not.
    @Test(arguments: [(4, 2, false), (4, 1, true), (2, 1, false), (2, 0, true), (1, 0, true), (3, 1, true)])
    func tooFewAvailableMeansAll(_ count: Int, _ available: Int, _ panic: Bool) {
        let standings = (0..<count).map { Standing(isHealthy: $0 < available) }
        let made = selection(standings)
        #expect(made.isPanic == panic && made.members.count == (panic ? count : available))
    }

    @Test func withoutAPanicThresholdNoneMeansNone() {
        let made = selection([Standing(isHealthy: false), Standing(isHealthy: false)], panic: 0)
        #expect(made.members.isEmpty && !made.isPanic)
    }

    @Test func anEndpointThatJoinsGrowsToItsShare() {
        func weight(_ age: UInt64) -> UInt8 {
            selection([Standing(), Standing(sinceMS: 20_000)], nowMS: 20_000 + age, slowStart: 10_000).weights[1]
        }
        #expect(weight(0) == Selection.least && weight(5_000) == 32 && weight(10_000) == Selection.full)
        #expect((0...100).map { weight($0 * 100) } == (0...100).map { weight($0 * 100) }.sorted())
    }

    @Test func theEndOfAnEjectionIsANewBeginning() {
        let made = selection([Standing(), Standing(ejectedUntilMS: 50_000)], nowMS: 51_000, slowStart: 10_000)
        #expect(made.weights == [Selection.full, 6])
        #expect(made.nextChangeMS < 52_000)
    }

    @Test func whenAllAreNewAllAreEqual() {
        let made = selection([Standing(sinceMS: 900), Standing(sinceMS: 900)], slowStart: 10_000)
        #expect(made.weights == [Selection.full, Selection.full])
    }
}
