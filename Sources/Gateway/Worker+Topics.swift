import EventCore
import Exchanges
import Identity
import Pipeline
import Settings
import Topics
import WireMQTT

/// Exchanges whose target is the broker, and what it says to connections.
extension Worker {
    func topics(_ exchange: Exchange) {
        guard shared.desks.broker != nil else {
            exchange.wire?.answer(Outcome(.upstreamUnavailable, "there is no broker here"), of: exchange)
            return
        }
        switch exchange.wire {
        case let connection as MQTTConnection: connection.attach()
        case let publish as MQTTPublish: publish.relay()
        case let permission as MQTTPermission: permission.allow()
        default: exchange.wire?.answer(Outcome(.unsupported, "only MQTT clients speak with the broker"), of: exchange)
        }
    }

    /// Can the topic of this PUBLISH be a path that every server takes as it is meant?
    func isForClusters(_ exchange: Exchange) -> Bool { (exchange.wire as? MQTTPublish)?.fitsClusters ?? true }

    func deliver(_ reply: BrokerReply) {
        switch reply.what {
        case .will(let will, let client): return publish(will, of: client)
        case .gone(let incarnation):
            return requests.ask(Submission(ticket: reply.ticket, work: .forgetDeliveries(session: incarnation)))
        default: break
        }
        switch exchange(reply.ticket)?.wire {
        case let connection as MQTTConnection: deliver(reply.what, to: connection)
        case let publish as MQTTPublish:
            switch reply.what {
            case .published(let subscribers, _): publish.published(subscribers: subscribers)
            case .kept: publish.kept()
            case .failed(let reason): publish.failed(reason)
            default: break
            }
        default:
            // Its client has gone before it was let in.
            if case .attached(let attached) = reply.what {
                requests.ask(.detach(attached.session, reply.ticket, .lost(sessionExpiry: nil)))
            }
        }
    }

    private func deliver(_ what: BrokerReply.What, to connection: MQTTConnection) {
        switch what {
        case .attached(let attached): connection.attached(attached)
        case .refusedAttach(let reason): connection.refuseConnect(reason, "the session cannot be had")
        case .ended(let reason): connection.end(reason, "the session has another connection, or none")
        case .deliver(let deliveries): connection.deliver(deliveries)
        case .release(let packetID): connection.sendRelease(packetID)
        case .subscribed(let packetID, let reasons): connection.subscribed(packetID, reasons)
        case .unsubscribed(let packetID, let reasons): connection.unsubscribed(packetID, reasons)
        case .released(let packetID, let isKnown): connection.released(packetID, isKnown: isKnown)
        case .failed(let reason): connection.end(reason, "the session could not be kept")
        case .published, .kept, .will, .gone: break
        }
    }

    /// The log has forgotten a message with QoS 2.
    func releasedDelivery(_ ticket: Ticket, isKnown: Bool) {
        if let connection = exchange(ticket)?.wire as? MQTTConnection { connection.releasedByLog(isKnown: isKnown) }
    }

    /// The log could not. Of an MQTT connection that is the release of a message: nothing else is asked under its ticket.
    /// - Returns: false when it was about something else.
    func deliver(refusedRelease reply: Reply) -> Bool {
        guard case .refused = reply.outcome, let connection = exchange(reply.ticket)?.wire as? MQTTConnection else { return false }
        connection.releaseFailed()
        return true
    }

    // MARK: - Messages

    func takePublish() -> MQTTPublish { sparePublishes.popLast() ?? MQTTPublish(worker: self) }

    func give(_ publish: MQTTPublish) {
        if sparePublishes.count < 1024 { sparePublishes.append(publish) }
    }

    // MARK: - Wills

    /// Clients that have gone with a will outstanding, at most; beyond them wills go by what sessions know of their owners.
    private static let mostDeparted = 10_000

    /// His will, if it comes to that, is his as he was let in.
    func rememberDeparted(_ clientID: [UInt8], _ principal: Principal, listener: UInt16) {
        // Of some the will never comes to be due: whoever comes later must not find their places taken for ever.
        if departed.count >= Self.mostDeparted, departed[clientID] == nil, let some = departed.keys.first { departed[some] = nil }
        departed[clientID] = (principal, listener)
    }

    /// Somebody's will is due: it goes through the pipeline as his.
    private func publish(_ will: Will, of client: DepartedClient) {
        let kept = KeptSender(owner: client.owner, standing: will.standing)
        var principal = kept.principal
        var listener = (ports.first { $0.share.settings.name == kept.listener } ?? ports.first { $0.mqtt != nil })?.number ?? 0
        if let known = departed.removeValue(forKey: client.clientID), known.principal.owner(isNewSession: false) == client.owner {
            (principal, listener) = known
        }
        guard !shared.revocations.isRevoked(principal) else { return }
        let publish = takePublish()
        publish.fill(will.message)
        // By the listener that he came in by: routes may be of one.
        let session = Session(listener: listener, peer: (0, 0), peerText: [0x2d], trusted: false)
        publish.begin(nil, session, as: principal, clientID: client.clientID)
    }
}
