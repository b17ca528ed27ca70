import Synchronization
import Topics
import WireMQTT

/// A session store in memory that holds to what a real one would: rows refer to rows that are there, a transaction is taken
/// whole or not at all. It can be made to fail.
final class MemorySessionStore: SessionStore {
    struct Queued: Equatable {
        var message: UInt64
        var qos: QoS
        var retain: Bool
        var identifiers: [UInt32]
        var share: [UInt8]
        var sent: UInt16?
        var isReceived = false
    }

    struct Rows {
        var sessions: [UInt64: StoredSession] = [:]
        var subscriptions: [UInt64: [TopicFilter: Subscription]] = [:]
        var messages: [UInt64: Message] = [:]
        var queues: [UInt64: [UInt64: Queued]] = [:]
        var retained: [[UInt8]: UInt64] = [:]
        var incoming: [UInt64: Set<UInt16>] = [:]
        var refused: [UInt64: RefusedMessage] = [:]
        /// What no store would take.
        var complaints: [String] = []

        /// Messages that nothing refers to.
        var dangling: [UInt64] {
            let needed = Set(queues.values.flatMap { $0.values.map(\.message) }).union(retained.values)
            return messages.keys.filter { !needed.contains($0) }.sorted()
        }
    }

    private struct State {
        var rows = Rows()
        var isAway = false
        var commits = 0
        var changes = 0
    }

    private let state = Mutex(State())

    init(_ rows: Rows = Rows()) { state.withLock { $0.rows = rows } }

    var rows: Rows { state.withLock { $0.rows } }
    var commits: Int { state.withLock { $0.commits } }
    /// Rows written so far.
    var changes: Int { state.withLock { $0.changes } }
    var isAway: Bool {
        get { state.withLock { $0.isAway } }
        set { state.withLock { $0.isAway = newValue } }
    }

    func commit(_ changes: [SessionChange]) throws(SessionStoreFault) {
        let isAway = state.withLock { state in
            if state.isAway { return true }
            for change in changes { state.rows.apply(change) }
            state.commits += 1
            state.changes += changes.count
            return false
        }
        if isAway { throw SessionStoreFault("away") }
    }

    func load(_ take: (SessionChange) -> Void) throws(SessionStoreFault) {
        let rows = self.rows
        for session in rows.sessions.values { take(.session(session)) }
        for (number, subscriptions) in rows.subscriptions {
            for subscription in subscriptions.values { take(.subscribe(session: number, subscription)) }
        }
        for (number, message) in rows.messages { take(.message(number: number, message)) }
        for (session, queue) in rows.queues {
            for (sequence, entry) in queue {
                take(
                    .queue(
                        session: session, sequence: sequence, message: entry.message, qos: entry.qos, retain: entry.retain,
                        identifiers: entry.identifiers, share: entry.share))
                if let packetID = entry.sent { take(.sent(session: session, sequence: sequence, packetID: packetID)) }
                if entry.isReceived { take(.received(session: session, sequence: sequence)) }
            }
        }
        for (topic, message) in rows.retained { take(.retain(topic: topic, message: message)) }
        for (session, packetIDs) in rows.incoming {
            for packetID in packetIDs { take(.incoming(session: session, packetID: packetID)) }
        }
    }

    func refusedCount() throws(SessionStoreFault) -> Int { rows.refused.count }

    func refused(before: UInt64, limit: Int) throws(SessionStoreFault) -> [(number: UInt64, message: RefusedMessage)] {
        rows.refused.filter { $0.key < before }.sorted { $0.key > $1.key }.prefix(limit).map { ($0.key, $0.value) }
    }
}

extension MemorySessionStore.Rows {
    fileprivate mutating func apply(_ change: SessionChange) {
        func expect(_ holds: Bool, _ what: String) {
            if !holds { complaints.append("\(what): \(change)") }
        }
        switch change {
        case .session(let session):
            expect(
                !sessions.values.contains { $0.clientID == session.clientID && $0.number != session.number },
                "two sessions of one client")
            sessions[session.number] = session
        case .endSession(let number):
            expect(sessions[number] != nil, "no session")
            sessions[number] = nil
            subscriptions[number] = nil
            queues[number] = nil
            incoming[number] = nil
        case .subscribe(let number, let subscription):
            expect(sessions[number] != nil, "no session")
            subscriptions[number, default: [:]][subscription.filter] = subscription
        case .unsubscribe(let number, let filter):
            expect(subscriptions[number]?[filter] != nil, "no subscription")
            subscriptions[number]?[filter] = nil
        case .message(let number, let message):
            expect(messages[number] == nil, "a message twice")
            messages[number] = message
        case .forgetMessage(let number):
            expect(messages[number] != nil, "no message")
            messages[number] = nil
        case .queue(let number, let sequence, let message, let qos, let retain, let identifiers, let share):
            expect(sessions[number] != nil, "no session")
            expect(messages[message] != nil, "no message")
            expect(queues[number]?[sequence] == nil, "a place in the queue twice")
            queues[number, default: [:]][sequence] = .init(
                message: message, qos: qos, retain: retain, identifiers: identifiers, share: share)
        case .sent(let number, let sequence, let packetID):
            expect(queues[number]?[sequence] != nil, "not queued")
            queues[number]?[sequence]?.sent = packetID
        case .received(let number, let sequence):
            expect(queues[number]?[sequence]?.sent != nil, "not sent")
            queues[number]?[sequence]?.isReceived = true
        case .done(let number, let sequence):
            expect(queues[number]?[sequence] != nil, "not queued")
            queues[number]?[sequence] = nil
        case .retain(let topic, let message):
            expect(messages[message] != nil, "no message")
            retained[topic] = message
        case .unretain(let topic):
            expect(retained[topic] != nil, "nothing retained")
            retained[topic] = nil
        case .incoming(let number, let packetID):
            expect(sessions[number] != nil, "no session")
            expect(incoming[number, default: []].insert(packetID).inserted, "received twice")
        case .released(let number, let packetID):
            expect(incoming[number]?.remove(packetID) != nil, "not received")
        case .refuse(let number, let message): refused[number] = message
        case .dropRefused(let through): refused = refused.filter { $0.key > through }
        case .forgetRefused(let number): refused[number] = nil
        }
    }
}
