import EventCore
import Synchronization

/// One consumer's way through the log: takes events in, has them applied, and remembers how far it has come.
///
/// The checkpoint is the position before the oldest event that is neither dealt with nor held. What is held (an
/// aggregate with a failure, or one that is slow) has a row, written in the same commit as the checkpoint that
/// passes it; so a restart repeats at most what happened since the last commit.
actor Follower {
    nonisolated let consumer: any Consumer
    nonisolated let buffer: FeedBuffer
    nonisolated let name: String
    nonisolated let options: BusOptions
    nonisolated let clock: any BusClock
    nonisolated let standing = Mutex(Standing())
    nonisolated let note: @Sendable (BusNote) -> Void
    let events: any EventStore
    let store: any ConsumerStore
    nonisolated let feed: ChangeFeed
    private let signals: AsyncStream<Void>
    nonisolated let signal: AsyncStream<Void>.Continuation

    var lanes: [AggregateKey: Lane] = [:]
    var ready = ReadyLanes()
    var window = Window()
    var heldCount = 0
    /// Lanes that wait for their next attempt, and an uptime no later than the first of them.
    var due: [AggregateKey: UInt64] = [:]
    var firstDueMS = UInt64.max
    var workers = 0
    /// Something waits for room.
    private(set) var isFull = false
    var stopping = false

    // What is not in the store yet.
    var dirty: Set<AggregateKey> = []
    var otherChanges: [RowChange] = []
    private var committed: UInt64 = 0
    private var finishedSinceCommit = 0
    private var lastCommitMS: UInt64
    private var commitFailed = false

    /// How it gets events.
    private enum Source {
        /// From the store, far from the end.
        case store
        /// From the store through this position, and from the feed after it.
        case joining(UInt64)
        case feed
    }

    private var source = Source.store
    /// Every event through it has been taken in.
    private(set) var seen: UInt64 = 0
    /// From the feed, not taken in yet.
    private var pending: ArraySlice<StoredEvent> = []
    /// Time of the last event read from the store, until that is no longer needed.
    private var lastRead: Timestamp?
    private var readFailed = false
    private var alarm: (atMS: UInt64, task: Task<Void, Never>)?
    private var run: Task<Void, Never>?
    private var idle: [CheckedContinuation<Void, Never>] = []

    private static let page = 512
    private static let pagesAtOnce = 8
    private static let busyCommit = 2048
    /// How soon a failed read or commit is tried again.
    static let againMS: UInt64 = 1000
    /// How often the checkpoint passes events that are none of this consumer's business.
    private static let quietCommitMS: UInt64 = 10_000

    init(
        _ consumer: any Consumer, feed: ChangeFeed, events: any EventStore, store: any ConsumerStore,
        options: BusOptions, clock: any BusClock, note: @escaping @Sendable (BusNote) -> Void
    ) {
        self.consumer = consumer
        self.feed = feed
        self.events = events
        self.store = store
        self.options = options
        self.clock = clock
        self.note = note
        name = consumer.name
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        signals = stream
        signal = continuation
        buffer = FeedBuffer { continuation.yield() }
        lastCommitMS = clock.uptimeMS()
        standing.withLock { $0.figures.name = name }
    }

    nonisolated func path(of type: String) -> DeliveryPath { consumer.path ?? options.path(of: type) }

    // MARK: - Beginning and ending

    /// Reads what it remembers, and begins.
    func start(_ tap: FeedTap) throws(StoreError) {
        committed = try store.checkpoint(of: name)
        if try store.row(Follower.begun, of: name) == nil {
            if consumer.start == .end { committed = max(committed, feed.head) }
            try store.commit(name, through: committed, [.put(ConsumerRow(key: Follower.begun, value: []))])
        }
        seen = committed
        try restore()
        countHeld()
        run = Task { [signals] in
            for await _ in signals { await step(tap) }
        }
        signal.yield()
    }

    private static let begun = "bus/begun"

    /// Takes nothing more, waits for what is being applied, and writes down the rest.
    func stop() async {
        stopping = true
        if workers > 0 {
            let alarm = Task { [clock, options] in
                await clock.sleep(untilMS: clock.uptimeMS() + options.graceMS)
                if !Task.isCancelled { wakeIdle() }
            }
            await withCheckedContinuation { idle.append($0) }
            alarm.cancel()
        }
        signal.finish()
        alarm?.task.cancel()
        // A whole step may be under way: it ends at its next wait.
        await run?.value
        buffer.interrupt()
        for (aggregate, lane) in lanes where lane.held == nil { hold(aggregate) }
        commit()
    }

    func workerEnded() {
        workers -= 1
        if workers == 0 { wakeIdle() }
    }

    private func wakeIdle() {
        let waiting = idle
        idle = []
        for continuation in waiting { continuation.resume() }
    }

    // MARK: - A turn

    private func step(_ tap: FeedTap) async {
        // Several rounds, so that what waits for room or for the next page does not wait for a signal.
        var again = true
        while again && !stopping {
            again = takeIn(tap)
            wakeDue()
            holdTheSlow()
            employ()
            if commitIsDue { commit() }
            if again { await Task.yield() }
        }
        guard !stopping else { return }
        arm()
        let isFed = if case .feed = source { pending.isEmpty } else { false }
        let (position, oldest) = (through, oldest)
        standing.withLock { standing in
            standing.position = position
            standing.isFed = isFed
            standing.oldest = oldest
        }
    }

    /// Time of the first event that is not dealt with.
    private var oldest: Timestamp? { window.oldest?.timestamp ?? pending.first?.event.timestamp ?? lastRead }

    private var hasRoom: Bool {
        window.count < options.window && window.bytes < options.windowBytes && heldCount < options.held && !commitFailed
            && !stopping
    }

    /// - Returns: whether there may be more at once.
    private func takeIn(_ tap: FeedTap) -> Bool {
        isFull = !hasRoom
        defer { isFull = !hasRoom }
        guard !isFull else { return false }
        while let event = pending.first {
            guard hasRoom else { return false }
            pending.removeFirst()
            if event.position > seen { admit(event) }
        }
        switch source {
        case .feed:
            let through = tap.position
            let (events, isComplete) = buffer.drain()
            if !isComplete { source = .store }
            standing.withLock { $0.figures.fed += UInt64(events.count) }
            for (i, event) in events.enumerated() where event.position > seen {
                guard hasRoom else {
                    pending = events[i...]
                    return false
                }
                admit(event)
            }
            if isComplete {
                seen = max(seen, through)
                lastRead = nil
            }
            return !isComplete
        case .store, .joining: return readPages()
        }
    }

    private func readPages() -> Bool {
        for _ in 0..<Follower.pagesAtOnce where hasRoom {
            let page: [StoredEvent]
            do throws(StoreError) {
                page = try events.read(after: seen, limit: Follower.page)
            } catch {
                standing.withLock { $0.figures.failedReads += 1 }
                if !readFailed { note(.cannotRead(consumer: name, error)) }
                readFailed = true
                return false
            }
            readFailed = false
            standing.withLock { $0.figures.pagesRead += 1 }
            lastRead = page.last?.event.timestamp ?? lastRead
            for event in page {
                guard hasRoom else { return false }
                if consumer.types.contains(event.event.type) { admit(event) } else { seen = event.position }
            }
            if case .joining(let end) = source {
                guard seen >= end else { continue }
                source = .feed
                return true
            }
            if page.count < Follower.page {
                // Whatever is handed over from here on is kept; whatever was before is in the store already.
                buffer.begin()
                let head = feed.head
                source = seen >= head ? .feed : .joining(head)
                return true
            }
        }
        return true
    }

    private func admit(_ event: StoredEvent) {
        seen = event.position
        let key = event.aggregate
        guard var lane = lanes.removeValue(forKey: key) else {
            lanes[key] = Lane(queue: [(event, window.add(event))], isReady: true)
            ready.add(key, path(of: event.event.type))
            return
        }
        if lane.held == nil && lane.queue.count >= options.perAggregate {
            lanes[key] = lane
            hold(key)
            lane = lanes.removeValue(forKey: key) ?? lane
        }
        if var held = lane.held {
            // After a restart some are known already.
            if event.position > held.through {
                held.through = event.position
                held.waiting += 1
                lane.held = held
                dirty.insert(key)
            }
        } else {
            lane.queue.append((event, window.add(event)))
        }
        lanes[key] = lane
    }

    /// Notes lanes that the checkpoint would wait for too long.
    private func holdTheSlow() {
        let now = clock.uptimeMS()
        while heldCount < options.held, let oldest = window.oldest, let since = lanes[oldest.aggregate]?.runningSinceMS,
            now >= since + (window.count < options.window ? options.slowMS : options.slowMS / 4)
        {
            hold(oldest.aggregate)
        }
    }

    // MARK: - Remembering

    private var through: UInt64 { window.oldest.map { $0.position - 1 } ?? seen }

    private var commitIsDue: Bool {
        let elapsed = clock.uptimeMS() - lastCommitMS
        if commitFailed { return elapsed >= Follower.againMS }
        if finishedSinceCommit >= Follower.busyCommit { return true }
        if finishedSinceCommit > 0 || !dirty.isEmpty { return elapsed >= options.commitMS }
        return through > committed && elapsed >= Follower.quietCommitMS
    }

    /// After each attempt.
    func finishedOne() {
        finishedSinceCommit += 1
        if window.isEmpty {
            let (position, oldest) = (through, oldest)
            standing.withLock { standing in
                standing.position = position
                standing.oldest = oldest
            }
        }
        // Its turn makes room, or sets the clock for the next commit.
        let hasRoomAgain = isFull && window.count <= options.window / 2
        if hasRoomAgain || finishedSinceCommit == 1 || finishedSinceCommit == Follower.busyCommit { signal.yield() }
    }

    /// - Returns: whether all of it is in the store now.
    @discardableResult
    func commit() -> Bool {
        lastCommitMS = clock.uptimeMS()
        let position = max(committed, through)
        var changes = otherChanges
        for aggregate in dirty {
            if let held = lanes[aggregate]?.held {
                changes.append(.put(held.row))
            } else {
                changes.append(.delete(key: HeldLane.key(aggregate)))
            }
        }
        guard position > committed || !changes.isEmpty else { return true }
        do throws(StoreError) {
            try store.commit(name, through: position, changes)
            committed = position
            if !changes.isEmpty { countHeld() }
            finishedSinceCommit = 0
            dirty.removeAll()
            otherChanges.removeAll()
            commitFailed = false
            return true
        } catch {
            standing.withLock { $0.figures.failedCommits += 1 }
            if !commitFailed { note(.cannotRemember(consumer: name, error)) }
            commitFailed = true
            return false
        }
    }

    private func countHeld() {
        var fresh = Standing()
        for case let held? in lanes.values.lazy.map(\.held) {
            switch held.state {
            case .ready: continue
            case .retrying: fresh.figures.retrying += 1
            case .aside:
                fresh.figures.aside += 1
                fresh.figures.dlqDepth += 1 + held.waiting
                if let since = held.since { fresh.firstAside = min(fresh.firstAside ?? since, since) }
            }
        }
        standing.withLock { [heldCount] standing in
            standing.figures.held = heldCount
            standing.figures.retrying = fresh.figures.retrying
            standing.figures.aside = fresh.figures.aside
            standing.figures.dlqDepth = fresh.figures.dlqDepth
            standing.firstAside = fresh.firstAside
        }
    }

    /// What an earlier run has left.
    private func restore() throws(StoreError) {
        let now = (wall: clock.now().microseconds, uptime: clock.uptimeMS())
        var after = HeldLane.prefix
        while true {
            let rows = try store.rows(of: name, after: after, limit: 500)
            for row in rows {
                guard row.key.hasPrefix(HeldLane.prefix) else { return }
                guard let held = HeldLane(row) else { throw .unusable("the row \(row.key) of \(name) cannot be read") }
                var lane = Lane(held: held)
                heldCount += 1
                if held.state == .ready {
                    lane.isReady = true
                    ready.add(held.aggregate, path(of: held.type))
                } else if let at = held.due {
                    // The wall clock may have stepped meanwhile: never later than the whole delay from now.
                    let left = UInt64(clamping: (at.microseconds - now.wall) / 1000)
                    let whole = held.state == .aside ? nil : options.delay(after: held.failures, on: path(of: held.type))
                    let uptime = now.uptime + min(left, whole ?? options.delayAside(after: held.failures))
                    lane.dueMS = uptime
                    due[held.aggregate] = uptime
                    firstDueMS = min(firstDueMS, uptime)
                }
                lanes[held.aggregate] = lane
            }
            guard rows.count == 500, let last = rows.last else { return }
            after = last.key
        }
    }

    // MARK: - Waiting

    /// Wakes itself when time alone changes something.
    private func arm() {
        let now = clock.uptimeMS()
        var next = now + Follower.quietCommitMS
        if commitFailed || readFailed { next = now + Follower.againMS }
        if finishedSinceCommit > 0 || !dirty.isEmpty { next = min(next, lastCommitMS + options.commitMS) }
        next = min(next, firstDueMS)
        if let oldest = window.oldest, let since = lanes[oldest.aggregate]?.runningSinceMS {
            next = min(next, since + (window.count < options.window ? options.slowMS : options.slowMS / 4))
        }
        next = max(next, now + 10)
        if let alarm, alarm.atMS <= next { return }
        alarm?.task.cancel()
        alarm = (
            next,
            Task { [clock] in
                await clock.sleep(untilMS: next)
                if !Task.isCancelled { rang() }
            }
        )
    }

    private func rang() {
        alarm = nil
        signal.yield()
    }
}
