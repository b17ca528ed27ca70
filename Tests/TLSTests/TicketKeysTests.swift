import Synchronization
import Testing

@testable import TLS

/// A clock that a test moves.
final class Clock: Sendable {
    private let seconds = Atomic<UInt64>(1_000_000)
    var now: UInt64 { seconds.load(ordering: .relaxed) }
    func advance(_ by: UInt64) { seconds.add(by, ordering: .relaxed) }
}

/// Ticket keys change in time, and are forgotten in time.
@Suite struct TicketKeysTests {
    let clock = Clock()

    func keys(period: UInt64) -> TicketKeys {
        let keys = TicketKeys { [clock] in clock.now }
        keys.setPeriod(period)
        return keys
    }

    func find(_ keys: TicketKeys, _ name: [UInt8]) -> Bool? {
        name.withUnsafeBufferPointer { keys.find($0)?.isPresent }
    }

    @Test func aKeyStaysForItsPeriod() throws {
        let keys = keys(period: 100)
        let name = try #require(keys.present()).name
        clock.advance(99)
        #expect(keys.present()?.name == name && find(keys, name) == true)
    }

    @Test func thePreviousKeyStillOpens() throws {
        let keys = keys(period: 100)
        let old = try #require(keys.present())
        clock.advance(100)
        let new = try #require(keys.present())
        #expect(new.name != old.name && new.cipherKey != old.cipherKey && new.macKey != old.macKey)
        #expect(find(keys, old.name) == false && find(keys, new.name) == true)
        clock.advance(100)
        #expect(find(keys, old.name) == nil && find(keys, new.name) == false)
    }

    @Test func afterALongSilenceNothingOpens() throws {
        let keys = keys(period: 100)
        let old = try #require(keys.present()).name
        clock.advance(200)
        #expect(find(keys, old) == nil)
    }

    @Test func aShorterPeriodTakesEffectAtOnce() throws {
        let keys = keys(period: 10_000)
        let old = try #require(keys.present()).name
        keys.setPeriod(10)
        clock.advance(10)
        #expect(keys.present()?.name != old && find(keys, old) == false)
    }

    @Test func aReloadKeepsTheKey() throws {
        let vault = TicketVault()
        let name = try #require(vault.keys(of: "public").present()).name
        #expect(vault.keys(of: "public").present()?.name == name)
        #expect(vault.keys(of: "other").present()?.name != name)
    }

    @Test func anUnknownNameFindsNothing() {
        #expect(find(keys(period: 10), [UInt8](repeating: 0, count: 16)) == nil)
    }
}
