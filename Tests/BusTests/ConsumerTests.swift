import Bus
import EventCore
import Testing

@Suite struct ConsumerTests {
    @Test func failuresAreNotAllTheSame() {
        #expect(Applied.transient(Failure(reason: "away")) != .permanent(Failure(reason: "away")))
    }
}
