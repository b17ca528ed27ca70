import Settings
import Testing

@testable import Gateway

struct HealthTallyTests {
    let rule = Settings.Cluster.Health(probe: .tcp)

    @Test func threeFailuresInARowMakeIll() {
        var tally = HealthTally(isHealthy: true)
        var changes: [Bool] = []
        for passed in [false, false, true, false, false, false, false] { changes.append(tally.record(passed, rule)) }
        #expect(changes == [false, false, false, false, false, true, false] && !tally.isHealthy)
    }

    @Test func twoSuccessesInARowMakeWell() {
        var tally = HealthTally(isHealthy: false)
        var changes: [Bool] = []
        for passed in [true, false, true, true, true] { changes.append(tally.record(passed, rule)) }
        #expect(changes == [false, false, false, true, false] && tally.isHealthy)
    }
}
