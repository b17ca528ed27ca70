import EventCore
import Synchronization

/// Lanes and their workers: one event of an aggregate at a time.
extension Follower {
    /// Events read again for a held lane at a time, and how many bytes of them are kept.
    private static let again = 64
    private static let keptBytes = 16 << 10
    private static let longestReason = 1024

    /// As many workers as there is work for, within the bound.
    func employ() {
        guard !stopping else { return }
        let wanted = min(options.concurrency, workers + ready.count)
        while workers < wanted {
            workers += 1
            Task { await Follower.work(self) }
        }
    }

    @concurrent private static func work(_ follower: Follower) async {
        var last: (StoredEvent, Applied)?
        while let event = await follower.next(after: last) {
            last = (event, await follower.consumer.apply(event))
        }
    }

    /// Takes what came of the last event, and gives the next one; nil ends the worker.
    private func next(after last: (event: StoredEvent, applied: Applied)?) -> StoredEvent? {
        if let last { finished(last.event, last.applied) }
        while !stopping, let key = ready.next() {
            guard var lane = lanes.removeValue(forKey: key) else { continue }
            lane.isReady = false
            if lane.queue.isEmpty && !refill(&lane) { continue }
            lane.runningSinceMS = clock.uptimeMS()
            lanes[key] = lane
            return lane.queue.first?.event
        }
        workerEnded()
        return nil
    }

    private func finished(_ event: StoredEvent, _ applied: Applied) {
        guard var lane = lanes.removeValue(forKey: event.aggregate) else { return }
        lane.runningSinceMS = nil
        switch applied {
        case .done:
            let seconds = clock.now().seconds(since: event.event.timestamp)
            let path = self.path(of: event.event.type)
            standing.withLock { standing in
                standing.figures.applied += 1
                switch path {
                case .core: standing.figures.core.add(seconds)
                case .secondary: standing.figures.secondary.add(seconds)
                }
            }
            pass(event, lane)
        case .transient(let failure): fail(event, lane, failure, isTransient: true)
        case .permanent(let failure): fail(event, lane, failure, isTransient: false)
        }
        finishedOne()
    }

    /// The lane goes on behind this event, which is dealt with. `lane` has been taken out.
    func pass(_ event: StoredEvent, _ taken: Lane) {
        var lane = taken
        let key = event.aggregate
        if let first = lane.queue.first, first.event.position == event.position {
            lane.queue.removeFirst()
            if let number = first.number { window.finish(number) }
        }
        if var held = lane.held {
            dirty.insert(key)
            guard held.waiting > 0 else {
                heldCount -= 1
                return
            }
            let next = lane.queue.first?.event
            held.advance(
                position: next?.position ?? event.position + 1, version: next?.version ?? event.version + 1,
                type: next?.event.type ?? held.type)
            lane.held = held
        }
        let type = lane.held?.type ?? lane.queue.first?.event.event.type
        guard let type else { return }
        lane.isReady = true
        lanes[key] = lane
        ready.add(key, path(of: type))
    }

    private func fail(_ event: StoredEvent, _ taken: Lane, _ failure: Failure, isTransient: Bool) {
        let key = event.aggregate
        lanes[key] = taken
        hold(key)
        guard var lane = lanes.removeValue(forKey: key), var held = lane.held else { return }
        lane.queue = []
        held.position = event.position
        held.version = event.version
        held.type = event.event.type
        held.failures += 1
        held.failure = Failure(
            reason: String(decoding: failure.reason.utf8.prefix(Follower.longestReason), as: UTF8.self),
            grpcCode: failure.grpcCode)
        held.isTransient = isTransient
        let now = clock.now()
        held.since = held.since ?? now
        var delay: UInt64?
        if isTransient {
            delay = options.delay(after: held.failures, on: path(of: event.event.type))
            let wasAside = held.state == .aside
            held.state = delay == nil || wasAside ? .aside : .retrying
            if held.state == .aside { delay = options.delayAside(after: held.failures) }
        } else {
            held.state = .aside
        }
        held.due = delay.map { Timestamp(microseconds: now.microseconds + Int64($0) * 1000) }
        lane.held = held
        lane.dueMS = delay.map { clock.uptimeMS() + $0 }
        if let at = lane.dueMS {
            due[key] = at
            firstDueMS = min(firstDueMS, at)
        }
        lanes[key] = lane
        dirty.insert(key)
        standing.withLock { standing in
            standing.figures.failed += 1
            if held.state == .aside { standing.figures.putAside += 1 }
        }
        if held.state == .aside { note(.putAside(consumer: name, event, held.failure ?? failure, attempts: held.failures)) }
        signal.yield()
    }

    /// The checkpoint need not wait for this lane any more: its row says where it stands.
    func hold(_ key: AggregateKey) {
        guard var lane = lanes[key], lane.held == nil, let first = lane.queue.first?.event, let last = lane.queue.last?.event
        else { return }
        let waiting = lane.queue.count - 1
        for item in lane.queue {
            if let number = item.number { window.finish(number) }
        }
        lane.held = HeldLane(
            aggregate: key, position: first.position, version: first.version, type: first.event.type,
            through: last.position, waiting: UInt64(waiting))
        // What is being applied is kept; the rest can be read again.
        lane.queue = lane.isRunning ? [(first, nil)] : []
        lanes[key] = lane
        heldCount += 1
        dirty.insert(key)
    }

    /// Lanes whose next attempt is due.
    func wakeDue() {
        let now = clock.uptimeMS()
        guard now >= firstDueMS else { return }
        var first = UInt64.max
        for (key, at) in due {
            if at > now {
                first = min(first, at)
                continue
            }
            due[key] = nil
            rouse(key)
        }
        firstDueMS = first
    }

    /// In line for its next attempt.
    func rouse(_ key: AggregateKey) {
        guard var lane = lanes[key], let held = lane.held, !lane.isReady, !lane.isRunning else { return }
        lane.dueMS = nil
        lane.isReady = true
        lanes[key] = lane
        ready.add(key, path(of: held.type))
    }

    /// Reads the next events of a held lane. False when it needs no worker: nothing waits, or the store cannot be
    /// read, and then it is in line again later.
    private func refill(_ lane: inout Lane) -> Bool {
        guard var held = lane.held else { return false }
        let key = held.aggregate
        var from = held.version
        while true {
            let page: [StoredEvent]
            do throws(StoreError) {
                page = try events.read(key, from: from, through: .max, limit: Follower.again)
            } catch {
                standing.withLock { $0.figures.failedReads += 1 }
                lane.dueMS = clock.uptimeMS() + Follower.againMS
                due[key] = lane.dueMS
                firstDueMS = min(firstDueMS, lane.dueMS ?? .max)
                lanes[key] = lane
                signal.yield()
                return false
            }
            var bytes = 0
            for event in page where event.position <= held.through && consumer.types.contains(event.event.type) {
                guard bytes <= Follower.keptBytes else { break }
                bytes += event.event.payload.count
                lane.queue.append((event, nil))
            }
            guard lane.queue.isEmpty, let last = page.last, last.position < held.through else { break }
            from = last.version + 1
        }
        guard let next = lane.queue.first?.event else {
            // Its types may have changed since the row was written.
            heldCount -= 1
            dirty.insert(key)
            return false
        }
        if next.position != held.position {
            (held.position, held.version, held.type) = (next.position, next.version, next.event.type)
            lane.held = held
            dirty.insert(key)
        }
        return true
    }
}
