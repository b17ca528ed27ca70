import Exchanges
import Synchronization

public import WireMQTT

/// A session, for people who look after the broker.
public struct SessionSummary: Sendable, Equatable {
    public var number: UInt64
    public var clientID: [UInt8]
    public var isConnected: Bool
    /// Messages in its queue, those in flight included.
    public var queued: Int
    public var queuedBytes: Int
    public var subscriptions: Int
    /// Seconds, as granted.
    public var sessionExpiry: UInt32
    /// Wall clock milliseconds of its last connection's end; 0 = it has one.
    public var leftMS: UInt64
}

/// What people in this process ask the broker's thread.
enum Inquiry: Sendable {
    case sessions(after: UInt64, limit: Int, CheckedContinuation<[SessionSummary], Never>)
    case kick([UInt8], CheckedContinuation<Bool, Never>)
    /// Answered when it is on disk, or was not there.
    case forgetRefused(UInt64, CheckedContinuation<Bool, Never>)
    case refused(before: UInt64, limit: Int, CheckedContinuation<[RefusedEntry], Never>)
    /// Nobody waits for it.
    case tell([Message])
    case refusedCount(CheckedContinuation<Int, Never>)
}

/// A refused message that was kept, and its number.
public struct RefusedEntry: Sendable, Equatable {
    public var number: UInt64
    public var message: RefusedMessage
}

extension Broker {
    /// Sessions by their numbers, at most `limit` (1,000) with numbers above `after`. Empty when the broker is too busy.
    public func sessions(after: UInt64 = 0, limit: Int = 100) async -> [SessionSummary] {
        await withCheckedContinuation { continuation in
            let item = BrokerInbox.Item.inquiry(.sessions(after: after, limit: min(max(0, limit), 1000), continuation))
            if !inbox.put(item) { continuation.resume(returning: []) }
        }
    }

    /// Ends the client's connection (`ended(.administrativeAction)`); its session stays. False when it is not connected.
    public func kick(clientID: [UInt8]) async -> Bool {
        await withCheckedContinuation { continuation in
            if !inbox.put(.inquiry(.kick(clientID, continuation))) { continuation.resume(returning: false) }
        }
    }

    /// Refused messages, the newest first: at most `limit` (1,000) with numbers below `before`.
    public func refused(before: UInt64 = .max, limit: Int = 100) async throws(SessionStoreFault) -> [RefusedEntry] {
        let most = min(max(0, limit), 1000)
        if let store { return try store.refused(before: before, limit: most).map { RefusedEntry(number: $0.number, message: $0.message) } }
        return await withCheckedContinuation { continuation in
            let item = BrokerInbox.Item.inquiry(.refused(before: before, limit: most, continuation))
            if !inbox.put(item) { continuation.resume(returning: []) }
        }
    }

    /// How many refused messages are kept.
    public func refusedCount() async throws(SessionStoreFault) -> Int {
        if let store { return try store.refusedCount() }
        return await withCheckedContinuation { continuation in
            if !inbox.put(.inquiry(.refusedCount(continuation))) { continuation.resume(returning: 0) }
        }
    }

    /// Removes a refused message. False when there is none, or the broker is too busy.
    public func forgetRefused(_ number: UInt64) async -> Bool {
        await withCheckedContinuation { continuation in
            if !inbox.put(.inquiry(.forgetRefused(number, continuation))) { continuation.resume(returning: false) }
        }
    }

    /// Tells subscribers what has changed since the last time, and keeps all of it in memory for those who come later: topics
    /// where nobody else publishes, with QoS 0. Nothing happens when the broker is too busy.
    public func tell(_ messages: [Message]) { _ = inbox.put(.inquiry(.tell(messages))) }

    /// Publishes for the gateway itself, and waits until it is on disk where it has to be.
    /// - Returns: how many sessions it matched.
    public func publish(_ message: Message) async throws(PublishFault) -> Int {
        let what: BrokerReply.What = await withCheckedContinuation { continuation in
            let ticket = asked.note(continuation)
            let request = BrokerRequest.publish(message, from: nil, packetID: 0, ticket)
            if !inbox.put(.request(request)) { asked.answer([BrokerReply(ticket, .failed(.serverBusy))]) }
        }
        switch what {
        case .published(let subscribers, _): return subscribers
        case .failed(let reason): throw PublishFault(reason)
        default: throw PublishFault(.unspecifiedError)
        }
    }
}

/// Why the gateway's own message was not published.
public struct PublishFault: Error, Sendable, Equatable {
    public var reason: ReasonCode
    public init(_ reason: ReasonCode) { self.reason = reason }
}

/// What somebody in this process has asked and waits for.
final class AskedReplies: Sendable {
    private struct State {
        var waiting: [UInt64: CheckedContinuation<BrokerReply.What, Never>] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    /// - Returns: what the answer will carry.
    func note(_ continuation: CheckedContinuation<BrokerReply.What, Never>) -> Ticket {
        let number = state.withLock { state in
            state.next += 1
            state.waiting[state.next] = continuation
            return state.next
        }
        return Ticket(
            worker: Ticket.inside, slot: UInt32(truncatingIfNeeded: number), generation: UInt32(truncatingIfNeeded: number >> 32))
    }

    func answer(_ replies: [BrokerReply]) {
        for reply in replies {
            let number = UInt64(reply.ticket.generation) << 32 | UInt64(reply.ticket.slot)
            state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: reply.what)
        }
    }
}

extension BrokerState {
    func list(after: UInt64, limit: Int) -> [SessionSummary] {
        byNumber.keys.filter { $0 > after }.sorted().prefix(limit).compactMap { number in
            byNumber[number].map { session in
                SessionSummary(
                    number: number, clientID: session.clientID, isConnected: session.isConnected, queued: session.queued,
                    queuedBytes: session.queuedBytes, subscriptions: session.held.count, sessionExpiry: session.sessionExpiry,
                    leftMS: session.leftMS)
            }
        }
    }
}
