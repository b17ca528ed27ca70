import EventCore
import Exchanges
import Testing

private let noon = Timestamp(microseconds: 43_200_000_000)

@Suite struct FlagTests {
    private func ask(_ flag: inout Flag, _ action: FlagAction) throws(Refusal) -> [FlagEvent] {
        let events = try flag.decide(action, at: noon)
        for event in events { flag.apply(event, at: noon) }
        return events
    }

    @Test func anOverrideStandsUntilItIsCleared() throws {
        var flag = Flag()
        #expect(flag.override == nil)
        let first = FlagChange(weight: 2_500, previous: 100, note: "go", by: "ann")
        #expect(try ask(&flag, .setWeight(2_500, file: 100, note: "go", by: "ann")) == [.weightSet(first)])
        #expect(flag.override == Flag.Override(weight: 2_500, note: "go", by: "ann", since: noon))
        // What comes before is the override, whatever the file says by then.
        #expect(try ask(&flag, .setWeight(0, file: 300, note: nil, by: "bob")) == [.weightSet(FlagChange(weight: 0, previous: 2_500, note: nil, by: "bob"))])
        #expect(flag.override?.weight == 0 && flag.override?.note == nil)
        #expect(try ask(&flag, .clearWeight(file: 300, note: nil, by: "bob")) == [.weightCleared(FlagChange(weight: 300, previous: 0, note: nil, by: "bob"))])
        #expect(flag.override == nil && flag.version == 3)
    }

    @Test func whatIsSoAlreadyIsNoEvent() throws {
        var flag = Flag()
        #expect(try ask(&flag, .clearWeight(file: 0, note: nil, by: "a")) == [])
        _ = try ask(&flag, .setWeight(5, file: 5, note: "n", by: "a"))
        #expect(flag.version == 1, "the file may say the same: from now on it does not matter what it says")
        #expect(try ask(&flag, .setWeight(5, file: 5, note: nil, by: "b")) == [])
        #expect(try ask(&flag, .setWeight(5, file: 5, note: "n", by: "b")) == [])
        #expect(try ask(&flag, .setWeight(5, file: 5, note: "more", by: "b")).count == 1)
    }

    @Test func boundsAreKept() {
        var flag = Flag()
        #expect(throws: Refusal.self) { try ask(&flag, .setWeight(10_001, file: 0, note: nil, by: "a")) }
        #expect(throws: Refusal.self) { try ask(&flag, .setWeight(1, file: 0, note: String(repeating: "é", count: 501), by: "a")) }
        #expect(throws: Never.self) { try ask(&flag, .setWeight(1, file: 0, note: String(repeating: "é", count: 500), by: "a")) }
    }
}
