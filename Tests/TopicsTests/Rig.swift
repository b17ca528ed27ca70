import Exchanges
import Synchronization
import Testing

@testable import Topics
import WireMQTT

/// A broker without its thread, on a clock that stands still unless told: every call is a group of its own.
final class Rig {
    let store: MemorySessionStore?
    let options: Broker.Options
    private(set) var loop: BrokerLoop
    private let clock: TestClock
    private let sink = Sink()
    private var slots: UInt32 = 0

    var state: BrokerState { loop.state }

    init(
        store: MemorySessionStore? = nil, options: Broker.Options = Broker.Options(), wallMS: UInt64 = 1_700_000_000_000
    ) throws {
        self.store = store
        self.options = options
        let clock = TestClock(wallMS)
        self.clock = clock
        let now = clock.now
        let state =
            if let store {
                try BrokerState(store: store, options: options, workers: 2, now)
            } else {
                BrokerState(options: options, stores: false, workers: 2, now)
            }
        let sink = sink
        loop = BrokerLoop(
            state: state, store: store, inbox: BrokerInbox(capacity: 1 << 20), figures: BrokerMeters(),
            outbox: Outbox { worker, replies in sink.take(worker, replies) }, clock: { clock.now })
    }

    var wallMS: UInt64 { clock.now.wallMS }
    /// Workers whose mailboxes take nothing.
    var full: Set<UInt16> {
        get { sink.full }
        set { sink.full = newValue }
    }

    /// Carries them out as one group.
    @discardableResult
    func run(_ requests: [BrokerRequest]) -> [BrokerReply] {
        var from = 0
        let items = requests.map { BrokerInbox.Item.request($0) }
        repeat { from = loop.carryOut(items, from: from) } while from < items.count
        return sink.drain()
    }

    @discardableResult
    func run(_ requests: BrokerRequest...) -> [BrokerReply] { run(requests) }

    /// Time passes, and nothing is asked.
    @discardableResult
    func pass(ms: UInt64) -> [BrokerReply] {
        clock.advance(ms)
        return run([])
    }

    func ticket(worker: UInt16 = 0) -> Ticket {
        slots += 1
        return Ticket(worker: worker, slot: slots, generation: 1)
    }
}

final class TestClock: Sendable {
    private let elapsed = Mutex<UInt64>(0)
    private let began: UInt64
    init(_ began: UInt64) { self.began = began }
    var now: Moment {
        let ms = elapsed.withLock { $0 }
        return Moment(wallMS: began + ms, monotonicMS: 1000 + ms)
    }
    func advance(_ ms: UInt64) { elapsed.withLock { $0 += ms } }
}

final class Sink: Sendable {
    private struct State {
        var replies: [BrokerReply] = []
        var full: Set<UInt16> = []
    }
    private let state = Mutex(State())

    var full: Set<UInt16> {
        get { state.withLock { $0.full } }
        set { state.withLock { $0.full = newValue } }
    }

    func take(_ worker: UInt16, _ replies: [BrokerReply]) -> Bool {
        state.withLock { state in
            if state.full.contains(worker) { return false }
            state.replies += replies
            return true
        }
    }

    func drain() -> [BrokerReply] {
        state.withLock { state in
            defer { state.replies = [] }
            return state.replies
        }
    }
}

// MARK: Words for tests

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func filter(_ text: String) -> TopicFilter {
    guard let filter = TopicFilter(bytes(text).span, mostLevels: 32) else { preconditionFailure("\(text) is no filter") }
    return filter
}

func takes(_ text: String, _ topic: [UInt8]) -> Bool {
    let filter = filter(text)
    return filter.matches(topic.span)
}

func subscription(
    _ text: String, _ qos: QoS = .atLeastOnce, noLocal: Bool = false, asPublished: Bool = false,
    retain: SubscriptionOptions.RetainHandling = .send, id: UInt32 = 0
) -> Subscription {
    Subscription(
        filter: filter(text),
        options: SubscriptionOptions(qos: qos, noLocal: noLocal, retainAsPublished: asPublished, retainHandling: retain),
        identifier: id)
}

func message(
    _ topic: String, _ payload: String = "x", _ qos: QoS = .atLeastOnce, retain: Bool = false, expiresMS: UInt64 = .max
) -> Message {
    Message(topic: bytes(topic), payload: bytes(payload), qos: qos, isRetained: retain, expiresMS: expiresMS)
}

extension BrokerReply {
    var deliveries: [Delivery] { if case .deliver(let all) = what { all } else { [] } }
    var attached: Attached? { if case .attached(let attached) = what { attached } else { nil } }
    var failure: ReasonCode? { if case .failed(let reason) = what { reason } else { nil } }
    var refusal: ReasonCode? { if case .refusedAttach(let reason) = what { reason } else { nil } }
    var ended: ReasonCode? { if case .ended(let reason) = what { reason } else { nil } }
    var subscribed: [ReasonCode]? { if case .subscribed(_, let reasons) = what { reasons } else { nil } }
    var unsubscribed: [ReasonCode]? { if case .unsubscribed(_, let reasons) = what { reasons } else { nil } }
    var published: (subscribers: Int, isRepeated: Bool)? {
        if case .published(let subscribers, let isRepeated) = what { (subscribers, isRepeated) } else { nil }
    }
    var release: UInt16? { if case .release(let packetID) = what { packetID } else { nil } }
    var released: Bool? { if case .released(_, let isKnown) = what { isKnown } else { nil } }
    var will: (Will, DepartedClient)? { if case .will(let will, let client) = what { (will, client) } else { nil } }
    var isKept: Bool { if case .kept = what { true } else { false } }
}

extension Delivery {
    var text: String { String(decoding: message.payload, as: UTF8.self) }
    var topic: String { String(decoding: message.topic, as: UTF8.self) }
}

extension [BrokerReply] {
    var deliveries: [Delivery] { flatMap(\.deliveries) }
    func to(_ client: TestClient) -> [BrokerReply] { filter { $0.ticket == client.ticket } }
    var failures: [ReasonCode] { compactMap(\.failure) }
    var releases: [UInt16] { compactMap(\.release) }
    var gone: [UInt64] { compactMap { if case .gone(let incarnation) = $0.what { incarnation } else { nil } } }
    var wills: [Will] { compactMap { $0.will?.0 } }
}

/// One client's connection in a test.
final class TestClient {
    let rig: Rig
    let id: String
    private(set) var ticket: Ticket
    private(set) var session = SessionHandle(0)
    private(set) var attached: Attached?
    /// All that came with `attached`.
    private(set) var first: [BrokerReply] = []

    @discardableResult
    init(
        _ rig: Rig, _ id: String, owner: String = "me", clean: Bool = false, expiry: UInt32 = 3600, receive: UInt16 = 65_535,
        will: Will? = nil, worker: UInt16 = 0
    ) {
        self.rig = rig
        self.id = id
        ticket = rig.ticket(worker: worker)
        first = rig.run(
            .attach(
                Attach(
                    ticket: ticket, clientID: bytes(id), owner: bytes(owner), version: .v5, cleanStart: clean, sessionExpiry: expiry,
                    receiveMaximum: receive, will: will)))
        attached = first.compactMap { $0.ticket == ticket ? $0.attached : nil }.first
        if let attached { session = attached.session }
    }

    @discardableResult
    func subscribe(_ subscriptions: Subscription...) -> [BrokerReply] {
        rig.run(.subscribe(session, ticket, packetID: 1, subscriptions.map { .success($0) }))
    }

    @discardableResult
    func unsubscribe(_ filters: String...) -> [BrokerReply] {
        rig.run(.unsubscribe(session, ticket, packetID: 1, filters.map { filter($0) }))
    }

    @discardableResult
    func publish(_ message: Message, packetID: UInt16 = 0) -> [BrokerReply] {
        rig.run(.publish(message, from: session, packetID: packetID, rig.ticket()))
    }

    @discardableResult
    func settle(_ packetID: UInt16, _ settlement: Settlement) -> [BrokerReply] {
        rig.run(.settle(session, ticket, packetID: packetID, settlement))
    }

    @discardableResult
    func release(_ packetID: UInt16) -> [BrokerReply] { rig.run(.release(session, ticket, packetID: packetID)) }

    @discardableResult
    func leave(_ departure: Departure = .clean(sessionExpiry: nil)) -> [BrokerReply] { rig.run(.detach(session, ticket, departure)) }

    @discardableResult
    func hold(_ isHeld: Bool) -> [BrokerReply] { rig.run(.hold(session, ticket, isHeld)) }
}
