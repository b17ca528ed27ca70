import Settings
import Testing

@testable import Gateway

/// Connections by address, while more addresses are there than the table has places.
@Suite struct ListenerShareTests {
    /// One that there was no place for at first is not let go in place of one that was counted later.
    @Test func nobodyIsLetGoTwice() {
        var listener = Listener(name: "public", port: 0)
        listener.maxConnections = 10_000_000
        let share = ListenerShare(listener, isInherited: false)
        func peer(_ i: UInt64) -> (high: UInt64, low: UInt64) { (i, 1) }
        // More than the table holds, three each: some get no place.
        for i in 1...90_000 as ClosedRange<UInt64> {
            for _ in 0..<3 { #expect(share.enter(peer(i), isTrusted: false)) }
        }
        for i in 1...60_000 as ClosedRange<UInt64> {
            for _ in 0..<3 { share.leave(peer(i)) }
        }
        // There is room now: a fourth one of each is counted, and the first three leave.
        for i in 60_001...90_000 as ClosedRange<UInt64> {
            #expect(share.enter(peer(i), isTrusted: false))
            for _ in 0..<3 { share.leave(peer(i)) }
        }
        listener.maxConnectionsPerAddress = 1
        var configuration = Configuration()
        configuration.listeners = [listener]
        share.adopt(configuration)
        let admitted = (60_001...90_000 as ClosedRange<UInt64>).count { share.enter(peer($0), isTrusted: false) }
        #expect(admitted == 0, "each has one open already")
    }
}
