import EventCore
import Synchronization

/// What operators may do about events that a consumer could not apply.
extension Follower {
    /// What came of an operator's request.
    enum Operated: Sendable {
        case done
        /// No aggregate is held up at that event (any more).
        case absent
        /// It is being applied at this moment.
        case busy
        case failed(StoreError)
    }

    private static let skipped = "bus/skipped/"
    /// Rows of skipped events that are kept: those skipped last.
    static let mostSkipped = 1000

    /// Aggregates held up by failures at an event after `position`, in the order of those events; only those in the
    /// dead-letter queue unless `retrying` asks for the others too.
    func heldUp(after position: UInt64, limit: Int, retrying: Bool) -> [HeldLane] {
        let all = lanes.values.lazy.compactMap(\.held).filter { held in
            held.position > position && (held.state == .aside || (retrying && held.state == .retrying))
        }
        return Array(all.sorted { $0.position < $1.position }.prefix(limit))
    }

    func heldUp(at position: UInt64) -> HeldLane? {
        lanes.values.lazy.compactMap(\.held).first { $0.position == position && $0.state != .ready }
    }

    /// Tries the event again now. If it fails, it has all its retries once more.
    func retry(_ position: UInt64) -> Operated {
        guard let held = heldUp(at: position), var lane = lanes[held.aggregate] else { return .absent }
        guard !lane.isRunning && !lane.isReady else { return .busy }
        var changed = held
        changed.state = .retrying
        changed.failures = 0
        changed.due = nil
        lane.held = changed
        lanes[held.aggregate] = lane
        due[held.aggregate] = nil
        dirty.insert(held.aggregate)
        rouse(held.aggregate)
        employ()
        signal.yield()
        return .done
    }

    /// The event counts as dealt with; the aggregate goes on behind it. A row keeps what was skipped.
    func skip(_ position: UInt64) -> Operated {
        guard let held = heldUp(at: position), let lane = lanes[held.aggregate] else { return .absent }
        guard !lane.isRunning && !lane.isReady else { return .busy }
        let event: StoredEvent
        do throws(StoreError) {
            guard let found = try events.read(after: position - 1, limit: 1).first, found.position == position else {
                return .absent
            }
            event = found
        } catch {
            return .failed(error)
        }
        lanes[held.aggregate] = nil
        due[held.aggregate] = nil
        pass(event, lane)
        var record = held
        // When it was skipped.
        record.due = clock.now()
        otherChanges.append(.put(ConsumerRow(key: "\(Follower.skipped)\(position)", value: record.row.value)))
        otherChanges += outlived()
        standing.withLock { $0.figures.skipped += 1 }
        let isKept = commit()
        employ()
        signal.yield()
        return isKept ? .done : .failed(.io("the consumer's store cannot be written", undecided: true))
    }

    /// Makes room for one more row of a skipped event; when the rows cannot be read, another time.
    private func outlived() -> [RowChange] {
        let rows = (try? store.rows(of: name, after: Follower.skipped, limit: 2 * Follower.mostSkipped)) ?? []
        let kept = rows.prefix { $0.key.hasPrefix(Follower.skipped) }
        guard kept.count >= Follower.mostSkipped else { return [] }
        let byTime = kept.map { (key: $0.key, at: HeldLane($0)?.due?.microseconds ?? 0) }.sorted { $0.at < $1.at }
        return byTime.prefix(kept.count + 1 - Follower.mostSkipped).map { .delete(key: $0.key) }
    }

    /// The event at which the aggregate has stopped, and the first of those that wait behind it.
    func events(of held: HeldLane, limit: Int) throws(StoreError) -> [StoredEvent] {
        try events.read(held.aggregate, from: held.version, through: .max, limit: limit).filter {
            $0.position <= held.through && consumer.types.contains($0.event.type)
        }
    }
}
