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
        func id(_ entity: String) throws -> Identifier { try #require(Affinity.id(flag: "f", entity: Array(entity.utf8))) }
        #expect(try id("ann").description == "f/ann" && Affinity.parts(of: try id("a/b")).map { ($0.flag, Array($0.entity)) }?.1 == Array("a/b".utf8))
        let odd = ["#x", "日本", "a\u{1}", String(repeating: "x", count: 127), String(repeating: "x", count: 1_000)]
        for entity in odd {
            #expect(try id(entity).description.count == 35 && Affinity.parts(of: try id(entity)) == nil)
            #expect(!Affinity.isPlain(Array(entity.utf8).span, flag: 1) && id(entity) == id(entity))
        }
        #expect(Set(try odd.map(id)).count == odd.count && id(String(repeating: "x", count: 126)).bytes.count == 128)
        #expect(try #require(Affinity.id(flag: "f", entity: [0xff])) != #require(Affinity.id(flag: "f", entity: [0xfe])))
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
