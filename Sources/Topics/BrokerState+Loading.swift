import Exchanges
import WireMQTT

/// What a former process left.
extension BrokerState {
    convenience init(store: any SessionStore, options: Broker.Options, workers: Int, _ now: Moment) throws(SessionStoreFault) {
        self.init(options: options, stores: true, workers: workers, now)
        var loading = Loading()
        try store.load { change in loading.take(change, into: self) }
        loading.finish(self, now)
        if let newest = try store.refused(before: .max, limit: 1).first { nextRefused = max(nextRefused, newest.number + 1) }
    }
}

/// Rows on their way back into memory.
private struct Loading {
    private var bodies: [UInt64: MessageBody] = [:]
    private var queues: [UInt64: [UInt64: QueueEntry]] = [:]

    mutating func take(_ change: SessionChange, into state: BrokerState) {
        switch change {
        case .session(let stored): session(stored, state)
        case .endSession(let number):
            guard let session = state.byNumber[number] else { return }
            state.strike(session)
            state.subscriptions.removeAll(of: session)
            state.setWill(session, nil)
            queues[number] = nil
        case .subscribe(let number, let subscription):
            if let session = state.byNumber[number] { _ = state.subscriptions.add(subscription, of: session) }
        case .unsubscribe(let number, let filter):
            if let session = state.byNumber[number] { _ = state.subscriptions.remove(filter, of: session) }
        case .message(let number, let message):
            bodies[number] = MessageBody(message, number: number)
            state.nextMessage = max(state.nextMessage, number + 1)
        case .forgetMessage(let number): bodies[number] = nil
        case .queue(let number, let sequence, let message, let qos, let retain, let identifiers, let share):
            guard let body = bodies[message] else { return }
            queues[number, default: [:]][sequence] = QueueEntry(
                body: body, sequence: sequence, identifiers: identifiers, share: group(share, of: state.byNumber[number]), qos: qos,
                retain: retain)
        case .sent(let number, let sequence, _):
            queues[number]?[sequence]?.stage = .sentBefore
            queues[number]?[sequence]?.isRecorded = true
        case .received(let number, let sequence):
            queues[number]?[sequence]?.stage = .receivedBefore
            queues[number]?[sequence]?.isRecorded = true
        case .done(let number, let sequence): queues[number]?[sequence] = nil
        case .retain(let topic, let message):
            if let body = bodies[message] { _ = state.retained.set(topic, body) }
        case .unretain(let topic): _ = state.retained.remove(topic)
        case .incoming(let number, let packetID): state.byNumber[number]?.incoming.insert(packetID)
        case .released(let number, let packetID): state.byNumber[number]?.incoming.remove(packetID)
        case .refuse(let number, _): state.nextRefused = max(state.nextRefused, number + 1)
        case .dropRefused, .forgetRefused: break
        }
    }

    /// The session's shared subscription with this filter.
    private func group(_ whole: [UInt8], of session: Session?) -> ShareGroup? {
        guard !whole.isEmpty else { return nil }
        return session?.held.first { $0.group?.whole == whole }?.group
    }

    private func session(_ stored: StoredSession, _ state: BrokerState) {
        let session: Session
        if let known = state.byNumber[stored.number] {
            session = known
        } else {
            session = Session(
                number: stored.number, clientID: stored.clientID, holder: state.holders.enter(stored.owner), incarnation: stored.incarnation,
                sessionExpiry: stored.sessionExpiry)
            state.enter(session)
        }
        session.isStored = true
        session.sessionExpiry = min(stored.sessionExpiry, state.options.sessionExpiry)
        session.leftMS = stored.leftMS
        state.setWill(session, stored.will)
        state.nextSession = max(state.nextSession, stored.number + 1)
    }

    func finish(_ state: BrokerState, _ now: Moment) {
        for session in state.byNumber.values.sorted(by: { $0.number < $1.number }) { finish(session, state, now) }
        countHolders(state)
    }

    private func finish(_ session: Session, _ state: BrokerState, _ now: Moment) {
        // The process died with its connection: it counts as lost now.
        if session.leftMS == 0 {
            session.leftMS = max(1, now.wallMS)
            state.storeAnew(session)
        }
        session.endsAt = now.monotonic(session.leftMS.addingCapped(UInt64(session.sessionExpiry) * 1000))
        state.noteEnd(session)
        if let will = session.will {
            session.willAt = now.monotonic(session.leftMS.addingCapped(UInt64(will.delay) * 1000))
            state.noteWill(session)
        }
        for entry in (queues[session.number] ?? [:]).values.sorted(by: { $0.sequence < $1.sequence }) {
            session.nextSequence = entry.sequence + 1
            session.queuedBytes += entry.body.message.cost + QueueEntry.cost
            state.figures.queuedBytes += QueueEntry.cost + (entry.body.queues == 0 ? entry.body.message.cost : 0)
            state.figures.queuedMessages += 1
            entry.body.queues += 1
            if entry.stage == .waiting { session.waiting.append(entry) } else { session.inFlight.append(entry) }
        }
        state.strand(session)
    }

    /// Bodies that nobody needs are forgotten: nothing else would ever do it.
    private func countHolders(_ state: BrokerState) {
        for (number, queue) in queues where state.byNumber[number] != nil {
            for entry in queue.values { entry.body.storedHolders += 1 }
        }
        for body in bodies.values {
            if state.retained[body.message.topic] === body { body.storedHolders += 1 }
            if body.storedHolders == 0 { state.changes.append(.forgetMessage(number: body.number)) }
        }
    }
}
