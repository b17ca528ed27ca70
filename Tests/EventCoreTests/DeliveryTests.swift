import EventCore
import Exchanges
import Seeded
import Synchronization
import Testing
import Threads

/// A log on a store, asked one thing after the other, or several in one group.
private final class Asked: Sendable {
    let log: EventLog
    private let heard: Heard
    private let slots = Atomic<UInt32>(0)

    private final class Heard: Sendable {
        private let state = Mutex<[UInt32: Reply.Outcome]>([:])
        private let bell = Bell()

        func deliver(_ replies: [Reply]) {
            state.withLock { state in for reply in replies { state[reply.ticket.slot] = reply.outcome } }
            bell.ring()
        }

        func wait(for slot: UInt32) -> String {
            while true {
                switch state.withLock({ $0[slot] }) {
                case nil: bell.wait()
                case .accepted(let accepted): return "\(accepted.version)"
                case .repeated(let accepted): return "again \(accepted.version)"
                case .delivered: return "delivered"
                case .releasedDelivery(let isKnown): return isKnown ? "let go" : "unknown"
                case .refused(let refusal): return "\(refusal.outcome.code.name)"
                default: return "?"
                }
            }
        }
    }

    init(_ store: any EventStore, _ limits: DeliveryLimits = DeliveryLimits()) throws {
        let heard = Heard()
        self.heard = heard
        log = try EventLog(store: store, options: .init(deliveries: limits)) { heard.deliver($1) }
    }

    func put(_ work: Submission.Work, _ mark: DeliveryMark? = nil, key: RepeatKey? = nil) -> UInt32 {
        let slot = slots.add(1, ordering: .relaxed).newValue
        let ticket = Ticket(worker: 0, slot: slot, generation: 1)
        #expect(log.submit(Submission(ticket: ticket, work: work, repeatKey: key, delivery: mark)))
        return slot
    }

    func answer(_ slot: UInt32) -> String { heard.wait(for: slot) }

    func send(_ mark: DeliveryMark?, key: RepeatKey? = nil, expected: ExpectedVersion = .any, quantity: Int32 = 1) throws -> String {
        answer(put(try one(expected, quantity: quantity), mark, key: key))
    }

    func one(_ expected: ExpectedVersion = .any, quantity: Int32 = 1) throws -> Submission.Work {
        .command(.cart(try #require(Identifier("ann")), .add(product: try #require(Identifier("p")), quantity: quantity)), expected: expected)
    }

    func release(_ session: UInt64, _ packetID: UInt16) -> String {
        answer(put(.releaseDelivery(session: session, packetID: packetID)))
    }

    func forget(_ session: UInt64) -> String { answer(put(.forgetDeliveries(session: session))) }
}

private func once(_ packetID: UInt16, _ fingerprint: UInt64 = 1, session: UInt64 = 7) -> DeliveryMark {
    DeliveryMark(session: session, packetID: packetID, isExactlyOnce: true, isResent: false, fingerprint: fingerprint, window: 4)
}

private func least(
    _ packetID: UInt16, _ fingerprint: UInt64 = 1, again: Bool = false, session: UInt64 = 7, window: UInt16 = 4
) -> DeliveryMark {
    DeliveryMark(
        session: session, packetID: packetID, isExactlyOnce: false, isResent: again, fingerprint: fingerprint, window: window)
}

@Suite(.timeLimit(.minutes(10))) struct DeliveryTests {
    @Test func exactlyOnceUntilItIsReleased() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try shop.send(once(1)) == "1")
        #expect(try shop.send(once(1)) == "delivered")
        #expect(try shop.send(once(1, 2)) == "IDEMPOTENCY_KEY_REUSED")
        #expect(try shop.send(once(1, session: 8)) == "2")
        #expect(try shop.send(once(2)) == "3")
        #expect(shop.release(7, 1) == "let go" && shop.release(7, 1) == "unknown" && shop.release(9, 1) == "unknown")
        #expect(store.marks.count == 2)
        #expect(try shop.send(once(1, 2)) == "4")
        shop.log.close()
        let after = try Asked(store)
        #expect(try after.send(once(1, 2)) == "delivered" && after.send(once(2)) == "delivered")
        #expect(after.release(7, 2) == "let go")
        #expect(after.forget(7) == "let go" && after.forget(7) == "unknown")
        #expect(store.marks.map(\.session) == [8])
        #expect(try after.send(once(2)) == "5")
        after.log.close()
        #expect(after.log.meters.read().repeated == 2 && after.log.meters.read().deliverySessions == 2)
    }

    @Test func atLeastOnceIsOnceWithinTheWindow() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try shop.send(least(1)) == "1")
        #expect(try shop.send(least(1, again: true)) == "delivered")
        // The identifier is used anew: for another message, though it is alike.
        #expect(try shop.send(least(1)) == "2")
        #expect(try shop.send(least(1, 5, again: true)) == "3")
        for (packetID, version) in zip(2...5 as ClosedRange<UInt16>, 4...) { #expect(try shop.send(least(packetID)) == "\(version)") }
        for packetID in 2...5 as ClosedRange<UInt16> { #expect(try shop.send(least(packetID, again: true)) == "delivered") }
        #expect(store.marks.count == 4)
        // Four have come after it.
        #expect(try shop.send(least(1, 5, again: true)) == "8")
        #expect(try shop.send(least(2, again: true)) == "9")
        shop.log.close()
        let after = try Asked(store)
        #expect(try after.send(least(4, again: true)) == "delivered" && after.send(least(2, again: true)) == "delivered")
        // Where the ring was, it goes on.
        #expect(try after.send(least(6)) == "10")
        #expect(try after.send(least(4, again: true)) == "11")
        #expect(try after.send(least(2, again: true)) == "delivered")
        after.log.close()
    }

    /// The listener's bound is another one after a restart.
    @Test(arguments: [2, 3, 6, 9] as [UInt16]) func anotherWindow(_ window: UInt16) throws {
        let store = MemoryStore()
        var shop = try Asked(store)
        var version = 0
        var next: UInt16 = 0
        func send(_ count: Int, window: UInt16) throws {
            for _ in 0..<count {
                next += 1
                version += 1
                #expect(try shop.send(least(next, window: window)) == "\(version)")
            }
        }
        try send(6, window: 4)
        shop.log.close()
        shop = try Asked(store)
        try send(20, window: window)
        for age in 0..<window { #expect(try shop.send(least(next - age, again: true, window: window)) == "delivered") }
        #expect(try shop.send(least(next - window, again: true, window: window)) == "\(version + 1)")
        shop.log.close()
    }

    @Test func aRefusedOneLeavesNothing() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        for mark in [once(1), least(1, again: true)] { #expect(try shop.send(mark, expected: .exact(9)) == "VERSION_CONFLICT") }
        #expect(store.marks.isEmpty)
        #expect(try shop.send(once(1)) == "1" && shop.send(least(1, again: true)) == "2")
        shop.log.close()
    }

    @Test func manyAtOnceAreOne() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        for mark in [once(1), least(2, again: true)] {
            let before = store.events.count
            let slots = try (0..<500).map { _ in shop.put(try shop.one(), mark) }
            let heard = slots.map { shop.answer($0) }
            #expect(heard.count { $0 == "\(before + 1)" } == 1 && heard.count { $0 == "delivered" } == 499)
        }
        shop.log.close()
    }

    @Test func aKeyIsAskedFirst() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        let key = RepeatKey(identity: .init(high: 1, low: 1), fingerprint: .init(high: 0, low: 1))
        #expect(try shop.send(once(1), key: key) == "1")
        #expect(try shop.send(once(1), key: key) == "again 1")
        #expect(try shop.send(once(1)) == "delivered")
        #expect(try shop.send(once(2), key: key) == "again 1")
        #expect(store.marks.count == 1 && store.records.count == 1)
        shop.log.close()
    }

    @Test(arguments: [StoreError.full, .io("broken", undecided: false), .io("gone", undecided: true), .conflict(batch: 0, actual: 9)])
    func whatDidNotGetToTheDiskIsForgotten(_ failure: StoreError) throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try shop.send(once(1)) == "1" && shop.send(least(1)) == "2" && shop.send(once(3)) == "3")
        store.fail(with: failure)
        for mark in [once(2), least(2, again: true)] {
            #expect(try ["UPSTREAM_UNAVAILABLE", "VERSION_CONFLICT"].contains(shop.send(mark)))
        }
        if case .conflict = failure {} else { #expect(shop.release(7, 3) == "UPSTREAM_UNAVAILABLE") }
        #expect(try shop.send(once(1)) == "delivered" && shop.send(least(1, again: true)) == "delivered")
        store.fail(with: nil)
        #expect(try shop.send(once(2)) == "4" && shop.send(once(2)) == "delivered")
        #expect(try shop.send(least(2, again: true)) == "5" && shop.send(least(2, again: true)) == "delivered")
        #expect(shop.release(7, 2) == "let go")
        #expect(store.events.count == 5)
        shop.log.close()
    }

    /// The append failed, and nobody knows that it is on disk: it is looked for before anything is done again.
    @Test func whatGotToTheDiskUnseenIsFound() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        for (i, mark) in [once(1), least(1, again: true), once(1), least(1, again: true)].enumerated() {
            if i < 2 { store.loseNextAnswer() }
            #expect(try shop.send(mark) == "delivered")
        }
        store.loseNextAnswer()
        #expect(shop.release(7, 1) == "UPSTREAM_UNAVAILABLE")
        #expect(shop.release(7, 1) == "unknown")
        #expect(store.events.count == 2 && store.marks.count == 1)
        shop.log.close()
    }

    /// As long as nobody knows, nothing is carried out.
    @Test func whatCannotBeReadIsRefused() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try shop.send(once(1)) == "1")
        store.failMarks(with: .io("gone", undecided: true))
        store.loseNextAnswer()
        #expect(try shop.send(once(2)) == "UPSTREAM_UNAVAILABLE")
        #expect(try shop.send(once(2)) == "UPSTREAM_UNAVAILABLE" && shop.release(7, 2) == "UPSTREAM_UNAVAILABLE")
        #expect(shop.forget(7) == "UPSTREAM_UNAVAILABLE")
        #expect(try shop.send(once(2, session: 8)) == "3")
        store.failMarks(with: nil)
        #expect(try shop.send(once(2)) == "delivered" && shop.send(once(1)) == "delivered")
        shop.log.close()
    }

    @Test func decidedAgainAfterAConflict() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try shop.send(once(1)) == "1")
        store.failOnce([.conflict(batch: 0, actual: 9)])
        #expect(try shop.send(once(2)) == "2" && shop.send(once(2)) == "delivered" && shop.send(once(1)) == "delivered")
        shop.log.close()
    }

    @Test func whoHadMarksAtTheStartIsToldOnce() throws {
        let store = MemoryStore()
        var shop = try Asked(store)
        #expect(shop.log.takeRestoredSessions().isEmpty)
        for session in [3, 4] as [UInt64] { #expect(try shop.send(least(1, 1, session: session)).isEmpty == false) }
        shop.log.close()
        shop = try Asked(store)
        #expect(try shop.send(least(1, 1, session: 5)).isEmpty == false)
        #expect(shop.log.takeRestoredSessions().sorted() == [3, 4])
        #expect(shop.log.takeRestoredSessions().isEmpty)
        shop.log.close()
    }

    @Test func boundsHold() throws {
        let store = MemoryStore()
        let shop = try Asked(store, DeliveryLimits(sessions: 3, held: 2))
        #expect(try shop.send(once(1)) == "1" && shop.send(once(2)) == "2")
        #expect(try shop.send(once(3)) == "RATE_LIMITED" && shop.send(once(2)) == "delivered")
        #expect(shop.release(7, 1) == "let go")
        #expect(try shop.send(once(3)) == "3" && shop.send(least(3)) == "4")
        #expect(shop.forget(7) == "let go")
        // Quiet sessions make room; one that goes on is never forgotten.
        for session in 100..<200 as Range<UInt64> {
            #expect(try !shop.send(least(1, session: session)).contains("_"))
            #expect(try !shop.send(least(UInt16(session), session: 50)).contains("_"))
            #expect(try shop.send(least(UInt16(session), again: true, session: 50)) == "delivered")
        }
        #expect(Set(store.marks.map(\.session)).count <= 4)
        shop.log.close()
        #expect(shop.log.meters.read().deliverySessions <= 4)
    }

    /// Devices, a network that loses answers, a disk that fails and a process that ends: each message counts once.
    @Test(arguments: 0..<8 as Range<UInt64>) func theSumIsExact(_ seed: UInt64) throws {
        var random = Seeded(state: seed)
        let store = MemoryStore()
        var shop = try Asked(store, DeliveryLimits())
        var sent: Int64 = 0
        for session in 0..<400 as Range<UInt64> {
            // Each round is one message, or four at once, of one of five devices.
            let device = session % 5
            let isExactlyOnce = device % 2 == 0
            let numbers = (0..<UInt16.random(in: 1...4, using: &random)).map { UInt16(session) * 4 + $0 + 1 }
            var open = numbers.map { number in
                (
                    mark: isExactlyOnce ? once(number, UInt64(number % 2), session: device) : least(number, UInt64(number % 2), session: device),
                    quantity: Int32.random(in: 1...9, using: &random)
                )
            }
            sent += open.reduce(0) { $0 + Int64($1.quantity) }
            while !open.isEmpty {
                switch Int.random(in: 0..<12, using: &random) {
                case 0: store.failOnce([.full])
                case 1: store.failOnce([.conflict(batch: 0, actual: 0)])
                case 2: store.loseNextAnswer()
                case 3:
                    shop.log.close()
                    shop = try Asked(store)
                default: break
                }
                let slots = try open.map { shop.put(try shop.one(quantity: $0.quantity), $0.mark) }
                let heard = slots.map { shop.answer($0) }
                // Answers are lost from some point on; what was not answered comes again.
                let arrived = heard.prefix(Int.random(in: 0...heard.count, using: &random)).prefix { !$0.contains("_") }.count
                for message in open[..<arrived] where isExactlyOnce {
                    while shop.release(device, message.mark.packetID).contains("_") {}
                }
                open.removeFirst(arrived)
                for i in open.indices { open[i].mark.isResent = true }
            }
        }
        shop.log.close()
        var total: Int64 = 0
        for event in store.events {
            if case .itemAdded(_, let quantity)? = CartEvent(event.event) { total += Int64(quantity) }
        }
        #expect(total == sent)
        #expect(Set(store.marks.map(\.session)).isSubset(of: [1, 3]))
    }
}
