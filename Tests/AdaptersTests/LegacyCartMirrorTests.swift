@testable import Adapters
import Bus
import EventCore
import Exchanges
import MemoryStores
import Synchronization
import Testing

/// The legacy cart service: adds up by product, new ones last, and nothing else.
private final class LegacyCarts: CallOut {
    private struct State {
        var carts: [String: [ShopItem]] = [:]
        var methods: [String] = []
        var answer: OutboundAnswer?
        /// Carried out although the answer is lost.
        var loses = 0
    }

    private let state = Mutex(State())

    func items(of user: String) -> [ShopItem] { state.withLock { $0.carts[user] ?? [] } }
    var methods: [String] { state.withLock { $0.methods } }
    func answer(_ answer: OutboundAnswer?) { state.withLock { $0.answer = answer } }
    func lose(_ count: Int) { state.withLock { $0.loses = count } }
    func put(_ items: [ShopItem], for user: String) { state.withLock { $0.carts[user] = items } }

    func call(_ call: OutboundCall) async -> OutboundAnswer {
        state.withLock { state in
            state.methods.append(call.method)
            if let answer = state.answer { return answer }
            let fields = Proto(call.body)
            let user = fields.text(1)
            switch call.method {
            case "GetCart":
                let items = (state.carts[user] ?? []).flatMap { Proto.bytes(2, Proto.item($0.product, Int64($0.quantity))) }
                return .ok(Proto.bytes(1, Array(user.utf8)) + items)
            case "AddItem":
                let item = Proto(fields.bytes(2))
                let (product, quantity) = (item.text(1), Int32(truncatingIfNeeded: item.number(2)))
                var items = state.carts[user] ?? []
                if let at = items.firstIndex(where: { $0.product == product }) {
                    items[at].quantity += quantity
                } else {
                    items.append(ShopItem(product: product, quantity: quantity))
                }
                state.carts[user] = items
            case "EmptyCart": state.carts[user] = nil
            default: return .answered(status: 12, message: "", body: [])
            }
            if state.loses > 0 {
                state.loses -= 1
                return .failed(Outcome(.deadline, "lost"), mayHaveRun: true)
            }
            return .ok([])
        }
    }
}

@Suite(.timeLimit(.minutes(10))) struct LegacyCartMirrorTests {
    private let events = MemoryEventStore()
    private let carts = LegacyCarts()
    private let log: EventLog
    private let mirror: LegacyCartMirror

    init() throws {
        log = try EventLog(store: events) { _, _ in }
        mirror = LegacyCartMirror(cluster: "cart", log: log, calls: carts)
    }

    private func name(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

    private func change(_ actions: [CartAction]) async throws {
        let user = try name("jane")
        for action in actions { try await log.execute([.cart(user, action)]) }
    }

    private func add(_ product: String, _ quantity: Int32) throws -> CartAction {
        .add(product: try name(product), quantity: quantity)
    }

    /// Each event from `first` on.
    private func play(from first: Int = 0) async -> [Applied] {
        var results: [Applied] = []
        for event in events.events.dropFirst(first) { results.append(await mirror.apply(event)) }
        return results
    }

    private func isMirrored() async throws -> Bool {
        guard case .cart(let cart) = try await log.state(of: AggregateName(kind: .cart, id: try name("jane"))) else { return false }
        return carts.items(of: "jane") == cart.items.map { ShopItem(product: $0.product.description, quantity: $0.quantity) }
    }

    @Test func followsEventByEvent() async throws {
        let steps: [(CartAction, [String])] = [
            (try add("a", 2), ["GetCart", "AddItem"]), (try add("b", 1), ["GetCart", "AddItem"]),
            (try add("a", 3), ["GetCart", "AddItem"]),
            (.update(product: try name("b"), quantity: 7), ["GetCart", "AddItem"]),
            // Not to be said in additions: anew.
            (.update(product: try name("a"), quantity: 1), ["GetCart", "EmptyCart", "AddItem", "AddItem"]),
            (.remove(product: try name("a")), ["GetCart", "EmptyCart", "AddItem"]),
            (try add("a", 1), ["GetCart", "AddItem"]), (.empty, ["GetCart", "EmptyCart"]),
        ]
        for (i, (action, calls)) in steps.enumerated() {
            try await change([action])
            let before = carts.methods.count
            #expect(await play(from: i) == [.done])
            #expect(Array(carts.methods.dropFirst(before)) == calls)
            #expect(try await isMirrored())
        }
    }

    /// At least once means sometimes twice.
    @Test func sayingItTwiceChangesNothing() async throws {
        try await change([try add("a", 2), try add("b", 1), .update(product: try name("a"), quantity: 1)])
        for _ in 0..<2 {
            #expect(await play() == [.done, .done, .done])
            #expect(try await isMirrored())
        }
        // Only the last event of a cart that has changed meanwhile costs calls.
        #expect(carts.methods == ["GetCart", "AddItem", "AddItem", "GetCart"])
    }

    @Test func whatStrangersHaveWrittenThereGoes() async throws {
        carts.put([ShopItem(product: "x", quantity: 1)], for: "jane")
        try await change([try add("a", 2)])
        #expect(await play() == [.done])
        #expect(try await isMirrored())
    }

    @Test(arguments: [1, 2, 3])
    func anAnswerThatIsLostDoesNoHarm(_ lost: Int) async throws {
        try await change([try add("a", 2), try add("b", 1)])
        carts.lose(lost)
        var rounds = 0
        while await play(from: 1) != [.done] { rounds += 1 }
        #expect((1...lost).contains(rounds))
        #expect(try await isMirrored())
    }

    @Test func tellsWhatMayPassFromWhatWillNot() async throws {
        try await change([try add("a", 2)])
        for (status, isTransient) in [(9, true), (13, true), (14, true), (4, true), (2, true), (12, false), (3, false)] as [(UInt32, Bool)] {
            carts.answer(.answered(status: status, message: "no", body: []))
            switch (await play()[0], isTransient) {
            case (.transient(let failure), true), (.permanent(let failure), false): #expect(failure.grpcCode == status)
            case (let other, _): Issue.record("\(status): \(other)")
            }
        }
        carts.answer(.failed(Outcome(.upstreamUnavailable, "away"), mayHaveRun: false))
        guard case .transient = await play()[0] else {
            Issue.record("a service that is away may come back")
            return
        }
    }

    /// On the bus: with its retries, to the end.
    @Test func catchesUpWhenTheServiceIsBack() async throws {
        let clock = SimulatedClock()
        carts.answer(.failed(Outcome(.upstreamUnavailable, "away"), mayHaveRun: false))
        let bus = try await Bus(
            feed: log.feed, events: events, store: MemoryConsumerStore(), consumers: [mirror], clock: clock)
        try await change([try add("a", 2), try add("b", 1), .remove(product: try name("a"))])
        for _ in 0..<1000 where bus.figures[0].failed < 3 {
            clock.advance(byMS: 100)
            for _ in 0..<100 { await Task.yield() }
        }
        let isEarly = try await isMirrored()
        #expect(!isEarly)
        carts.answer(nil)
        for _ in 0..<1000 where bus.figures[0].applied < 3 {
            clock.advance(byMS: 1000)
            for _ in 0..<100 { await Task.yield() }
        }
        #expect(try await isMirrored())
        await bus.stop()
    }
}
