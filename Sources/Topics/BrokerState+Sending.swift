import Exchanges
import WireMQTT

/// From queues to connections, and what clients say of it (section 4.3).
extension BrokerState {
    /// Appends to `replies` what connections can take; after the commit.
    func send(_ now: Moment) {
        var later: [Session] = []
        for session in ready {
            if isBlocked(session) && session.isConnected {
                later.append(session)
                continue
            }
            session.isReady = false
            send(to: session, now)
        }
        ready = later
        outgoing = 0
    }

    private func send(to session: Session, _ now: Moment) {
        guard let ticket = session.ticket, !session.isHeld else { return }
        var deliveries: [Delivery] = []
        if !session.direct.isEmpty {
            deliveries.reserveCapacity(session.direct.count)
            for entry in session.direct where entry.message.expiresMS > now.wallMS {
                deliveries.append(Delivery(message: entry.message, qos: .atMostOnce, retain: entry.retain, identifiers: entry.identifiers))
            }
            session.direct = []
        }
        let limit = max(1, min(options.inFlight, session.receiveMaximum))
        sendAgain(session, ticket, limit, &deliveries)
        sendFirst(session, limit, &deliveries, now)
        guard !deliveries.isEmpty else { return }
        figures.deliveries += UInt64(deliveries.count)
        reply(ticket, .deliver(deliveries))
    }

    /// What an earlier connection left unsettled, in its order (section 4.4).
    private func sendAgain(_ session: Session, _ ticket: Ticket, _ limit: UInt16, _ deliveries: inout [Delivery]) {
        guard session.inFlight.count > Int(session.active) else { return }
        for i in session.inFlight.indices where session.active < limit {
            let entry = session.inFlight[i]
            switch entry.stage {
            case .waiting, .sent, .received: continue
            case .sentBefore:
                session.inFlight[i].stage = .sent
                deliveries.append(Delivery(entry, dup: true))
            case .receivedBefore:
                session.inFlight[i].stage = .received
                reply(ticket, .release(packetID: entry.packetID))
            }
            session.active += 1
        }
    }

    private func sendFirst(_ session: Session, _ limit: UInt16, _ deliveries: inout [Delivery], _ now: Moment) {
        // What is queued while the store is away may not be on disk.
        guard canStore || !session.isStored else { return }
        while session.active < limit && session.inFlight.count == Int(session.active), var entry = session.waiting.first {
            if entry.body.message.expiresMS <= now.wallMS {
                session.waiting.removeFirst()
                figures.dropped.expired += 1
                settleEntry(entry, of: session)
                continue
            }
            // Identifiers come round after 65,535 messages: one that has not been settled since then is waited for.
            let packetID = entry.packetID
            if entry.sequence > 65_535 && session.inFlight.contains(where: { $0.packetID == packetID }) { return }
            session.waiting.removeFirst()
            entry.stage = .sent
            session.inFlight.append(entry)
            session.active += 1
            if session.isStored { unrecorded.append((session, entry.sequence)) }
            deliveries.append(Delivery(entry, dup: false))
        }
    }

    func settle(_ handle: SessionHandle, _ ticket: Ticket, _ packetID: UInt16, _ settlement: Settlement) {
        guard let session = session(handle, of: ticket),
            let i = session.inFlight.firstIndex(where: { $0.packetID == packetID })
        else { return }
        let entry = session.inFlight[i]
        switch (settlement, entry.qos, entry.stage) {
        case (.puback, .atLeastOnce, .sent), (.pubcomp, .exactlyOnce, .received): leave(i)
        case (.pubrec(let reason), .exactlyOnce, .sent) where reason.isError: leave(i)
        case (.pubrec, .exactlyOnce, .sent):
            session.inFlight[i].stage = .received
            if session.isStored {
                record(session, i)
                changes.append(.received(session: session.number, sequence: entry.sequence))
                needsCommit = true
                waitForCommit()
            }
            reply(ticket, .release(packetID: packetID))
        case (.pubrec(let reason), .exactlyOnce, .received) where !reason.isError:
            // Again: a PUBREL is the answer, as to the first one, which has been committed or will be with this group.
            if session.isStored { waitForCommit() }
            reply(ticket, .release(packetID: packetID))
        default: break
        }

        func leave(_ i: Int) {
            session.inFlight.remove(at: i)
            session.active -= 1
            settleEntry(entry, of: session)
            wake(session)
            hasRoomAgain(session)
        }
    }

    func hold(_ handle: SessionHandle, _ ticket: Ticket, _ isHeld: Bool) {
        guard let session = session(handle, of: ticket) else { return }
        session.isHeld = isHeld
        if !isHeld { wake(session) }
    }

    // MARK: Out of the queue

    /// The entry has left the queue, in memory and in the store.
    func settleEntry(_ entry: QueueEntry, of session: Session) {
        if session.isStored { changes.append(.done(session: session.number, sequence: entry.sequence)) }
        forget(entry, of: session)
    }

    /// The entry has left the queue in memory, and in the store it has or will.
    func forget(_ entry: QueueEntry, of session: Session) {
        let body = entry.body
        session.queuedBytes -= body.message.cost + QueueEntry.cost
        body.queues -= 1
        figures.queuedBytes -= QueueEntry.cost + (body.queues == 0 ? body.message.cost : 0)
        figures.queuedMessages -= 1
        if session.isStored { releaseStored(body) }
    }
}

extension Delivery {
    init(_ entry: QueueEntry, dup: Bool) {
        self.init(
            message: entry.body.message, qos: entry.qos, packetID: entry.packetID, dup: dup, retain: entry.retain,
            identifiers: entry.identifiers)
    }
}
