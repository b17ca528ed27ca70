import Exchanges
import WireMQTT

/// What a reply of a group says, in case the group's commit fails: how it is taken back.
enum Promise {
    case attach(reply: Int, Session)
    /// Former subscriptions by filter; nil = there was none.
    case subscribe(reply: Int, Session, [(TopicFilter, Subscription?)], entries: Range<Int>)
    case publish(
        reply: Int, MessageBody, entries: Range<Int>, retained: Bool, former: MessageBody?, sender: Session?, packetID: UInt16)
    case refuse(reply: Int, number: UInt64)
    /// Nothing was changed, but what it says may no longer hold.
    case answer(reply: Int)
    /// It is not taken back: the reply waits for a commit that works.
    case patience(reply: Int)
}

extension BrokerState {
    // MARK: Bodies

    /// One more in the store needs the body.
    func holdStored(_ body: MessageBody) {
        if body.storedHolders == 0 {
            if body.number == 0 {
                body.number = nextMessage
                nextMessage += 1
            }
            changes.append(.message(number: body.number, body.message))
        }
        body.storedHolders += 1
    }

    func releaseStored(_ body: MessageBody) {
        body.storedHolders -= 1
        if body.storedHolders == 0 { changes.append(.forgetMessage(number: body.number)) }
    }

    // MARK: Commits

    /// The reply that comes next is held back until all that was changed up to now is on disk, however often that fails.
    func waitForCommit() {
        if !canStore { needsCommit = true }
        promises.append(.patience(reply: replies.count))
    }

    /// There is something to commit, at some time.
    var hasChanges: Bool { !changes.isEmpty || !unrecorded.isEmpty }

    /// Completes `changes`: what has been sent and is still on its way is recorded now, not one by one.
    func gatherChanges() {
        for (session, sequence) in unrecorded where session.isStored {
            guard let i = session.inFlight.firstIndex(where: { $0.sequence == sequence }) else { continue }
            record(session, i)
        }
        unrecorded.removeAll(keepingCapacity: true)
    }

    func record(_ session: Session, _ i: Int) {
        guard !session.inFlight[i].isRecorded else { return }
        session.inFlight[i].isRecorded = true
        let entry = session.inFlight[i]
        changes.append(.sent(session: session.number, sequence: entry.sequence, packetID: entry.packetID))
    }

    /// `changes` are on disk, or there was none that a reply rests on.
    /// - Parameter durably: they are on disk.
    func committed(durably: Bool) {
        if durably {
            changes.removeAll(keepingCapacity: true)
            replies.append(contentsOf: patient)
            patient.removeAll()
            if !canStore {
                canStore = true
                for session in byNumber.values where session.isConnected {
                    if session.isStored { wake(session) }
                    welcome(session)
                }
            }
        }
        endGroup()
    }

    /// `changes` are not on disk, and stay to be committed. What this group has promised is taken back, by further changes, the
    /// latest first.
    func commitFailed(_ now: Moment) {
        canStore = false
        var isPatient: Set<Int> = []
        for promise in promises.reversed() {
            switch promise {
            case .attach(let i, let session):
                replies[i].what = .refusedAttach(.serverUnavailable)
                turnAway(session, replies[i].ticket, now)
            case .subscribe(let i, let session, let former, let entries):
                if case .subscribed(let packetID, let reasons) = replies[i].what {
                    replies[i].what = .subscribed(
                        packetID: packetID, reasons.map { $0.isError ? $0 : .implementationSpecificError })
                }
                takeBack(entries, where: { _ in true })
                restore(former, of: session)
            case .publish(let i, let body, let entries, let isRetained, let former, let sender, let packetID):
                replies[i].what = .failed(.implementationSpecificError)
                takeBack(entries, where: { $0.body === body })
                takeBackDirect(body.message)
                if isRetained { restore(body.message.topic, former) }
                if let sender, sender.incoming.remove(packetID) != nil, sender.isStored {
                    changes.append(.released(session: sender.number, packetID: packetID))
                }
            case .refuse(let i, let number):
                replies[i].what = .failed(.implementationSpecificError)
                changes.append(.forgetRefused(number: number))
            case .answer(let i): replies[i].what = .failed(.implementationSpecificError)
            case .patience(let i): isPatient.insert(i)
            }
        }
        if !isPatient.isEmpty {
            var now: [BrokerReply] = []
            for (i, reply) in replies.enumerated() {
                if isPatient.contains(i) { patient.append(reply) } else { now.append(reply) }
            }
            replies = now
        }
        endGroup()
    }

    private func endGroup() {
        needsCommit = false
        promises.removeAll(keepingCapacity: true)
        enqueued.removeAll(keepingCapacity: true)
    }

    /// A client that could not be let in after all.
    private func turnAway(_ session: Session, _ ticket: Ticket, _ now: Moment) {
        guard session.ticket == ticket else { return }
        setWill(session, nil)
        detach(SessionHandle(session.number), ticket, .lost(sessionExpiry: nil), now)
    }

    private func restore(_ former: [(TopicFilter, Subscription?)], of session: Session) {
        guard !session.isOver else { return }
        for (filter, subscription) in former.reversed() {
            if let subscription {
                _ = subscriptions.add(subscription, of: session)
                if session.isStored { changes.append(.subscribe(session: session.number, subscription)) }
            } else if subscriptions.remove(filter, of: session) != nil, session.isStored {
                changes.append(.unsubscribe(session: session.number, filter))
            }
        }
    }

    private func takeBack(_ entries: Range<Int>, where passes: (QueueEntry) -> Bool) {
        for (session, sequence) in enqueued[entries] where !session.isOver {
            for entry in session.waiting.extract({ $0.sequence == sequence && passes($0) }) { settleEntry(entry, of: session) }
        }
    }

    private func takeBackDirect(_ message: Message) {
        for session in ready { session.direct.removeAll { $0.message === message } }
    }

    // MARK: Refused messages

    func refuse(_ message: RefusedMessage, _ ticket: Ticket) {
        var message = message
        message.cut()
        if stores && !canStore { return reply(ticket, .failed(.implementationSpecificError)) }
        let number = nextRefused
        nextRefused += 1
        figures.refusedKept += 1
        if stores {
            changes.append(.refuse(number: number, message))
            if number > UInt64(options.refused) { changes.append(.dropRefused(through: number - UInt64(options.refused))) }
            needsCommit = true
            promises.append(.refuse(reply: replies.count, number: number))
        } else {
            shelf.put(number, message, most: options.refused)
        }
        reply(ticket, .kept)
    }

    /// - Returns: false when there is none (as far as is known without a look at the disk).
    func forgetRefused(_ number: UInt64) -> Bool {
        guard number > 0 && number < nextRefused && canStore else { return false }
        if !stores { return shelf.remove(number) }
        changes.append(.forgetRefused(number: number))
        return true
    }
}
