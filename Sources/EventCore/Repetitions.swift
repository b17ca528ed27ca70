import Exchanges

/// Which requests have been carried out, by their keys. The index is in memory (about 100 bytes a record), what
/// they came to is on disk. Confined to the log's thread.
struct Repetitions {
    private struct Entry {
        var identity: RepeatKey.Digest
        var fingerprint: RepeatKey.Digest
        var time: Timestamp
        var kind: RepetitionRecord.Kind
    }

    private let store: any EventStore
    private let limits: RepetitionLimits
    /// The first has the position `firstPosition`.
    private var entries = SegmentedQueue<Entry>()
    private var firstPosition: UInt64 = 1
    /// The last record of each identity.
    private var places = DigestTable()
    /// Records of each principal.
    private var shares = DigestTable()

    // Of the present group.
    private var changes = RepetitionChanges()
    /// What stood where a new record is now; 0 = nothing.
    private var before: [UInt64] = []
    /// A commit has failed: what it wrote may be on disk nevertheless.
    private var isUncertain = false
    /// Reservations before this position are of processes that have ended.
    private var firstOwn: UInt64 = 0

    /// Records in one answer of the store, when it is opened.
    private static let page = 10_000

    /// Takes in what the store has.
    init(store: any EventStore, limits: RepetitionLimits) throws(StoreError) {
        self.store = store
        self.limits = limits
        try read()
        firstOwn = next
    }

    /// Takes in what the store has after the last record in memory.
    private mutating func read() throws(StoreError) {
        while true {
            let records = try store.repetitions(after: next - 1, limit: Self.page)
            if records.isEmpty { return }
            if count == 0 { firstPosition = records[0].position }
            for record in records {
                entries.append(
                    Entry(identity: record.identity, fingerprint: record.fingerprint, time: record.time, kind: record.kind))
                _ = places.set(record.identity, to: record.position)
                shares.add(1, to: share(record.identity.high))
            }
        }
    }

    /// Records in memory.
    var count: Int { entries.count }
    private var next: UInt64 { firstPosition + UInt64(count) }

    /// Owners are 64 bits of a digest, one of which says whether they are known: multiplied, all bits of them tell where they stand.
    private func share(_ owner: UInt64) -> RepeatKey.Digest { .init(high: owner, low: owner &* 0x9E37_79B9_7F4A_7C15) }

    private func entry(_ position: UInt64) -> Entry { entries[Int(position - firstPosition)] }

    private func isPast(_ entry: Entry, at now: Timestamp) -> Bool {
        entry.time.microseconds + limits.window <= now.microseconds
    }

    // MARK: - Asking

    /// The answer to a request that is a repetition, or may not be one; nil when it is the first with its key.
    mutating func answer(to key: RepeatKey, at now: Timestamp) -> Reply.Outcome? {
        if isUncertain, !isCertainAgain() { return .refused(Self.unreadable) }
        guard let position = places[key.identity], case let entry = entry(position), !isPast(entry, at: now),
            entry.kind != .released
        else {
            // What is past its window leaves with the next append.
            if count > 0, isPast(entries[0], at: now) { return nil }
            if count >= limits.records { return .refused(Self.full) }
            return hasShare(key) ? .refused(Self.shareUsed) : nil
        }
        guard entry.fingerprint == key.fingerprint else { return .refused(Self.reused) }
        switch entry.kind {
        case .accepted: return recall(position, key)
        case .reserved: return isUnderWay(position, entry, at: now) ? .underWay : .refused(Self.unknown)
        case .answered: return again(position, key)
        case .unrepeatable: return .refused(Self.unrepeatable)
        case .released: return nil
        }
    }

    private func isUnderWay(_ position: UInt64, _ entry: Entry, at now: Timestamp) -> Bool {
        position >= firstOwn && now.microseconds < entry.time.microseconds + limits.lease
    }

    private func again(_ position: UInt64, _ key: RepeatKey) -> Reply.Outcome {
        guard let bytes = outcome(position) else { return .refused(Self.unreadable) }
        guard let answer = StoredAnswer(recorded: bytes) else { return .refused(Self.damaged) }
        return key.rejects ? .refused(Self.duplicate(of: answer)) : .upstreamRepeated(answer)
    }

    private func recall(_ position: UInt64, _ key: RepeatKey) -> Reply.Outcome {
        guard let bytes = outcome(position) else { return .refused(Self.unreadable) }
        guard let accepted = Accepted(recorded: bytes) else { return .refused(Self.damaged) }
        return key.rejects ? .refused(Self.duplicate(of: accepted)) : .repeated(accepted)
    }

    /// Nil when the store cannot be read.
    private func outcome(_ position: UInt64) -> [UInt8]? {
        if changes.count > 0, position >= changes.first { return changes[Int(position - changes.first)]?.outcome }
        do throws(StoreError) {
            return try store.repetitions(after: position - 1, limit: 1).first.flatMap { $0.position == position ? $0.outcome : nil }
        } catch {
            return nil
        }
    }

    /// One principal cannot take all the room, and those whom nobody knows cannot take all of it together.
    private func hasShare(_ key: RepeatKey) -> Bool {
        (shares[share(key.owner)] ?? 0) >= UInt64(key.isOwnerKnown ? limits.ofOne : limits.ofUnknown)
    }

    private mutating func isCertainAgain() -> Bool {
        // Of the present group nothing is on disk yet; it has been asked before it changed anything.
        do throws(StoreError) {
            try read()
            isUncertain = false
            return true
        } catch {
            return false
        }
    }

    // MARK: - Changing

    /// The request has been carried out, if what it causes gets to the disk.
    mutating func note(_ key: RepeatKey?, _ accepted: Accepted?, at now: Timestamp) {
        guard let key, let accepted else { return }
        changes.append(next, key, accepted, at: now)
        enter(key, .accepted, at: now)
    }

    /// What a worker asks for a request that a cluster answers.
    mutating func settle(_ claim: UpstreamClaim, _ key: RepeatKey, at now: Timestamp) -> Reply.Outcome {
        // Before anything is added: a commit that nobody knows of may have taken the next position.
        if isUncertain, !isCertainAgain() { return claim.outcomeUnwritten(.refused(Self.unreadable)) }
        switch claim {
        case .reserve(let takesOver):
            if let known = answer(to: key, at: now), !(takesOver && isLost(key, at: now)) { return known }
            add(key, .reserved, [], at: now)
            return .reserved(fence: next - 1, key)
        case .complete(let fence, let answer, let kept):
            if holds(fence, key) { add(key, kept == nil ? .unrepeatable : .answered, kept?.recorded ?? [], at: now) }
            return .upstream(answer)
        case .release(let fence, let outcome):
            if holds(fence, key) { add(key, .released, [], at: now) }
            return .released(outcome)
        case .decline(let fence, let answer):
            if holds(fence, key) { add(key, .released, [], at: now) }
            return .upstream(answer)
        }
    }

    /// The same request, whose outcome is not known.
    private func isLost(_ key: RepeatKey, at now: Timestamp) -> Bool {
        guard let position = places[key.identity], case let entry = entry(position) else { return false }
        return entry.kind == .reserved && entry.fingerprint == key.fingerprint && !isUnderWay(position, entry, at: now)
    }

    /// Is the claim still the one that this fence was given for?
    private func holds(_ fence: UInt64, _ key: RepeatKey) -> Bool {
        places[key.identity] == fence && fence >= firstPosition && entry(fence).kind == .reserved
    }

    private mutating func add(_ key: RepeatKey, _ kind: RepetitionRecord.Kind, _ outcome: [UInt8], at now: Timestamp) {
        changes.append(next, key, kind, outcome, at: now)
        enter(key, kind, at: now)
    }

    /// Into the index.
    private mutating func enter(_ key: RepeatKey, _ kind: RepetitionRecord.Kind, at now: Timestamp) {
        before.append(places.set(key.identity, to: next))
        entries.append(Entry(identity: key.identity, fingerprint: key.fingerprint, time: now, kind: kind))
        shares.add(1, to: share(key.owner))
    }

    private mutating func leaveShare(_ identity: RepeatKey.Digest) { shares.add(-1, to: share(identity.high)) }

    /// What the group's append has to do; empty = nothing. A few more go than come, so that old ones do not pile up.
    mutating func changes(at now: Timestamp) -> RepetitionChanges {
        guard hasChanges else { return changes }
        let most = min(2 * changes.count + 16, count - changes.count)
        var leaving = 0
        while leaving < most, isPast(entries[leaving], at: now) { leaving += 1 }
        changes.forgetsThrough = leaving == 0 ? 0 : firstPosition + UInt64(leaving) - 1
        return changes
    }

    var hasChanges: Bool { changes.count > 0 }

    /// They are on disk.
    mutating func committed() {
        guard hasChanges else { return }
        while firstPosition <= changes.forgetsThrough {
            let identity = entries[0].identity
            if places[identity] == firstPosition { _ = places.set(identity, to: 0) }
            leaveShare(identity)
            entries.removeFirst()
            firstPosition += 1
        }
        endGroup()
    }

    /// They are not on disk.
    /// - Parameter isUncertain: or perhaps they are.
    mutating func forget(isUncertain: Bool = false) {
        guard hasChanges else { return }
        self.isUncertain = isUncertain
        for (i, place) in before.enumerated().reversed() {
            let identity = entries[count - before.count + i].identity
            _ = places.set(identity, to: place)
            leaveShare(identity)
        }
        entries.removeLast(before.count)
        endGroup()
    }

    private mutating func endGroup() {
        changes.removeAll()
        before.removeAll(keepingCapacity: true)
    }
}

extension Repetitions {
    static let reused = Refusal(.idempotencyKeyReused, "the idempotency key was used for another request")
    private static let full = Refusal(
        .upstreamUnavailable, "as many idempotency keys are remembered as may be", retryAfterMS: 60_000)
    private static let shareUsed = Refusal(
        .rateLimited, "as many of your idempotency keys are remembered as may be", retryAfterMS: 60_000)
    private static let unreadable = Refusal(
        .upstreamUnavailable, "the first request's outcome cannot be read", retryAfterMS: 1000)
    private static let damaged = Refusal(.internalError, "the first request's outcome is damaged")
    private static let unknown = Refusal(
        .illegalState, "the outcome of the first request with this idempotency key is not known")
    private static let unrepeatable = Refusal(
        .illegalState, "this request has been carried out before, and its answer was not kept")

    /// `on_duplicate: reject`: where the first one's answer says what it made, so does this.
    private static func duplicate(of answer: StoredAnswer) -> Refusal {
        var refusal = Refusal(.illegalState, "this request has been carried out before")
        let lines = String(decoding: answer.fields, as: UTF8.self).split(separator: "\r\n")
        if let place = lines.first(where: { $0.lowercased().hasPrefix("location:") }) {
            refusal.text = "this request has been carried out before: \(place.dropFirst(9).drop { $0 == " " })"
        }
        return refusal
    }

    /// `on_duplicate: reject`.
    static func duplicate(of accepted: Accepted) -> Refusal {
        var refusal = Refusal(.illegalState, "this request has been carried out before")
        refusal.text = "this request has been carried out before: \(accepted.aggregateId), version \(accepted.version)"
        return refusal
    }
}
