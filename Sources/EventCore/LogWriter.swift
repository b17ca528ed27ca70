import Exchanges
import Glibc

/// The log's thread at work: decide a group, commit it, answer it. Confined to that thread.
struct LogWriter {
    private let store: any EventStore
    private let meters: LogMeters
    private let feed: ChangeFeed
    private var carts: CartCache
    private var ids = EventIdSource()
    private var lastTimestamp: Timestamp
    private var head: UInt64

    // Of the present group.
    private var batches: [Batch] = []
    private var touched: [Identifier] = []
    private var outcomes: [Reply.Outcome] = []
    private var loads: UInt64 = 0
    /// By worker; the arrays leave with `deliver`.
    private var replies: [[Reply]] = []

    init(
        store: any EventStore, options: EventLog.Options, meters: LogMeters, feed: ChangeFeed, head: UInt64,
        lastTimestamp: Timestamp
    ) {
        self.store = store
        self.meters = meters
        self.feed = feed
        self.head = head
        self.lastTimestamp = lastTimestamp
        carts = CartCache(mostCarts: options.carts, mostBytes: options.bytes)
    }

    mutating func process(_ group: ArraySlice<Submission>, _ deliver: EventLog.Deliver) {
        // One time for the group, never before the last group's: order by time is order by position.
        lastTimestamp = max(lastTimestamp, .now())
        for submission in group { outcomes.append(outcome(of: submission)) }

        var seconds: Double?
        var failed = false
        if !batches.isEmpty {
            let before = monotonicSeconds()
            do throws(StoreError) {
                head = try store.append(batches).head
                seconds = monotonicSeconds() - before
            } catch {
                failed = true
                giveUp(group)
            }
        }

        let committed = failed ? [] : batches
        carts.trim()
        count(group, committed: committed, seconds: seconds, failed: failed)
        answer(group, deliver)
        if !committed.isEmpty { feed.advance(to: head) }
        batches.removeAll(keepingCapacity: true)
        touched.removeAll(keepingCapacity: true)
        outcomes.removeAll(keepingCapacity: true)
        loads = 0
    }

    // MARK: - Deciding

    private mutating func outcome(of submission: Submission) -> Reply.Outcome {
        do throws(Refusal) {
            switch submission.work {
            case .query(.cart(let user)):
                // Two steps: in one, `carts` would be taken as it was before `place` changed it.
                let place = try place(of: user)
                let cart = carts[place]
                return .found(body: cart.body(of: user), version: cart.version)
            case .command(.cart(let user, let action), let expected):
                return .accepted(try decide(action, of: user, expected, submission.metadata))
            }
        } catch {
            return .refused(error)
        }
    }

    private mutating func decide(
        _ action: CartAction, of user: Identifier, _ expected: ExpectedVersion, _ metadata: Metadata
    ) throws(Refusal) -> Accepted {
        let place = try place(of: user)
        let before = carts[place].version
        guard expected.admits(before) else {
            throw Refusal(.versionConflict, "the aggregate has another version")
        }
        let decided = try carts[place].decide(action)
        var eventIds: [EventId] = []
        if !decided.isEmpty {
            var events: [Event] = []
            for event in decided {
                let id = ids.next(at: lastTimestamp.microseconds)
                eventIds.append(id)
                events.append(
                    Event(
                        id: id, type: event.type, timestamp: lastTimestamp, schemaVersion: CartEvent.schemaVersion,
                        payload: event.payload, metadata: metadata))
                carts.apply(event, to: place)
            }
            touched.append(user)
            let key = AggregateKey(type: Cart.type, id: user)
            batches.append(Batch(key, expected: .exact(before), events: events))
        }
        return Accepted(aggregateId: user, version: before + UInt64(decided.count), eventIds: eventIds)
    }

    /// The cart in memory, replayed from the store when it is not there.
    private mutating func place(of user: Identifier) throws(Refusal) -> Int {
        if let place = carts.find(user) { return place }
        loads += 1
        var cart = Cart()
        let page = 1000
        var more = true
        while more {
            let events: [StoredEvent]
            do throws(StoreError) {
                events = try store.read(
                    AggregateKey(type: Cart.type, id: user), from: cart.version + 1, through: .max, limit: page)
            } catch {
                throw LogWriter.unavailable
            }
            for stored in events {
                guard let event = CartEvent(stored.event), stored.version == cart.version + 1 else {
                    throw Refusal(.internalError, "an event of this aggregate cannot be read")
                }
                cart.apply(event)
            }
            more = events.count == page
        }
        return carts.insert(user, cart)
    }

    // MARK: - When the commit fails

    private static let unavailable = Refusal(
        .upstreamUnavailable, "the event store cannot be written", retryAfterMS: 1000)

    /// Memory is ahead of the store, so whatever changed is forgotten; every command is refused, also
    /// those that were refused for another reason, which may have rested on what did not happen.
    /// Queries are answered again, from what is.
    private mutating func giveUp(_ group: ArraySlice<Submission>) {
        for id in touched { carts.evict(id) }
        for (i, submission) in group.enumerated() {
            switch submission.work {
            case .command: outcomes[i] = .refused(LogWriter.unavailable)
            case .query: outcomes[i] = outcome(of: submission)
            }
        }
    }

    // MARK: - Answering

    private mutating func answer(_ group: ArraySlice<Submission>, _ deliver: EventLog.Deliver) {
        for (i, submission) in group.enumerated() {
            let worker = Int(submission.ticket.worker)
            while replies.count <= worker { replies.append([]) }
            replies[worker].append(Reply(ticket: submission.ticket, outcome: outcomes[i]))
        }
        for worker in replies.indices where !replies[worker].isEmpty {
            var leaving: [Reply] = []
            swap(&leaving, &replies[worker])
            deliver(UInt16(worker), leaving)
        }
    }

    private func count(_ group: ArraySlice<Submission>, committed: [Batch], seconds: Double?, failed: Bool) {
        var queries: UInt64 = 0
        for submission in group {
            if case .query = submission.work { queries += 1 }
        }
        var refused: UInt64 = 0
        for outcome in outcomes {
            if case .refused = outcome { refused += 1 }
        }
        let events = committed.reduce(0) { $0 + $1.events.count }
        meters.update { figures in
            figures.queries += queries
            figures.commands += UInt64(group.count) - queries
            figures.refused += refused
            figures.events += UInt64(events)
            figures.loads += loads
            figures.head = head
            figures.cached = carts.count
            figures.cachedBytes = carts.cost
            figures.groupSize.add(Double(group.count))
            if failed { figures.failedCommits += 1 }
            if let seconds {
                figures.commits += 1
                figures.commitSeconds.add(seconds)
            }
        }
    }

    private func monotonicSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
