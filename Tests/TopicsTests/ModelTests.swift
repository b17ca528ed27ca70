import Exchanges
import Seeded
import Testing

@testable import Topics
import WireMQTT

/// Random clients against a model that knows only what the standard promises: whoever subscribed gets each message with QoS 1 at
/// least once and each with QoS 2 exactly once, in the order published, never more at a time than he takes; whatever
/// connections are lost, whenever the store fails, and wherever the process dies.
@Suite struct ModelTests {
    @Test(arguments: 0..<40)
    func nobodyMissesAnything(_ seed: Int) throws {
        var world = try World(Seeded(state: UInt64(seed) &* 977 &+ 5), hasStore: true)
        for _ in 0..<300 { try world.step() }
        try world.settleAll()
    }

    @Test(arguments: 0..<10)
    func norWithoutAStore(_ seed: Int) throws {
        var world = try World(Seeded(state: UInt64(seed) &* 31 &+ 7), hasStore: false)
        for _ in 0..<300 { try world.step() }
        try world.settleAll()
    }
}

private final class Peer {
    let name: String
    let isLasting: Bool
    var client: TestClient?
    var filters: [String: QoS] = [:]
    /// Ended, but it has not been said that this is on disk.
    var unsure: [String: QoS] = [:]
    /// Payloads that have to come, in the order published; the effective QoS.
    var expected: [(payload: String, topic: String, qos: QoS)] = []
    /// What came: payloads as an application would see them.
    var seen: [(payload: String, topic: String)] = []
    /// Of messages with QoS 2, until PUBREL.
    var halfReceived: Set<UInt16> = []
    /// On this connection: what has been delivered and not been settled.
    var unsettled: [Delivery] = []
    var released: [UInt16] = []
    var window: UInt16 = 1
    /// As a publisher: with QoS 2, until it is answered and released.
    var sending: (message: Message, packetID: UInt16)?
    var mustRelease: UInt16?
    var nextPacketID: UInt16 = 1

    init(_ name: String, isLasting: Bool) {
        self.name = name
        self.isLasting = isLasting
    }

    /// The session is gone, and with it what it was owed.
    func forget() {
        filters = [:]
        unsure = [:]
        expected = []
        seen = []
        halfReceived = []
        sending = nil
        mustRelease = nil
    }

    func lose() {
        client = nil
        unsettled = []
        released = []
    }
}

private struct World {
    static let topics = ["a", "b", "a/b", "a/c"]
    static let filters = ["a", "b", "a/+", "+", "#", "a/#", "a/c"]

    var random: Seeded
    var rig: Rig
    let peers: [Peer]
    var count = 0
    let options: Broker.Options

    init(_ random: Seeded, hasStore: Bool) throws {
        self.random = random
        var options = Broker.Options()
        options.inFlight = 5
        options.queuedMessages = 100_000
        options.queuedBytes = 1 << 30
        self.options = options
        rig = try Rig(store: hasStore ? MemorySessionStore() : nil, options: options)
        peers = (0..<5).map { Peer("p\($0)", isLasting: $0 < 3) }
    }

    mutating func step() throws {
        let peer = random.pick(peers)
        switch random.count(0...19) {
        case 0...1:
            if peer.client == nil { connect(peer) } else if random.chance(4) { connect(peer) } else { leave(peer) }
        case 2...3: subscribe(peer)
        case 4: unsubscribe(peer)
        case 5: handle(rig.pass(ms: UInt64(random.count(0...150))))
        case 6 where random.chance(4) && rig.store != nil: try crash(losing: random.chance(2) ? group() : [])
        case 7 where random.chance(2): rig.store?.isAway.toggle()
        default:
            if peer.client == nil { connect(peer) }
            let requests = group()
            publish(requests)
        }
        if let store = rig.store { #expect(store.rows.complaints.isEmpty) }
    }

    // MARK: Steps

    mutating func connect(_ peer: Peer, again: Bool = false) {
        let before = peer.client != nil
        if before { peer.lose() }
        let window = UInt16(random.count(1...6))
        let client = TestClient(rig, peer.name, expiry: peer.isLasting ? 3600 : 0, receive: window)
        guard let attached = client.attached else {
            // The store is away. An earlier connection may be left alone, or not; to the client all are gone.
            #expect(client.first.contains { $0.refusal == .serverUnavailable })
            for reply in client.first where reply.ticket != client.ticket { handle([reply]) }
            if before { peer.client = nil }
            rig.run(.detach(SessionHandle(0), client.ticket, .lost(sessionExpiry: nil)))
            return
        }
        if !attached.isPresent { peer.forget() } else { #expect(peer.isLasting) }
        peer.client = client
        peer.window = window
        handle(client.first)
        resend(peer)
    }

    /// As a publisher does after a reconnect.
    mutating func resend(_ peer: Peer) {
        guard let client = peer.client else { return }
        if let packetID = peer.mustRelease { handle(client.release(packetID)) }
    }

    mutating func leave(_ peer: Peer) {
        guard let client = peer.client else { return }
        handle(random.chance(2) ? client.leave() : client.leave(.lost(sessionExpiry: nil)))
        peer.lose()
        if !peer.isLasting { peer.forget() }
    }

    mutating func subscribe(_ peer: Peer) {
        guard let client = peer.client else { return }
        let (text, qos) = (random.pick(World.filters), random.pick([QoS.atMostOnce, .atLeastOnce, .exactlyOnce]))
        let replies = client.subscribe(subscription(text, qos, retain: .doNotSend))
        if let reason = replies.first(where: { $0.subscribed != nil })?.subscribed?.first, !reason.isError { peer.filters[text] = qos }
        handle(replies)
    }

    mutating func unsubscribe(_ peer: Peer) {
        guard let client = peer.client, let text = peer.filters.keys.sorted().first else { return }
        let qos = peer.filters.removeValue(forKey: text)
        let replies = client.unsubscribe(text)
        peer.unsure[text] = replies.contains { $0.unsubscribed != nil } ? nil : qos
        handle(replies)
    }

    /// Publishes and acknowledgements, as they might come together.
    mutating func group() -> [(Peer, BrokerRequest, Message?)] {
        var all: [(Peer, BrokerRequest, Message?)] = []
        for peer in peers {
            guard let client = peer.client else { continue }
            for _ in 0..<random.count(0...2) {
                if let delivery = peer.unsettled.first, random.chance(2) {
                    peer.unsettled.removeFirst()
                    all.append((peer, settle(client, delivery), nil))
                }
                if let packetID = peer.released.first {
                    peer.released.removeFirst()
                    all.append((peer, .settle(client.session, client.ticket, packetID: packetID, .pubcomp), nil))
                }
            }
            if let packetID = peer.mustRelease {
                all.append((peer, .release(client.session, client.ticket, packetID: packetID), nil))
            } else if let sending = peer.sending {
                all.append((peer, .publish(sending.message, from: client.session, packetID: sending.packetID, rig.ticket()), sending.message))
            } else if random.chance(2) {
                count += 1
                let qos = random.pick([QoS.atMostOnce, .atLeastOnce, .exactlyOnce])
                let message = message(random.pick(World.topics), "\(count)", qos, retain: random.chance(5))
                var packetID: UInt16 = 0
                if qos == .exactlyOnce {
                    packetID = peer.nextPacketID
                    peer.nextPacketID = packetID % 9 + 1
                    peer.sending = (message, packetID)
                }
                all.append((peer, .publish(message, from: client.session, packetID: packetID, rig.ticket()), message))
            }
        }
        return all
    }

    private func settle(_ client: TestClient, _ delivery: Delivery) -> BrokerRequest {
        let settlement: Settlement = delivery.qos == .exactlyOnce ? .pubrec(.success) : .puback(.success)
        return .settle(client.session, client.ticket, packetID: delivery.packetID, settlement)
    }

    mutating func publish(_ group: [(Peer, BrokerRequest, Message?)]) {
        let replies = rig.run(group.map { $0.1 })
        for (peer, request, message) in group {
            guard let message, case .publish(_, _, _, let ticket) = request else { continue }
            let answer = replies.first { $0.ticket == ticket }
            #expect(answer?.published != nil || answer?.failure == .implementationSpecificError)
            guard let published = answer?.published else {
                // Not taken: another one goes with this identifier.
                if message.qos == .exactlyOnce { peer.sending = nil }
                continue
            }
            if !published.isRepeated { expect(message) }
            if message.qos == .exactlyOnce, let packetID = peer.sending?.packetID {
                peer.sending = nil
                peer.mustRelease = packetID
            }
        }
        handle(replies)
    }

    /// Everybody who subscribes is owed the message.
    func expect(_ message: Message) {
        let text = String(decoding: message.payload, as: UTF8.self)
        let topic = String(decoding: message.topic, as: UTF8.self)
        for peer in peers {
            let qos = peer.filters.filter { takes($0.key, message.topic) }.map { min($0.value, message.qos) }.max()
            if let qos, qos > .atMostOnce { peer.expected.append((text, topic, qos)) }
        }
    }

    /// What the clients hear.
    func handle(_ replies: [BrokerReply]) {
        for reply in replies {
            guard let peer = peers.first(where: { $0.client?.ticket == reply.ticket }) else { continue }
            for delivery in reply.deliveries {
                if delivery.qos == .atMostOnce { continue }
                #expect(!peer.unsettled.contains { $0.packetID == delivery.packetID }, "nothing is sent twice on a connection")
                peer.unsettled.append(delivery)
                #expect(rig.state.byClient[bytes(peer.name)].map { Int($0.active) <= min(5, Int(peer.window)) } ?? false)
                if delivery.qos == .exactlyOnce && !peer.halfReceived.insert(delivery.packetID).inserted { continue }
                peer.seen.append((delivery.text, delivery.topic))
            }
            if let packetID = reply.release {
                peer.halfReceived.remove(packetID)
                peer.unsettled.removeAll { $0.packetID == packetID }
                peer.released.append(packetID)
            }
            if case .released(let packetID, _) = reply.what, peer.mustRelease == packetID { peer.mustRelease = nil }
            if reply.ended != nil { peer.lose() }
        }
    }

    /// The process dies, perhaps with a group committed that nobody hears of.
    mutating func crash(losing group: [(Peer, BrokerRequest, Message?)]) throws {
        guard let store = rig.store else { return }
        let replies = rig.run(group.map { $0.1 })
        for (peer, request, message) in group {
            guard let message, case .publish(_, _, _, let ticket) = request else { continue }
            let wasTaken = replies.first { $0.ticket == ticket }?.published.map { !$0.isRepeated } ?? false
            // It goes to all who subscribe if it was taken; with QoS 2 its sender, who does not know, will send it again.
            if wasTaken && message.qos > .atMostOnce { expect(message) }
            if !peer.isLasting { peer.forget() }
        }
        rig = try Rig(store: MemorySessionStore(store.rows), options: options, wallMS: rig.wallMS + 10)
        for peer in peers {
            peer.lose()
            if !peer.isLasting { peer.forget() }
        }
        for session in rig.state.byNumber.values {
            guard let peer = peers.first(where: { bytes($0.name) == session.clientID }) else { continue }
            let stored = session.held.map { String(decoding: $0.subscription.filter.text, as: UTF8.self) }
            for (text, qos) in peer.unsure where stored.contains(text) && peer.filters[text] == nil { peer.filters[text] = qos }
            peer.unsure = [:]
            #expect(Set(stored) == Set(peer.filters.keys))
            #expect(session.queued == rig.store?.rows.queues[session.number]?.count ?? 0)
        }
    }

    // MARK: The end

    mutating func settleAll() throws {
        rig.store?.isAway = false
        handle(rig.pass(ms: 150))
        for peer in peers where peer.client == nil { connect(peer) }
        var rounds = 0
        while rounds < 3000 {
            rounds += 1
            var requests: [(Peer, BrokerRequest, Message?)] = []
            for peer in peers {
                guard let client = peer.client else { continue }
                for delivery in peer.unsettled { requests.append((peer, settle(client, delivery), nil)) }
                for packetID in peer.released {
                    requests.append((peer, .settle(client.session, client.ticket, packetID: packetID, .pubcomp), nil))
                }
                peer.unsettled = []
                peer.released = []
            }
            if requests.isEmpty { break }
            publish(requests)
        }
        handle(rig.pass(ms: 150))
        handle(rig.pass(ms: 150))
        for peer in peers { check(peer) }
        let figures = rig.state.readFigures()
        #expect(figures.queuedMessages == 0)
        #expect(figures.queuedBytes == 0)
        guard let store = rig.store else { return }
        #expect(store.rows.complaints.isEmpty)
        #expect(store.rows.dangling.isEmpty)
        #expect(store.rows.queues.values.allSatisfy { $0.isEmpty })
        #expect(store.rows.messages.count == store.rows.retained.count)
        #expect(store.rows.sessions.count == 3)
    }

    func check(_ peer: Peer) {
        var counts: [String: Int] = [:]
        for (payload, _) in peer.seen { counts[payload, default: 0] += 1 }
        for (payload, topic, qos) in peer.expected {
            let times = counts[payload] ?? 0
            #expect(qos == .exactlyOnce ? times == 1 : times >= 1, "\(peer.name) \(payload) on \(topic), \(qos): \(times) times")
        }
        #expect(Set(counts.keys).isSubset(of: peer.expected.map(\.payload)), "\(peer.name) got what he should not")
        // In the order in which they were taken.
        let places = Dictionary(peer.expected.enumerated().map { ($1.payload, $0) }, uniquingKeysWith: { first, _ in first })
        for topic in World.topics {
            var first: [Int] = []
            var known: Set<String> = []
            for (payload, its) in peer.seen where its == topic && known.insert(payload).inserted { first.append(places[payload] ?? -1) }
            #expect(first == first.sorted(), "\(peer.name): order on \(topic)")
        }
    }
}
