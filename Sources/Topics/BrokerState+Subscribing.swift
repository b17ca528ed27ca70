import Exchanges
import WireMQTT

extension BrokerState {
    func subscribe(
        _ handle: SessionHandle, _ ticket: Ticket, _ packetID: UInt16, _ asked: [Result<Subscription, RefusedFilter>], _ now: Moment
    ) {
        guard let session = session(handle, of: ticket), canStore || !session.isStored else {
            return reply(ticket, .subscribed(packetID: packetID, asked.map { _ in .implementationSpecificError }))
        }
        let firstEntry = enqueued.count
        var former: [(TopicFilter, Subscription?)] = []
        var reasons: [ReasonCode] = []
        var walk = RetainedWalk(most: options.queuedMessages, steps: options.retainedSteps)
        for line in asked {
            switch line {
            case .failure(let refused): reasons.append(refused.reason)
            case .success(let subscription):
                let isNew = !session.held.contains { $0.subscription.filter == subscription.filter }
                let mayHold = session.holder.mayHold(subscription.filter.cost, of: options.allSessionBytes)
                guard !isNew || session.held.count < options.subscriptions && mayHold else {
                    reasons.append(.quotaExceeded)
                    continue
                }
                findRetained(subscription, isNew: isNew, &walk)
                guard !walk.isCut else {
                    reasons.append(.quotaExceeded)
                    continue
                }
                former.append((subscription.filter, subscriptions.add(subscription, of: session)))
                if session.isStored { changes.append(.subscribe(session: session.number, subscription)) }
                if subscription.filter.share != nil { welcome(session) }
                send(walk.found, to: session, subscription, now)
                switch subscription.options.qos {
                case .atMostOnce: reasons.append(.success)
                case .atLeastOnce: reasons.append(.grantedQoS1)
                case .exactlyOnce: reasons.append(.grantedQoS2)
                }
            }
        }
        if session.isStored && !former.isEmpty {
            needsCommit = true
            promises.append(.subscribe(reply: replies.count, session, former, entries: firstEntry..<enqueued.count))
        }
        reply(ticket, .subscribed(packetID: packetID, reasons))
    }

    func unsubscribe(_ handle: SessionHandle, _ ticket: Ticket, _ packetID: UInt16, _ filters: [TopicFilter?], _ now: Moment) {
        guard let session = session(handle, of: ticket) else {
            return reply(ticket, .unsubscribed(packetID: packetID, filters.map { _ in .noSubscriptionExisted }))
        }
        var reasons: [ReasonCode] = []
        var hasChanged = false
        for filter in filters {
            guard let filter else {
                reasons.append(.topicFilterInvalid)
                continue
            }
            guard let held = subscriptions.remove(filter, of: session) else {
                reasons.append(.noSubscriptionExisted)
                continue
            }
            reasons.append(.success)
            if session.isStored {
                changes.append(.unsubscribe(session: session.number, filter))
                hasChanged = true
            }
            if let group = held.group { passOn(session, of: group) }
        }
        if hasChanged {
            needsCommit = true
            waitForCommit()
        }
        reply(ticket, .unsubscribed(packetID: packetID, reasons))
    }

    /// What its client may have no more goes, and with it what waits under no other filter: it was let in under one that would be
    /// refused now. What was on its way already comes to its end.
    func judged(_ handle: SessionHandle, _ ticket: Ticket, _ refused: [TopicFilter]) {
        guard let session = session(handle, of: ticket) else { return }
        for filter in refused {
            guard let held = subscriptions.remove(filter, of: session) else { continue }
            figures.withdrawn += 1
            if session.isStored { changes.append(.unsubscribe(session: session.number, filter)) }
            if let group = held.group { passOn(session, of: group) }
        }
        if !refused.isEmpty {
            let filters = session.held.map(\.subscription.filter)
            let lost = session.waiting.extract { !isTaken($0.body.message.topic, by: filters) }
            for entry in lost { settleEntry(entry, of: session) }
            figures.dropped.withdrawn += UInt64(lost.count)
        }
        hold(handle, ticket, false)
    }

    private func isTaken(_ topic: [UInt8], by filters: [TopicFilter]) -> Bool {
        for filter in filters where filter.matches(topic.span) { return true }
        return false
    }

    /// What topics retain for a new subscriber (section 3.3.1.3).
    private func findRetained(_ subscription: Subscription, isNew: Bool, _ walk: inout RetainedWalk) {
        walk.begin()
        guard subscription.filter.share == nil else { return }
        switch subscription.options.retainHandling {
        case .doNotSend: return
        case .sendIfNew: if !isNew { return }
        case .send: break
        }
        retained.match(subscription.filter.text, &walk)
        if subscription.filter.text.first == UInt8(ascii: "$") { own.match(subscription.filter.text, &walk) }
    }

    private func send(_ found: [MessageBody], to session: Session, _ subscription: Subscription, _ now: Moment) {
        let identifiers = subscription.identifier == 0 ? [] : [subscription.identifier]
        var bytes = 0
        for body in found where body.message.expiresMS > now.wallMS {
            let qos = min(body.message.qos, subscription.options.qos)
            if qos == .atMostOnce {
                bytes += body.message.cost
                if bytes > options.queuedBytes { figures.dropped.held += 1; continue }
                deliverDirectly(body.message, to: session, retain: true, identifiers)
            } else {
                _ = enqueue(body, to: session, qos, retain: true, identifiers, share: nil)
            }
        }
    }
}
