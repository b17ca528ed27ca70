import Exchanges
import WireMQTT

/// A session that a message goes to, and how.
struct Hit {
    let session: Session
    var qos: QoS
    var retainAsPublished: Bool
    var identifiers: [UInt32]
    /// Through which shared subscription; nil = its own.
    var share: ShareGroup?
}

extension BrokerState {
    /// Messages with QoS 0 that wait for a congested connection.
    static let mostDirectWhenHeld = 64
    /// Messages with QoS 2 of one session that have not been released: a client that comes back again and again and sends no
    /// PUBREL.
    static let mostIncoming = 4096

    func publish(_ message: Message, from: SessionHandle?, packetID: UInt16, _ ticket: Ticket, _ now: Moment) {
        let sender = from.flatMap { byNumber[$0.number] }
        if packetID != 0, let sender, sender.incoming.contains(packetID) {
            // The first of them may be in this very group.
            if stores { promises.append(.answer(reply: replies.count)) }
            return reply(ticket, .published(subscribers: 0, isRepeated: true))
        }
        if packetID != 0, let sender, sender.incoming.count >= BrokerState.mostIncoming { return reply(ticket, .failed(.quotaExceeded)) }
        if message.isRetained && !mayRetain(message) { return reply(ticket, .failed(.quotaExceeded)) }
        figures.published += 1
        findHits(message, sender)
        let isPromised = message.qos > .atMostOnce
        if !canStore && wouldStore(message, sender, packetID) {
            hits.removeAll(keepingCapacity: true)
            return reply(ticket, .failed(.implementationSpecificError))
        }
        let changesBefore = changes.count
        let firstEntry = enqueued.count
        let body = MessageBody(message)
        outgoing += hits.count
        for hit in hits { route(body, hit) }
        let subscribers = hits.count
        hits.removeAll(keepingCapacity: true)
        let former = message.isRetained ? keep(body) : nil
        if packetID != 0, let sender {
            sender.incoming.insert(packetID)
            if sender.isStored { changes.append(.incoming(session: sender.number, packetID: packetID)) }
        }
        if isPromised && changes.count > changesBefore {
            needsCommit = true
            promises.append(
                .publish(
                    reply: replies.count, body, entries: firstEntry..<enqueued.count, retained: message.isRetained, former: former,
                    sender: packetID == 0 ? nil : sender, packetID: packetID))
        }
        reply(ticket, .published(subscribers: subscribers, isRepeated: false))
    }

    /// PUBREL of a message that the client sent.
    func release(_ handle: SessionHandle, _ ticket: Ticket, _ packetID: UInt16) {
        guard let session = byNumber[handle.number] else {
            return reply(ticket, .released(packetID: packetID, isKnown: false))
        }
        let isKnown = session.incoming.remove(packetID) != nil
        if session.isStored {
            if isKnown {
                changes.append(.released(session: session.number, packetID: packetID))
                needsCommit = true
            }
            waitForCommit()
        }
        reply(ticket, .released(packetID: packetID, isKnown: isKnown))
    }

    /// Each session once, at the highest QoS of its subscriptions, with all their identifiers (section 3.3.4); one member of each
    /// shared subscription.
    private func findHits(_ message: Message, _ sender: Session?) {
        nodes.removeAll(keepingCapacity: true)
        subscriptions.match(message.topic, into: &nodes)
        hitSerial += 1
        for node in nodes {
            for subscriber in node.value.plain {
                let session = subscriber.session
                if subscriber.options.noLocal && session === sender { continue }
                if session.hitSerial == hitSerial {
                    let i = Int(session.hitIndex)
                    hits[i].qos = max(hits[i].qos, subscriber.options.qos)
                    if subscriber.options.retainAsPublished { hits[i].retainAsPublished = true }
                    if subscriber.identifier != 0 { hits[i].identifiers.append(subscriber.identifier) }
                    continue
                }
                session.hitSerial = hitSerial
                session.hitIndex = Int32(hits.count)
                hits.append(Hit(subscriber))
            }
        }
        // Behind the others, whose places in the list are known by then.
        for node in nodes {
            for group in node.value.shares {
                guard let member = pick(group, message.cost, message.qos) else {
                    figures.dropped.noMember += 1
                    continue
                }
                var hit = Hit(member)
                hit.share = group
                hits.append(hit)
            }
        }
        nodes.removeAll(keepingCapacity: true)
    }

    /// Tells whoever subscribes what has changed of what the gateway says of itself, and keeps it for those who come later. With
    /// QoS 0: nothing of it waits for anybody, or is stored.
    func tell(_ messages: [Message]) {
        for message in messages where own[message.topic]?.message.payload != message.payload {
            _ = own.set(message.topic, MessageBody(message))
            findHits(message, nil)
            for hit in hits { deliverDirectly(message, to: hit.session, retain: hit.retainAsPublished, hit.identifiers) }
            hits.removeAll(keepingCapacity: true)
        }
    }

    private func wouldStore(_ message: Message, _ sender: Session?, _ packetID: UInt16) -> Bool {
        if stores && message.isRetained || packetID != 0 && sender?.isStored == true { return true }
        return message.qos > .atMostOnce && hits.contains { $0.session.isStored && $0.qos > .atMostOnce }
    }

    private func route(_ body: MessageBody, _ hit: Hit) {
        let message = body.message
        let qos = min(message.qos, hit.qos)
        let retain = message.isRetained && hit.retainAsPublished
        if qos == .atMostOnce {
            deliverDirectly(message, to: hit.session, retain: retain, hit.identifiers)
        } else {
            _ = enqueue(body, to: hit.session, qos, retain: retain, hit.identifiers, share: hit.share)
        }
    }

    /// QoS 0: now, or never.
    func deliverDirectly(_ message: Message, to session: Session, retain: Bool, _ identifiers: [UInt32]) {
        guard session.isConnected else { return }
        if isBlocked(session) {
            figures.dropped.mailboxFull += 1
        } else if session.isHeld && session.direct.count >= BrokerState.mostDirectWhenHeld {
            figures.dropped.held += 1
        } else {
            session.direct.append(DirectEntry(message: message, retain: retain, identifiers: identifiers))
            if !session.isHeld { wake(session) }
        }
    }

    /// False when there is no room for it.
    func enqueue(
        _ body: MessageBody, to session: Session, _ qos: QoS, retain: Bool, _ identifiers: [UInt32], share: ShareGroup?
    ) -> Bool {
        let cost = body.message.cost
        let more = QueueEntry.cost + (body.queues == 0 ? cost : 0)
        guard hasRoom(session, cost), figures.queuedBytes + more <= options.allQueuedBytes else {
            figures.dropped.queueFull += 1
            return false
        }
        let entry = QueueEntry(
            body: body, sequence: session.nextSequence, identifiers: identifiers, share: share, qos: qos, retain: retain)
        session.nextSequence += 1
        session.queuedBytes += cost + QueueEntry.cost
        figures.queuedBytes += more
        figures.queuedMessages += 1
        body.queues += 1
        session.waiting.append(entry)
        if let share, !session.isConnected { strand(session, share, isDue: false) }
        if stores { enqueued.append((session, entry.sequence)) }
        if session.isStored {
            needsCommit = true
            holdStored(body)
            changes.append(
                .queue(
                    session: session.number, sequence: entry.sequence, message: body.number, qos: qos, retain: retain,
                    identifiers: identifiers, share: share.flatMap { qos == .atLeastOnce ? $0.whole : nil } ?? []))
        }
        if session.isConnected { wake(session) }
        return true
    }

    // MARK: Retained messages

    private func mayRetain(_ message: Message) -> Bool {
        if message.payload.isEmpty { return true }
        let former = retained[message.topic]
        let count = retained.count + (former == nil ? 1 : 0)
        return count <= options.retained && retained.bytes + message.cost - (former?.message.cost ?? 0) <= options.retainedBytes
    }

    /// The topic retains it, or nothing any more if it is empty. What it retained is returned.
    private func keep(_ body: MessageBody) -> MessageBody? {
        let topic = body.message.topic
        if body.message.payload.isEmpty { return unretain(topic) }
        if stores {
            holdStored(body)
            changes.append(.retain(topic: topic, message: body.number))
        }
        let former = retained.set(topic, body)
        if stores, let former { releaseStored(former) }
        return former
    }

    @discardableResult
    func unretain(_ topic: [UInt8]) -> MessageBody? {
        guard let former = retained.remove(topic) else { return nil }
        if stores {
            changes.append(.unretain(topic: topic))
            releaseStored(former)
        }
        return former
    }

    /// A promise is not kept: the topic retains what it did before.
    func restore(_ topic: [UInt8], _ body: MessageBody?) {
        guard let body else {
            unretain(topic)
            return
        }
        holdStored(body)
        changes.append(.retain(topic: topic, message: body.number))
        if let later = retained.set(topic, body) { releaseStored(later) }
    }
}

extension Hit {
    init(_ subscriber: Subscriber) {
        session = subscriber.session
        qos = subscriber.options.qos
        retainAsPublished = subscriber.options.retainAsPublished
        identifiers = subscriber.identifier == 0 ? [] : [subscriber.identifier]
    }
}
