import EventCore
import Exchanges
import Glibc
import Synchronization
import Testing
import Threads

/// What replies came to, by slot.
private final class Heard: Sendable {
    private let state = Mutex<[UInt32: Reply.Outcome]>([:])
    private let bell = Bell()

    func deliver(_ replies: [Reply]) {
        state.withLock { state in for reply in replies { state[reply.ticket.slot] = reply.outcome } }
        bell.ring()
    }

    func wait(for slot: UInt32) -> Reply.Outcome {
        while true {
            if let outcome = state.withLock({ $0[slot] }) { return outcome }
            bell.wait()
        }
    }
}

extension Reply.Outcome {
    /// `2`, `again 2`, or the refusal's code.
    fileprivate var text: String {
        switch self {
        case .accepted(let accepted): "\(accepted.version)"
        case .repeated(let accepted): "again \(accepted.version)"
        case .acceptedTogether(let all): "together \(all.map(\.version))"
        case .refused(let refusal): "\(refusal.outcome.code.name)"
        case .notRepeated: "new"
        case .found(_, let version): "found \(version)"
        case .state, .answered: "?"
        case .reserved(let fence, _): "reserved \(fence)"
        case .underWay: "under way"
        case .upstream(let answer): "answer \(answer.status)"
        case .upstreamRepeated(let answer): "again \(answer.status)"
        case .released(let outcome): "released \(outcome.code.name)"
        case .delivered: "delivered"
        case .releasedDelivery(let isKnown): isKnown ? "let go" : "unknown"
        }
    }
}

private func key(_ identity: UInt64, _ fingerprint: UInt64 = 1, rejects: Bool = false) -> RepeatKey {
    RepeatKey(identity: .init(high: 7, low: identity), fingerprint: .init(high: 0, low: fingerprint), rejects: rejects)
}

/// Time that goes by when a test says so, however busy the machine is.
private final class StillClock: Sendable {
    private let time = Mutex(Timestamp.now())

    var now: Timestamp { time.withLock { $0 } }
    func pass(microseconds: Int64) { time.withLock { $0 = Timestamp(microseconds: $0.microseconds + microseconds) } }
}

/// A log on a store, asked one thing after the other, or several in one group.
private struct Asked {
    let heard = Heard()
    let log: EventLog
    private let slots = Atomic32()

    init(_ store: any EventStore, _ limits: RepetitionLimits = RepetitionLimits(), _ clock: StillClock = StillClock()) throws {
        let heard = heard
        log = try EventLog(store: store, options: .init(repetitions: limits, clock: { clock.now })) { heard.deliver($1) }
    }

    func add(_ user: String, _ key: RepeatKey?, expected: ExpectedVersion = .any) throws -> String {
        try outcome(.command(.cart(name(user), .add(product: name("p"), quantity: 1)), expected: expected), key).text
    }

    func outcome(_ work: Submission.Work, _ key: RepeatKey?) throws -> Reply.Outcome {
        heard.wait(for: try put(work, key))
    }

    func put(_ work: Submission.Work, _ key: RepeatKey?) throws -> UInt32 {
        let slot = slots.next()
        #expect(log.submit(Submission(ticket: Ticket(worker: 0, slot: slot, generation: 1), work: work, repeatKey: key)))
        return slot
    }

    func name(_ text: String) throws -> Identifier { try #require(Identifier(text)) }
}

private final class Atomic32: Sendable {
    private let value = Atomic<UInt32>(0)
    func next() -> UInt32 { value.add(1, ordering: .relaxed).newValue }
}

@Suite(.timeLimit(.minutes(10))) struct RepetitionTests {
    @Test func aRepetitionIsAnsweredAndNotCarriedOut() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try shop.add("ann", key(1)) == "1")
        guard case .accepted(let first) = try shop.outcome(.command(.cart(shop.name("bob"), .empty), expected: .any), key(2)),
            case .repeated(let again) = try shop.outcome(.command(.cart(shop.name("bob"), .empty), expected: .any), key(2))
        else { throw Wrong() }
        #expect(first == again && first.eventIds.isEmpty)  // also what changed nothing is remembered
        #expect(try shop.add("ann", key(1)) == "again 1")
        #expect(try shop.add("ann", nil) == "2")
        #expect(try shop.add("ann", key(3)) == "3")
        #expect(try shop.add("ann", key(1)) == "again 1")
        #expect(try shop.add("ann", key(1), expected: .exact(9)) == "again 1")
        #expect(store.events.count == 3)
        #expect(try shop.add("ann", key(1, 2)) == "IDEMPOTENCY_KEY_REUSED")
        #expect(try shop.add("ann", key(1, rejects: true)) == "ILLEGAL_STATE")
        shop.log.close()
        #expect(shop.log.meters.read().repeated == 4 && shop.log.meters.read().remembered == 3)
    }

    @Test func manyAtOnceAreOne() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        let work = Submission.Work.command(.cart(try shop.name("ann"), .add(product: try shop.name("p"), quantity: 1)), expected: .any)
        let slots = try (0..<500).map { _ in try shop.put(work, key(1)) }
        let heard = slots.map { shop.heard.wait(for: $0).text }
        #expect(heard.count { $0 == "1" } == 1 && heard.count { $0 == "again 1" } == 499)
        #expect(store.events.count == 1)
        shop.log.close()
    }

    @Test func aRefusalIsNotKept() throws {
        let shop = try Asked(MemoryStore())
        #expect(try shop.add("ann", key(1), expected: .exact(5)) == "VERSION_CONFLICT")
        #expect(try shop.add("ann", key(1)) == "1")
        shop.log.close()
    }

    @Test func recordsOutliveTheProcess() throws {
        let store = MemoryStore()
        let before = try Asked(store)
        guard case .accepted(let first) = try before.outcome(.command(.cart(before.name("ann"), .add(product: before.name("p"), quantity: 2)), expected: .any), key(1))
        else { throw Wrong() }
        before.log.close()
        let after = try Asked(store)
        guard case .repeated(let again) = try after.outcome(.command(.cart(after.name("ann"), .empty), expected: .any), key(1)) else { throw Wrong() }
        #expect(first == again && store.events.count == 1)
        #expect(try after.add("ann", key(2)) == "2")
        after.log.close()
    }

    @Test(arguments: [StoreError.full, .io("broken", undecided: false), .io("gone", undecided: true), .conflict(batch: 0, actual: 9)])
    func whatDidNotGetToTheDiskIsForgotten(_ failure: StoreError) throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try shop.add("ann", key(1)) == "1")
        store.fail(with: failure)
        #expect(try ["UPSTREAM_UNAVAILABLE", "VERSION_CONFLICT"].contains(shop.add("ann", key(2))))
        #expect(try shop.add("ann", key(1)) == "again 1")
        store.fail(with: nil)
        #expect(try shop.add("ann", key(2)) == "2")
        #expect(try shop.add("ann", key(2)) == "again 2")
        #expect(store.events.count == 2)
        shop.log.close()
    }

    /// The append failed, and nobody knows that it is on disk: it is looked for before anything is done again.
    @Test func whatGotToTheDiskUnseenIsFound() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try shop.add("ann", key(1)) == "1")
        store.loseNextAnswer()
        #expect(try shop.add("ann", key(2)) == "again 2")
        #expect(try shop.add("ann", key(2)) == "again 2")
        #expect(store.events.count == 2)
        shop.log.close()
    }

    @Test func decidedAgainAfterAConflict() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        store.failOnce([.conflict(batch: 0, actual: 9)])
        #expect(try shop.add("ann", key(1)) == "1")
        #expect(try shop.add("ann", key(1)) == "again 1")
        #expect(store.events.count == 1)
        shop.log.close()
    }

    @Test func aKeyCountsForItsWindow() throws {
        let store = MemoryStore()
        let clock = StillClock()
        let shop = try Asked(store, RepetitionLimits(window: 30_000), clock)
        #expect(try shop.add("ann", key(1)) == "1")
        #expect(try shop.add("ann", key(1)) == "again 1")
        clock.pass(microseconds: 30_001)
        #expect(try shop.add("ann", key(1)) == "2")
        clock.pass(microseconds: 30_001)
        // Those that are past leave with those that come.
        #expect(try shop.add("ann", key(3)) == "3")
        #expect(store.records.map(\.identity.low) == [3])
        shop.log.close()
        #expect(shop.log.meters.read().remembered == 1)
    }

    @Test func aFullStoreRefusesNewKeysAlone() throws {
        let shop = try Asked(MemoryStore(), RepetitionLimits(window: 60_000_000, records: 2))
        #expect(try shop.add("ann", key(1)) == "1")
        #expect(try shop.add("ann", key(2)) == "2")
        #expect(try shop.add("ann", key(3)) == "UPSTREAM_UNAVAILABLE")
        #expect(try shop.add("ann", key(1)) == "again 1")
        #expect(try shop.add("ann", nil) == "3")
        shop.log.close()
    }

    /// Whose key it is stands in half of the identity; its last bit says that he is known.
    @Test func onePrincipalDoesNotFillTheStore() throws {
        let store = MemoryStore()
        let limits = RepetitionLimits(window: 100_000, records: 10, ofOne: 2, ofUnknown: 3)
        let clock = StillClock()
        func of(_ owner: UInt64, _ number: UInt64) -> RepeatKey {
            RepeatKey(identity: .init(high: owner, low: number), fingerprint: .init(high: 0, low: 1))
        }
        for _ in 0..<2 {
            // The second time from what the first has left on disk.
            let shop = try Asked(store, limits, clock)
            #expect(try !shop.add("ann", of(1, 1)).contains("_") && !shop.add("ann", of(1, 2)).contains("_"))
            #expect(try shop.add("ann", of(1, 3)) == "RATE_LIMITED")
            #expect(try shop.add("ann", of(1, 1)).hasPrefix("again"))
            #expect(try !shop.add("bob", of(3, 1)).contains("_"))
            for number in 1...3 as ClosedRange<UInt64> { #expect(try !shop.add("eve", of(4, number)).contains("_")) }
            #expect(try shop.add("eve", of(4, 4)) == "RATE_LIMITED")
            shop.log.close()
        }
        clock.pass(microseconds: 100_001)
        let later = try Asked(store, limits, clock)
        #expect(try !later.add("ann", of(1, 4)).contains("_") && !later.add("ann", of(1, 5)).contains("_"))
        #expect(try later.add("ann", of(1, 6)) == "RATE_LIMITED")
        store.fail(with: .full)
        #expect(try later.add("bob", of(3, 7)) == "UPSTREAM_UNAVAILABLE")
        store.fail(with: nil)
        #expect(try !later.add("bob", of(3, 8)).contains("_") && !later.add("bob", of(3, 9)).contains("_"))
        later.log.close()
    }

    /// The position after a commit that nobody knows of may be taken: it is looked up before it is used.
    @Test func anAnswerAfterALostCommitIsKept() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try reserve(shop, 1) == "reserved 1")
        store.loseNextAnswer()
        #expect(try reserve(shop, 2) == "UPSTREAM_UNAVAILABLE")
        #expect(try shop.outcome(.claim(.complete(fence: 1, answer: answer, kept: answer)), key(1)).text == "answer 201")
        #expect(try reserve(shop, 1) == "again 201")
        #expect(store.records.map(\.position) == [1, 2, 3])
        shop.log.close()
    }

    /// The core and a cluster on the two sides of a flag share a key.
    @Test func theOtherSideOfAFlagKnows() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try reserve(shop, 1) == "reserved 1")
        #expect(try shop.add("ann", key(1)) == "under way")
        #expect(try shop.outcome(.claim(.complete(fence: 1, answer: answer, kept: answer)), key(1)).text == "answer 201")
        #expect(try shop.add("ann", key(1)) == "again 201")
        #expect(try shop.add("ann", key(2)) == "1")
        #expect(try reserve(shop, 2) == "again 1")
        #expect(store.events.count == 1)
        shop.log.close()
    }

    @Test func ofSeveralTogetherTheFirstIsKept() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        func both(_ id: UInt64) throws -> String {
            let commands = try ["ann", "bob"].map { Command.cart(try shop.name($0), .add(product: try shop.name("p"), quantity: 1)) }
            return try shop.outcome(.together(commands), key(id)).text
        }
        #expect(try shop.outcome(.recall, key(1)).text == "new")
        #expect(try both(1) == "together [1, 1]")
        #expect(try both(1) == "again 1")
        #expect(try shop.outcome(.recall, key(1)).text == "again 1")
        #expect(try shop.outcome(.recall, key(1, 2)).text == "IDEMPOTENCY_KEY_REUSED")
        let done = Accepted(aggregateId: try shop.name("o"), version: 4, eventIds: [])
        #expect(try shop.outcome(.remember(done), key(2)).text == "4")
        #expect(try shop.outcome(.recall, key(2)).text == "again 4")
        #expect(store.events.count == 2)
        shop.log.close()
    }

    private struct Wrong: Error {}

    private func reserve(_ shop: Asked, _ id: UInt64, takesOver: Bool = false) throws -> String {
        try shop.outcome(.claim(.reserve(takesOver: takesOver)), key(id)).text
    }

    private let answer = StoredAnswer(status: 201, fields: Array("Location: /x\r\n".utf8), body: [1, 2], trailers: [], grpcStatus: 0)

    @Test func anUpstreamIsAskedOnce() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try reserve(shop, 1) == "reserved 1")
        #expect(try reserve(shop, 1) == "under way")
        #expect(try shop.outcome(.claim(.reserve(takesOver: false)), key(1, 2)).text == "IDEMPOTENCY_KEY_REUSED")
        #expect(try shop.outcome(.claim(.complete(fence: 1, answer: answer, kept: answer)), key(1)).text == "answer 201")
        guard case .upstreamRepeated(let again) = try shop.outcome(.claim(.reserve(takesOver: false)), key(1)) else { throw Wrong() }
        #expect(again == answer)
        #expect(try shop.outcome(.claim(.reserve(takesOver: false)), key(1, rejects: true)).text == "ILLEGAL_STATE")
        #expect(try reserve(shop, 2) == "reserved 3")
        #expect(try shop.outcome(.claim(.complete(fence: 3, answer: answer, kept: nil)), key(2)).text == "answer 201")
        #expect(try reserve(shop, 2) == "ILLEGAL_STATE")
        #expect(try reserve(shop, 3) == "reserved 5")
        #expect(try shop.outcome(.claim(.release(fence: 5, Outcome(.badUpstream))), key(3)).text == "released UPSTREAM_UNAVAILABLE")
        #expect(try reserve(shop, 3) == "reserved 7")
        shop.log.close()
        // Of a process that has ended nothing will come.
        let after = try Asked(store)
        #expect(try reserve(after, 3) == "ILLEGAL_STATE")
        #expect(try reserve(after, 1) == "again 201")
        after.log.close()
    }

    @Test func whoLostItsClaimChangesNothing() throws {
        let clock = StillClock()
        let shop = try Asked(MemoryStore(), RepetitionLimits(lease: 20_000), clock)
        #expect(try reserve(shop, 1) == "reserved 1")
        clock.pass(microseconds: 20_001)
        #expect(try reserve(shop, 1) == "ILLEGAL_STATE")
        #expect(try reserve(shop, 1, takesOver: true) == "reserved 2")
        let late = StoredAnswer(status: 200, fields: [], body: [])
        #expect(try shop.outcome(.claim(.complete(fence: 1, answer: late, kept: late)), key(1)).text == "answer 200")
        #expect(try shop.outcome(.claim(.release(fence: 1, Outcome(.cancelled))), key(1)).text == "released CANCELLED")
        #expect(try shop.outcome(.claim(.complete(fence: 2, answer: answer, kept: answer)), key(1)).text == "answer 201")
        #expect(try reserve(shop, 1, takesOver: true) == "again 201")
        shop.log.close()
    }

    @Test func anAnswerThatCannotBeWrittenIsStillTheClients() throws {
        let store = MemoryStore()
        let shop = try Asked(store)
        #expect(try reserve(shop, 1) == "reserved 1")
        store.fail(with: .full)
        #expect(try shop.outcome(.claim(.complete(fence: 1, answer: answer, kept: answer)), key(1)).text == "answer 201")
        #expect(try reserve(shop, 2) == "UPSTREAM_UNAVAILABLE")
        store.fail(with: nil)
        #expect(try reserve(shop, 1) == "under way")
        shop.log.close()
    }
}

@Suite struct RepeatDigestTests {
    private let secret = RepeatDigest.Key((0..<16).map { $0 })

    /// The authors' vectors, of whole words.
    @Test func isSipHash() throws {
        let secret = try #require(secret)
        #expect(secret.bytes == (0..<16).map { $0 } && RepeatDigest.Key([1]) == nil)
        let empty = RepeatDigest(secret).finish()
        #expect(empty == .init(high: high("a3817f04ba25a8e66df67214c7550293"), low: low("a3817f04ba25a8e66df67214c7550293")))
        var one = RepeatDigest(secret)
        one.add(0x0706_0504_0302_0100 as UInt64)
        #expect(one.finish() == .init(high: high("3b62a9ba6258f5610f83e264f31497b4"), low: low("3b62a9ba6258f5610f83e264f31497b4")))
    }

    /// The second and the first eight bytes, little-endian.
    private func high(_ hex: String) -> UInt64 { UInt64(hex.suffix(16), radix: 16)?.byteSwapped ?? 0 }
    private func low(_ hex: String) -> UInt64 { UInt64(hex.prefix(16), radix: 16)?.byteSwapped ?? 0 }

    private func digest(_ command: String, _ body: String, _ expected: ExpectedVersion = .any) throws -> RepeatKey.Digest {
        let index = try #require(Registry.command(named: command))
        var digest = RepeatDigest(try #require(secret))
        digest.add(try Registry.decode(command: index, body: Array(body.utf8).span).get(), expected: expected)
        return digest.finish()
    }

    @Test func theFormMakesNoDifference() throws {
        let plain = try digest("cart.add", #"{"userId":"ann","item":{"productId":"p","quantity":2}}"#)
        #expect(try plain == digest("cart.add", #" { "item" : {"quantity":"2", "product_id":"p"}, "user_id" : "\u0061nn" }"#))
    }

    @Test(arguments: [
        ("cart.add", #"{"userId":"ann","item":{"productId":"p","quantity":2}}"#, #"{"userId":"ann","item":{"productId":"p","quantity":3}}"#),
        ("cart.add", #"{"userId":"ab","item":{"productId":"c","quantity":2}}"#, #"{"userId":"a","item":{"productId":"bc","quantity":2}}"#),
        ("product.update", #"{"productId":"p","name":"a"}"#, #"{"productId":"p","description":"a"}"#),
        ("product.update", #"{"productId":"p","categories":[]}"#, #"{"productId":"p"}"#),
        ("product.update", #"{"productId":"p","categories":["a","b"]}"#, #"{"productId":"p","categories":["ab"]}"#),
        ("order.ship", #"{"orderId":"a"}"#, #"{"orderId":"b"}"#),
        ("order.place", Self.order(cvv: 1), Self.order(cvv: 2)),
        ("order.place", Self.order(number: "4111111111111111"), Self.order(number: "4111111111111112")),
        ("order.pay", #"{"orderId":"a","creditCard":{"creditCardNumber":"1"}}"#, #"{"orderId":"a","creditCard":{"creditCardNumber":"2"}}"#),
    ])
    func whatIsAskedMakesOne(_ command: String, _ one: String, _ other: String) throws {
        #expect(try digest(command, one) != digest(command, other))
        #expect(try digest(command, one) == digest(command, one))
        #expect(try digest(command, one, .exact(0)) != digest(command, one))
    }

    private static func order(number: String = "4", cvv: Int = 1) -> String {
        #"{"userId":"a","address":{},"creditCard":{"creditCardNumber":"\#(number)","creditCardCvv":\#(cvv)}}"#
    }
}
