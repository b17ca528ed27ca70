import Exchanges
import WireMQTT

/// Sessions come, are taken over, left, and end.
extension BrokerState {
    func attach(_ asked: Attach, _ now: Moment) {
        let expiry = min(asked.sessionExpiry, options.sessionExpiry)
        let former = byClient[asked.clientID]
        if let former, former.owner != asked.owner { return reply(asked.ticket, .refusedAttach(.notAuthorized)) }
        if stores && expiry > 0 && !canStore { return reply(asked.ticket, .refusedAttach(.serverUnavailable)) }
        // Before anybody makes room: who has many would push out those of others.
        if former == nil && holders.sessions(of: asked.owner) >= options.sessionsOfOne {
            figures.refusedAsOwners += 1
            return reply(asked.ticket, .refusedAttach(.quotaExceeded))
        }
        guard hasRoom(for: asked, isNew: former == nil, now) else {
            figures.refusedAsFull += 1
            return reply(asked.ticket, .refusedAttach(.quotaExceeded))
        }
        let changesBefore = changes.count
        var kept: Session?
        if let former {
            // One that was to end with its connection does (section 4.1).
            let ends = asked.cleanStart || former.isConnected && former.sessionExpiry == 0
            takeOver(former, ends: ends, now)
            if ends { end(former, now) } else { kept = former }
        }
        let session = kept ?? make(asked, expiry)
        if kept != nil && expiry == 0 { unstore(session) }
        session.sessionExpiry = expiry
        session.isStored = stores && expiry > 0
        session.ticket = asked.ticket
        for held in session.held { held.group?.present += 1 }
        session.worker = asked.ticket.worker
        session.receiveMaximum = max(1, asked.receiveMaximum)
        let filters = asked.judges && kept != nil ? session.held.map(\.subscription.filter) : []
        session.isHeld = !filters.isEmpty
        session.leftMS = 0
        session.endsAt = .max
        session.willAt = .max
        setWill(session, asked.will)
        figures.connected += 1
        storeAnew(session)
        welcome(session)
        if changes.count > changesBefore {
            needsCommit = true
            promises.append(.attach(reply: replies.count, session))
        }
        reply(
            asked.ticket,
            .attached(
                Attached(
                    session: SessionHandle(session.number), isPresent: kept != nil, sessionExpiry: expiry, incarnation: session.incarnation,
                    filters: filters)))
        wake(session)
    }

    func detach(_ handle: SessionHandle, _ ticket: Ticket, _ departure: Departure, _ now: Moment) {
        guard let session = session(handle, of: ticket) else { return }
        let said: UInt32?
        switch departure {
        case .clean(let expiry):
            setWill(session, nil)
            said = expiry
        case .lost(let expiry): said = expiry
        }
        // What began with 0 stays with 0 (section 3.14.2.2.2).
        if let said, session.sessionExpiry > 0 { session.sessionExpiry = min(said, options.sessionExpiry) }
        leave(session, now)
    }

    /// Ends a connection from within.
    func kick(_ session: Session, _ now: Moment) {
        guard let ticket = session.ticket else { return }
        reply(ticket, .ended(.administrativeAction))
        leave(session, now)
    }

    /// The connection is gone, and the session lives as long as was agreed.
    private func leave(_ session: Session, _ now: Moment) {
        disconnect(session, now)
        guard session.sessionExpiry > 0 else { return end(session, now) }
        session.endsAt = now.monotonicMS + UInt64(session.sessionExpiry) * 1000
        noteEnd(session)
        if let will = session.will {
            if will.delay == 0 {
                fireWill(session)
            } else {
                session.willAt = now.monotonicMS + UInt64(will.delay) * 1000
                noteWill(session)
            }
        }
        storeAnew(session)
        strand(session)
    }

    func noteEnd(_ session: Session) {
        let isLive = { at, number in self.byNumber[number]?.endsAt == at }
        ends.add(session.number, at: session.endsAt)
        ends.prune(live: byNumber.count, isLive)
        session.holder.ends.add(session.number, at: session.endsAt)
        session.holder.ends.prune(live: session.holder.sessions, spare: 8, isLive)
    }

    func noteWill(_ session: Session) {
        wills.add(session.number, at: session.willAt)
        wills.prune(live: withWill) { at, number in byNumber[number]?.willAt == at }
    }

    /// An earlier connection gives way to another one (section 3.1.4).
    private func takeOver(_ session: Session, ends: Bool, _ now: Moment) {
        if let ticket = session.ticket {
            figures.takeOvers += 1
            reply(ticket, .ended(.sessionTakenOver))
            disconnect(session, now)
            if let will = session.will, will.delay == 0 || ends { fireWill(session) }
        }
        // He is back before his will was due (section 3.1.3.2.2); if the session ends, `end` sees to it.
        if !ends { setWill(session, nil) }
    }

    /// What was on its way comes again on the next connection; what has QoS 0 does not.
    private func disconnect(_ session: Session, _ now: Moment) {
        session.ticket = nil
        for held in session.held { held.group?.present -= 1 }
        session.isHeld = false
        session.leftMS = max(1, now.wallMS)
        session.active = 0
        session.direct = []
        for i in session.inFlight.indices {
            switch session.inFlight[i].stage {
            case .waiting, .sent, .sentBefore: session.inFlight[i].stage = .sentBefore
            case .received, .receivedBefore: session.inFlight[i].stage = .receivedBefore
            }
        }
        figures.connected -= 1
    }

    private func make(_ asked: Attach, _ expiry: UInt32) -> Session {
        var random = SystemRandomNumberGenerator()
        let session = Session(
            number: nextSession, clientID: asked.clientID, holder: holders.enter(asked.owner),
            incarnation: UInt64.random(in: 1...UInt64.max, using: &random), sessionExpiry: expiry)
        nextSession += 1
        enter(session)
        return session
    }

    func enter(_ session: Session) {
        byNumber[session.number] = session
        byClient[session.clientID] = session
    }

    func strike(_ session: Session) {
        guard byNumber.removeValue(forKey: session.number) != nil else { return }
        byClient[session.clientID] = nil
        holders.leave(session.holder)
    }

    /// The end of a session: its subscriptions, its queue, and what it had received go with it; its will is due.
    func end(_ session: Session, _ now: Moment) {
        guard !session.isOver else { return }
        if session.will != nil { fireWill(session) }
        session.isOver = true
        strike(session)
        let groups = session.held.compactMap(\.group)
        subscriptions.removeAll(of: session)
        passOn(session, of: groups)
        let wasStored = session.isStored
        for entry in session.inFlight { forget(entry, of: session) }
        for entry in session.waiting.removeAll() { forget(entry, of: session) }
        session.inFlight = []
        session.incoming = []
        session.isStored = false
        if wasStored { changes.append(.endSession(session.number)) }
        if session.sessionExpiry > 0 { reply(lastWorker(of: session), .gone(incarnation: session.incarnation)) }
    }

    /// A worker to tell of a session without a connection.
    private func lastWorker(of session: Session) -> Ticket {
        let worker = session.worker ?? UInt16(truncatingIfNeeded: session.number % UInt64(workers))
        return Ticket(worker: worker, slot: .max, generation: 0)
    }

    /// From now on it lives as long as its connection.
    private func unstore(_ session: Session) {
        guard session.isStored else { return }
        for entry in session.inFlight + session.waiting.all { releaseStored(entry.body) }
        session.isStored = false
        changes.append(.endSession(session.number))
    }

    /// Is there room for what he wants, or can it be made?
    private func hasRoom(for asked: Attach, isNew: Bool, _ now: Moment) -> Bool {
        let holder = holders.holder(of: asked.owner)
        defer { holders.forgetIfGone(holder) }
        if let will = asked.will, !holder.mayHold(will.message.cost, of: options.allSessionBytes) { return false }
        guard isNew && byNumber.count >= options.sessions else { return true }
        // Who has many makes room among his own.
        return holder.sessions > options.sessions / 10 ? evictOne(&holder.ends, now) : evictOne(&ends, now)
    }

    /// The session without a connection that would end first goes.
    private func evictOne(_ ends: inout Deadlines<UInt64>, _ now: Moment) -> Bool {
        while let (at, number) = ends.first {
            ends.removeFirst()
            guard let session = byNumber[number], session.endsAt == at else { continue }
            figures.evictions += 1
            end(session, now)
            return true
        }
        return false
    }

    /// Carries out what is due.
    func expire(_ now: Moment) {
        while let (at, number) = wills.first, at <= now.monotonicMS {
            wills.removeFirst()
            guard let session = byNumber[number], session.willAt == at else { continue }
            fireWill(session)
            storeAnew(session)
        }
        while let (at, number) = ends.first, at <= now.monotonicMS {
            ends.removeFirst()
            guard let session = byNumber[number], session.endsAt == at else { continue }
            figures.expiredSessions += 1
            end(session, now)
        }
        while let topic = retained.nextExpired(wallMS: now.wallMS) { unretain(topic) }
    }

    func setWill(_ session: Session, _ will: Will?) {
        withWill += (will == nil ? 0 : 1) - (session.will == nil ? 0 : 1)
        session.holder.hold((will?.message.cost ?? 0) - (session.will?.message.cost ?? 0))
        session.will = will
        if will == nil { session.willAt = .max }
    }

    private func fireWill(_ session: Session) {
        guard let will = session.will else { return }
        setWill(session, nil)
        figures.wills += 1
        reply(
            lastWorker(of: session),
            .will(will, DepartedClient(clientID: session.clientID, owner: session.owner)))
    }

    func storeAnew(_ session: Session) {
        if session.isStored { changes.append(.session(session.stored)) }
    }
}
