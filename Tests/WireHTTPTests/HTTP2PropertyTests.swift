import HTTP2Scripts
import Seeded
import Testing
import WireHTTP

/// What the fuzzers look for in any input holds in some that are drawn.
@Suite struct HTTP2PropertyTests {
    private func inputs(_ seed: UInt64, _ number: Int, _ most: Int) -> [[UInt8]] {
        var random = Seeded(state: seed)
        return (0..<number).map { _ in (0..<random.count(1...most)).map { _ in UInt8.random(in: 0...255, using: &random) } }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func anyPeerIsBorne(_ seed: UInt64) {
        for input in inputs(seed, 20, 600) {
            #expect(ScriptedSession.run(.server, input) == nil, "\(input)")
            #expect(ScriptedSession.run(.client, input) == nil, "\(input)")
        }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func bodiesArriveAsTheyWereSent(_ seed: UInt64) {
        for input in inputs(seed &+ 1000, 5, 800) { #expect(TwoSides.run(Choices(input)) == nil, "\(input)") }
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func requestsStayOneRequest(_ seed: UInt64) {
        for input in inputs(seed &+ 2000, 100, 60) { #expect(Conversion.run(Choices(input)) == nil, "\(input)") }
    }
}
