import Exchanges
import WireMQTT

/// Shared subscriptions (MQTT 5.0 section 4.8.2): whose turn it is, and what becomes of messages whose member is not there.
extension BrokerState {
    // MARK: Whose turn

    /// The member whose turn it is: connected and free, else connected with room, else one that will be back.
    /// - Parameter cost: of the message.
    func pick(_ group: ShareGroup, _ cost: Int, _ qos: QoS) -> Subscriber? {
        if let member = pickConnected(group, cost, where: { _ in true }) { return member }
        guard qos > .atMostOnce else { return nil }
        return group.pickSame { !$0.session.isConnected && $0.options.qos > .atMostOnce && hasRoom($0.session, cost) }
    }

    private func pickConnected(_ group: ShareGroup, _ cost: Int, where takes: (Subscriber) -> Bool) -> Subscriber? {
        guard group.present > 0 else { return nil }
        func isThere(_ member: Subscriber) -> Bool { member.session.isConnected && hasRoom(member.session, cost) && takes(member) }
        return group.pick { isThere($0) && !$0.session.isHeld && !isBlocked($0.session) } ?? group.pick(isThere)
    }

    func hasRoom(_ session: Session, _ cost: Int) -> Bool {
        session.queued < options.queuedMessages && session.queuedBytes + cost + QueueEntry.cost <= options.queuedBytes
    }

    func isBlocked(_ session: Session) -> Bool {
        guard let worker = session.worker else { return false }
        return !blocked.isEmpty && blocked.contains(worker)
    }

    // MARK: From those who are away to those who are there

    /// The session has no connection, and messages of the group wait in its queue.
    /// - Parameter isDue: others may have room for them; else they were just found to have none.
    func strand(_ session: Session, _ group: ShareGroup, isDue: Bool) {
        if group.stranded.last != session.number, !group.stranded.contains(session.number) { group.stranded.append(session.number) }
        guard group.present > 0 else { return }
        if isDue { noteDue(group) } else { setStarved(group, true) }
    }

    /// The same for all groups that have something in its queue and have not been sent.
    func strand(_ session: Session) {
        var noted: Set<ObjectIdentifier> = []
        for entry in session.waiting.all {
            if let group = entry.share, noted.insert(ObjectIdentifier(group)).inserted { strand(session, group, isDue: true) }
        }
    }

    /// The session has a connection, or a new shared subscription: what waits in its groups may be for it.
    func welcome(_ session: Session) {
        for held in session.held {
            if let group = held.group { noteDue(group) }
        }
    }

    /// Something has left the queue of a connected session. Not at every message: each time enough goes over to make up for the
    /// walk through a queue.
    func hasRoomAgain(_ session: Session) {
        guard starved > 0, session.queued * 2 <= options.queuedMessages, session.queuedBytes * 2 <= options.queuedBytes else { return }
        for held in session.held {
            if let group = held.group, group.isStarved { noteDue(group) }
        }
    }

    private func noteDue(_ group: ShareGroup) {
        guard group.present > 0, !group.stranded.isEmpty, !group.isDue else { return }
        group.isDue = true
        due.append(group)
    }

    private func setStarved(_ group: ShareGroup, _ isStarved: Bool) {
        guard group.isStarved != isStarved else { return }
        group.isStarved = isStarved
        starved += isStarved ? 1 : -1
    }

    /// What was queued and not sent for members that are away goes to those who are there, as far as they have room.
    func handOver() {
        let groups = due
        due = []
        for group in groups {
            group.isDue = false
            // Else when the store is back: nothing may be in two queues after a restart.
            if canStore { handOver(group) }
        }
    }

    private func handOver(_ group: ShareGroup) {
        var left: [UInt64] = []
        var handing = Handing()
        for number in group.stranded {
            guard let session = byNumber[number], !session.isConnected else { continue }
            if handing.isFull || !handOver(group, of: session, &handing) { left.append(number) }
        }
        group.stranded = left
        let isWaiting = handing.isFull || handing.keepsExactlyOnce
        setStarved(group, isWaiting && group.members.contains { $0.session.isConnected && $0.options.qos > .atMostOnce })
    }

    /// How far the others can take what is handed over.
    private struct Handing {
        var isFull = false
        /// Nobody takes what is to come exactly once.
        var keepsExactlyOnce = false
    }

    /// - Returns: false when something of the group stays.
    private func handOver(_ group: ShareGroup, of session: Session, _ handing: inout Handing) -> Bool {
        var moved: Set<UInt64> = []
        var isAll = true
        for entry in session.waiting.each({ $0.share === group }) {
            guard figures.queuedBytes + QueueEntry.cost <= options.allQueuedBytes, !handing.isFull else {
                handing.isFull = true
                isAll = false
                break
            }
            let isHard = entry.qos == .exactlyOnce && session.isStored
            if isHard, handing.keepsExactlyOnce {
                isAll = false
                continue
            }
            // A connection's own session sends before it is known that the store has taken the message from the other one: with
            // QoS 2 it might come twice.
            let member = pickConnected(group, entry.body.message.cost) { member in
                member.options.qos > .atMostOnce && (!isHard || member.session.isStored || member.options.qos < .exactlyOnce)
            }
            guard let member, pass(entry, to: member, group) else {
                if isHard { handing.keepsExactlyOnce = true } else { handing.isFull = true }
                isAll = false
                continue
            }
            moved.insert(entry.sequence)
        }
        guard !moved.isEmpty else { return isAll }
        if session.isStored { needsCommit = true }
        for entry in session.waiting.extract({ moved.contains($0.sequence) }) { settleEntry(entry, of: session) }
        return isAll
    }

    // MARK: From those who have left

    /// The session has left this group: what waits for it through it goes to the other members.
    func passOn(_ session: Session, of group: ShareGroup) {
        for entry in session.waiting.extract({ $0.share === group }) {
            passOn(entry, group)
            settleEntry(entry, of: session)
        }
        if group.members.isEmpty { setStarved(group, false) }
    }

    /// The same for all its groups, at the session's end, when it is in none of them any more; what it has not acknowledged with QoS 1 goes as well; with QoS 2 it
    /// must not (section 4.8.2).
    func passOn(_ session: Session, of groups: [ShareGroup]) {
        for entry in session.inFlight where entry.qos == .atLeastOnce {
            if let group = entry.share { passOn(entry, group) }
        }
        for entry in session.waiting.all {
            if let group = entry.share { passOn(entry, group) }
        }
        for group in groups where group.members.isEmpty { setStarved(group, false) }
    }

    private func passOn(_ entry: QueueEntry, _ group: ShareGroup) {
        // Before another sends it, it is no longer this one's on disk either.
        if stores, entry.qos == .exactlyOnce { needsCommit = true }
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
}
