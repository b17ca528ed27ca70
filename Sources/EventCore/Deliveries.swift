import Exchanges

/// Which messages have been taken that their senders may send again. Confined to the log's thread.
///
/// Memory is what the store has, and what the present group adds. When a group does not get to the disk, or nobody knows
/// whether it did, the sessions it has touched are read again before they are used.
struct Deliveries {
    private let store: any EventStore
    private let limits: DeliveryLimits
    private var sessions: [UInt64: DeliverySession] = [:]
    /// To be read again.
    private var stale: Set<UInt64> = []
    /// Those in memory, and some that have been forgotten: a clock's hand goes round, and takes who was quiet for a whole round.
    private var round: [UInt64] = []
    private var hand = 0

    // Of the present group.
    private var changes: [DeliveryChange] = []
    /// Forgotten with it, for want of room.
    private var leaving: [UInt64] = []
    /// The store could not be read: it is not asked for one session after the other.
    private var isUnreadable = false

    /// Records in one answer of the store, when it is opened.
    private static let page = 10_000

    /// Takes in what the store has.
    init(store: any EventStore, limits: DeliveryLimits) throws(StoreError) {
        self.store = store
        self.limits = limits
        var last: DeliveryRecord?
        while true {
            let records = try store.deliveries(after: last, limit: Self.page)
            guard !records.isEmpty else { break }
            for record in records { sessions[record.session, default: DeliverySession()].restore(record) }
            last = records.last
        }
        round = Array(sessions.keys)
    }

    /// Those whom the store has something of, when it was opened.
    var restored: [UInt64] { round }

    /// Sessions in memory.
    var count: Int { sessions.count }
    var hasChanges: Bool { !changes.isEmpty }

    // MARK: - Asking

    /// The answer to a message that has been taken, or must not be; nil when it is to be carried out.
    mutating func answer(to mark: DeliveryMark) -> Reply.Outcome? {
        guard isCertain(mark.session) else { return .refused(Self.unreadable) }
        guard let session = sessions[mark.session] else { return nil }
        if let known = session.fingerprint(of: mark) {
            return known == mark.fingerprint ? .delivered : .refused(Self.reused)
        }
        return mark.isExactlyOnce && session.heldCount >= limits.held ? .refused(Self.full) : nil
    }

    /// What memory has of the session is what the store has.
    private mutating func isCertain(_ session: UInt64) -> Bool {
        guard !stale.isEmpty, stale.contains(session) else { return true }
        guard !isUnreadable else { return false }
        do throws(StoreError) {
            let records = try store.deliveries(of: session)
            stale.remove(session)
            guard !records.isEmpty else { return true }
            var read = DeliverySession()
            for record in records { read.restore(record) }
            sessions[session] = read
            round.append(session)
            return true
        } catch {
            isUnreadable = true
            return false
        }
    }

    // MARK: - Changing

    /// The message has been taken, if what it causes gets to the disk.
    mutating func note(_ mark: DeliveryMark?) {
        // Whose session cannot be read was refused before.
        guard let mark, isCertain(mark.session) else { return }
        if sessions[mark.session] == nil { round.append(mark.session) }
        changes.append(.put(sessions[mark.session, default: DeliverySession()].take(mark)))
    }

    mutating func release(_ session: UInt64, _ packetID: UInt16) -> Reply.Outcome {
        guard isCertain(session) else { return .refused(Self.unreadable) }
        guard sessions[session]?.release(packetID) == true else { return .releasedDelivery(isKnown: false) }
        changes.append(.release(session: session, packetID: packetID))
        return .releasedDelivery(isKnown: true)
    }

    mutating func forget(session: UInt64) -> Reply.Outcome {
        guard isCertain(session) else { return .refused(Self.unreadable) }
        guard sessions.removeValue(forKey: session) != nil else { return .releasedDelivery(isKnown: false) }
        changes.append(.forget(session: session))
        return .releasedDelivery(isKnown: true)
    }

    /// What the group's append has to do; empty = nothing.
    mutating func changesOfGroup() -> [DeliveryChange] {
        leaving.removeAll(keepingCapacity: true)
        if sessions.count > limits.sessions { findQuiet(sessions.count - limits.sessions) }
        return leaving.isEmpty ? changes : changes + leaving.map { .forget(session: $0) }
    }

    /// At most one round, and not many steps at a time: who is still too many leaves with a later group.
    private mutating func findQuiet(_ wanted: Int) {
        var steps = min(round.count, 4 * wanted + 64)
        while steps > 0, leaving.count < wanted, !round.isEmpty {
            steps -= 1
            if hand >= round.count { hand = 0 }
            let session = round[hand]
            guard let found = sessions[session] else {
                round[hand] = round[round.count - 1]
                round.removeLast()
                continue
            }
            if found.isInUse { sessions[session]?.isInUse = false } else { leaving.append(session) }
            hand += 1
        }
    }

    /// They are on disk.
    mutating func committed() {
        for session in leaving { sessions[session] = nil }
        // Of sessions that ended, the hand has not met all.
        if round.count > 2 * sessions.count + 1024 {
            round = Array(sessions.keys)
            hand = 0
        }
        endGroup()
    }

    /// They are not on disk, or nobody knows.
    mutating func undo() {
        for change in changes {
            sessions[change.session] = nil
            stale.insert(change.session)
        }
        endGroup()
    }

    private mutating func endGroup() {
        changes.removeAll(keepingCapacity: true)
        leaving.removeAll(keepingCapacity: true)
    }

    /// A store that could not be read is asked again.
    mutating func beginGroup() { isUnreadable = false }
}

extension Deliveries {
    private static let reused = Refusal(
        .idempotencyKeyReused, "another message with this packet identifier has not been released")
    private static let full = Refusal(.rateLimited, "too many of your messages with QoS 2 have not been released")
    private static let unreadable = Refusal(
        .upstreamUnavailable, "whether the message has come before cannot be read", retryAfterMS: 1000)
}
