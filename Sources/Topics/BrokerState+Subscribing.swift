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

    /// A member of shared subscriptions has left its connection: what has not been sent to it goes to those who are there, as far
    /// as they have room.
    func reshare(_ session: Session) {
        for held in session.held {
            guard let group = held.group, group.members.contains(where: { $0.session.isConnected }) else { continue }
            var moved: Set<UInt64> = []
            for entry in session.waiting.all where entry.share === group {
                guard let member = pickConnected(group, entry.body.message.cost) else { break }
                if pass(entry, to: member, group) { moved.insert(entry.sequence) }
            }
            guard !moved.isEmpty else { continue }
            for entry in session.waiting.extract({ moved.contains($0.sequence) }) { settleEntry(entry, of: session) }
        }
    }

    /// The session has left this group: what waits for it through it goes to the other members.
    func passOn(_ session: Session, of group: ShareGroup) {
        for entry in session.waiting.extract({ $0.share === group }) {
            passOn(entry, group)
            settleEntry(entry, of: session)
        }
    }

    /// The same for all its groups, at the session's end; what it has not acknowledged with QoS 1 goes as well; with QoS 2 it
    /// must not (section 4.8.2).
    func passOn(_ session: Session) {
        for entry in session.inFlight where entry.qos == .atLeastOnce {
            if let group = entry.share { passOn(entry, group) }
        }
        for entry in session.waiting.all {
            if let group = entry.share { passOn(entry, group) }
        }
    }

    private func passOn(_ entry: QueueEntry, _ group: ShareGroup) {
        guard let member = pick(group, entry.body.message.cost, entry.qos), pass(entry, to: member, group) else {
            figures.dropped.noMember += 1
            return
        }
    }

    private func pass(_ entry: QueueEntry, to member: Subscriber, _ group: ShareGroup) -> Bool {
        let qos = min(entry.qos, member.options.qos)
        let identifiers = member.identifier == 0 ? [] : [member.identifier]
        if qos > .atMostOnce { return enqueue(entry.body, to: member.session, qos, retain: entry.retain, identifiers, share: group) }
        deliverDirectly(entry.body.message, to: member.session, retain: entry.retain, identifiers)
        return true
    }

    /// The member whose turn it is: connected and free, else connected with room, else one that will be back.
    /// - Parameter cost: of the message.
    func pick(_ group: ShareGroup, _ cost: Int, _ qos: QoS) -> Subscriber? {
        if let member = pickConnected(group, cost) { return member }
        guard qos > .atMostOnce else { return nil }
        return group.pick { !$0.session.isConnected && $0.options.qos > .atMostOnce && hasRoom($0.session, cost) }
    }

    private func pickConnected(_ group: ShareGroup, _ cost: Int) -> Subscriber? {
        group.pick { $0.session.isConnected && !$0.session.isHeld && hasRoom($0.session, cost) && !isBlocked($0.session) }
            ?? group.pick { $0.session.isConnected && hasRoom($0.session, cost) }
    }

    func hasRoom(_ session: Session, _ cost: Int) -> Bool {
        session.queued < options.queuedMessages && session.queuedBytes + cost + QueueEntry.cost <= options.queuedBytes
    }

    func isBlocked(_ session: Session) -> Bool {
        guard let worker = session.worker else { return false }
        return !blocked.isEmpty && blocked.contains(worker)
    }
}
