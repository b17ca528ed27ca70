import EventCore
import Exchanges
import Testing

private let noon = Timestamp(microseconds: 43_200_000_000)
private let hour: Int64 = 3_600_000_000

private func after(_ microseconds: Int64) -> Timestamp { Timestamp(microseconds: noon.microseconds + microseconds) }

@Suite struct AffinityTests {
    private func ask(_ affinity: inout Affinity, _ action: AffinityAction, _ now: Timestamp = noon) throws(Refusal) -> [AffinityEvent] {
        let events = try affinity.decide(action, at: now)
        for event in events { affinity.apply(event, at: now) }
        return events
    }

    @Test func whoComesFirstDecidesUntilItIsReleased() throws {
        var cart = Affinity()
        #expect(try ask(&cart, .release) == [] && cart.version == 0)
        #expect(try ask(&cart, .take(isOn: false, age: hour)) == [.taken(isOn: false)])
        #expect(try ask(&cart, .take(isOn: true, age: hour)) == [])
        #expect(cart.isOn(at: noon, age: hour) == false)
        #expect(try ask(&cart, .release) == [.released])
        #expect(cart.holding == nil && cart.isOn(at: noon, age: hour) == nil)
        #expect(try ask(&cart, .take(isOn: true, age: hour)) == [.taken(isOn: true)] && cart.version == 3)
    }

    @Test func whatNobodyAddsToIsForgotten() throws {
        var cart = Affinity()
        _ = try ask(&cart, .take(isOn: false, age: hour))
        #expect(cart.isOn(at: after(hour - 1), age: hour) == false && cart.isOn(at: after(hour), age: hour) == nil)
        #expect(try ask(&cart, .take(isOn: true, age: hour), after(hour)) == [.taken(isOn: true)])
        #expect(cart.isOn(at: after(hour), age: hour) == true)
    }

    /// An event for a quarter of its age, not for each addition; and the side stays.
    @Test func whatIsAddedToIsNotForgotten() throws {
        var cart = Affinity()
        var now = noon
        for _ in 0..<100 {
            now = Timestamp(microseconds: now.microseconds + hour / 10)
            _ = try ask(&cart, .take(isOn: cart.version == 0, age: hour), now)
        }
        #expect(cart.isOn(at: now, age: hour) == true && cart.version == 34)
    }

    @Test func idsNameTheFlagAndTheEntity() throws {
        func id(_ entity: [UInt8]) throws -> Identifier { try #require(Affinity.id(flag: "f", entity: entity)) }
        let plain = try id(Array("a/b".utf8))
        let parts = try #require(Affinity.parts(of: plain))
        #expect(plain.description == "f/a/b" && parts.flag == "f" && Array(parts.entity) == Array("a/b".utf8))
        let longest = try id([UInt8](repeating: 0x78, count: 126))
        #expect(longest.bytes.count == 128 && Affinity.parts(of: longest) != nil)
        var odd = ["#x", "日本", "a\u{1}"].map { Array($0.utf8) }
        odd += [[0xff], [0xfe], [UInt8](repeating: 0x78, count: 127), [UInt8](repeating: 0x78, count: 1_000)]
        for entity in odd {
            let (first, second) = (try id(entity), try id(entity))
            #expect(first == second && first.description.count == 35 && Affinity.parts(of: first) == nil)
        }
        #expect(Set(try odd.map(id)).count == odd.count)
    }

    /// Many at once, wanting different sides: the log's first is everybody's, and one event is all that is written.
    @Test func allWhoComeAtOnceGetOneSide() async throws {
        let log = try EventLog(store: MemoryStore()) { _, _ in }
        defer { log.close() }
        let id = try #require(Affinity.id(flag: "f", entity: Array("ann".utf8)))
        let sides = await withTaskGroup(of: Bool?.self) { group in
            for i in 0..<50 {
                group.addTask {
                    guard case .state(.affinity(let found))? = try? await log.ask(.stateAfter(.affinity(id, .take(isOn: i % 2 == 0, age: hour))))
                    else { return nil }
                    return found.holding?.isOn
                }
            }
            return await group.reduce(into: Set<Bool?>()) { $0.insert($1) }
        }
        #expect(sides.count == 1 && sides != [nil] && log.feed.head == 1)
        guard case .state(.affinity(let released)) = try await log.ask(.stateAfter(.affinity(id, .release))) else { throw Refusal(.internalError, "") }
        #expect(released.holding == nil && released.version == 2)
    }
}
