import Exchanges
import WireMQTT

/// Replies on their way to workers. What a full mailbox did not take is offered again, in order, before anything newer; only
/// messages with QoS 0 are left out of it. The rest is bounded by what the worker has asked and by its clients' windows: the broker
/// sends nothing new to a worker that is behind.
struct Outbox {
    private let deliver: Broker.Deliver
    private var late: [UInt16: [BrokerReply]] = [:]
    private var fresh: [UInt16: [BrokerReply]] = [:]
    /// Messages left out since this was last asked.
    private var left: UInt64 = 0

    init(_ deliver: @escaping Broker.Deliver) { self.deliver = deliver }

    /// Workers that are behind.
    var blocked: Set<UInt16> { Set(late.keys) }
    var isLate: Bool { !late.isEmpty }
    /// Replies that nobody has taken.
    var lateCount: Int { late.values.reduce(0) { $0 + $1.count } }

    mutating func takeLeft() -> UInt64 {
        defer { left = 0 }
        return left
    }

    /// Hands out replies; those for one worker stay in order.
    mutating func send(_ replies: [BrokerReply]) {
        guard let first = replies.first else { return }
        // Most groups are one worker's.
        if replies.allSatisfy({ $0.ticket.worker == first.ticket.worker }) { return send(replies, to: first.ticket.worker) }
        for reply in replies { fresh[reply.ticket.worker, default: []].append(reply) }
        for (worker, replies) in fresh { send(replies, to: worker) }
        fresh.removeAll(keepingCapacity: true)
    }

    /// Offers again what is late.
    mutating func retry() {
        for (worker, replies) in late where deliver(worker, replies) { late[worker] = nil }
    }

    private mutating func send(_ replies: [BrokerReply], to worker: UInt16) {
        if late.isEmpty || late[worker] == nil {
            if deliver(worker, replies) { return }
        }
        for reply in replies {
            guard case .deliver(let deliveries) = reply.what else {
                late[worker, default: []].append(reply)
                continue
            }
            let kept = deliveries.filter { $0.qos > .atMostOnce }
            left += UInt64(deliveries.count - kept.count)
            if !kept.isEmpty { late[worker, default: []].append(BrokerReply(reply.ticket, .deliver(kept))) }
        }
    }
}
