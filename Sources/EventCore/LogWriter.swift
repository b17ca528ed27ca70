import Exchanges
import Glibc

/// What bringing aggregates into memory took, in one group.
private struct Loading {
    var loads: UInt64 = 0
    var fromSnapshot: UInt64 = 0
    var replayed: UInt64 = 0
    var unreadable: UInt64 = 0

    mutating func add(_ loaded: AggregateLoader.Loaded) {
        loads += 1
        fromSnapshot += loaded.fromSnapshot ? 1 : 0
        replayed += UInt64(loaded.replayed)
        unreadable += UInt64(loaded.unreadable)
    }
}

/// The log's thread at work: decide a group, commit it, answer it. Confined to that thread.
struct LogWriter {
    private let store: any EventStore
    private let loader: AggregateLoader
    private let ahead: AheadLoader
    private var parking = Parking()
    private let meters: LogMeters
    private let feed: ChangeFeed
    private var aggregates: AggregateCache
    private var stamp: EventStamp
    private var head: UInt64
    private var snapshots: DueSnapshots
    private var repetitions: Repetitions
    private var deliveries: Deliveries
    private let clock: @Sendable () -> Timestamp
    private let onInvalid: @Sendable (InvalidEvent) -> Void
    private var nextReport = Timestamp(microseconds: 0)

    // Of the present group.
    private var batches: [Batch] = []
    private var touched: [AggregateName] = []
    /// Nil for one that was parked.
    private var outcomes: [Reply.Outcome?] = []
    private var parked = 0
    private var loading = Loading()
    private var conflicts: UInt64 = 0
    /// By worker; the arrays leave with `deliver`.
    private var replies: [[Reply]] = []
    /// For whoever in this process is no worker.
    private var inside: [Reply] = []

    init(
        store: any EventStore, loader: AggregateLoader, ahead: AheadLoader, snapshotter: Snapshotter?,
        options: EventLog.Options, meters: LogMeters, feed: ChangeFeed, repetitions: Repetitions, deliveries: Deliveries,
        head: UInt64, lastTimestamp: Timestamp
    ) {
        self.store = store
        self.loader = loader
        self.ahead = ahead
        snapshots = DueSnapshots(rule: options.snapshots, to: snapshotter)
        self.meters = meters
        self.feed = feed
        self.repetitions = repetitions
        self.deliveries = deliveries
        self.head = head
        stamp = EventStamp(time: lastTimestamp, schemas: options.schemas, rules: options.rules)
        clock = options.clock
        onInvalid = options.onInvalid
        aggregates = AggregateCache(mostAggregates: options.aggregates, mostBytes: options.bytes)
    }

    /// Takes in what was loaded; who waited for it goes before those who have just come.
    mutating func beginRound(_ taken: inout [Submission], _ arrivals: inout [AheadLoader.Arrival]) {
        parking.unpark(&arrivals, before: &taken)
    }

    /// What nobody has come to use yet stays, as far as there is room.
    mutating func endRound() {
        let unused = parking.endRound()
        guard !unused.isEmpty else { return }
        for (name, loaded) in unused { _ = takeIn(name, loaded) }
        aggregates.trim()
    }

    /// - Returns: how many were answered. The others are parked, and will be in a later group.
    mutating func process(_ group: ArraySlice<Submission>, _ deliver: EventLog.Deliver) -> Int {
        // One time for the group, never before the last group's: order by time is order by position.
        stamp.time = max(stamp.time, clock())
        deliveries.beginGroup()
        for submission in group {
            if let name = missing(for: submission) {
                park(submission, for: name)
                outcomes.append(nil)
                parked += 1
            } else {
                outcomes.append(outcome(of: submission))
            }
        }
        defer { parked = 0 }
        let (seconds, failed) = commit(group)
        let committed = failed ? [] : batches
        if failed { snapshots.forget() } else { snapshots.handOver(from: &aggregates, at: stamp.time) }
        aggregates.trim()
        count(group, committed: committed, seconds: seconds, failed: failed)
        answer(group, deliver)
        if !committed.isEmpty { feed.advance(to: Committed(head: head, batches: committed)) }
        batches.removeAll(keepingCapacity: true)
        touched.removeAll(keepingCapacity: true)
        outcomes.removeAll(keepingCapacity: true)
        conflicts = 0
        if !stamp.invalid.isEmpty { reportInvalid() }
        loading = Loading()
        return group.count - parked
    }

    // MARK: - Deciding

    /// An aggregate that has to be loaded first; nil when the submission can be dealt with.
    private func missing(for submission: Submission) -> AggregateName? {
        switch submission.work {
        case .command(let command, _): missing(command.target, for: submission)
        case .query(let query): missing(query.target, for: submission)
        case .state(let name): missing(name, for: submission)
        case .stateAfter(let command): missing(command.target, for: submission)
        case .together(let commands): commands.lazy.compactMap { missing($0.target, for: submission) }.first
        case .recall, .remember, .claim, .releaseDelivery, .forgetDeliveries: nil
        }
    }

    private func missing(_ name: AggregateName, for submission: Submission) -> AggregateName? {
        guard aggregates.peek(name) == nil && !parking.hasArrived(name) else { return nil }
        // It was loaded, and has left memory again before its turn: rather wait here than for ever.
        return !submission.hasWaited || parking.isLoading(name) ? name : nil
    }

    private mutating func park(_ submission: Submission, for name: AggregateName) {
        if parking.park(submission, for: name) { ahead.want(name) }
        guard case .together(let commands) = submission.work else { return }
        // The others it needs are loaded meanwhile.
        for command in commands where missing(command.target, for: submission) != nil {
            if parking.expect(command.target) { ahead.want(command.target) }
        }
    }

    private mutating func outcome(of submission: Submission) -> Reply.Outcome {
        do throws(Refusal) {
            switch submission.work {
            case .query(let query):
                // Two steps: in one, `aggregates` would be taken as it was before `place` changed it.
                let name = query.target
                let place = try place(of: name)
                try check(submission.access, name, at: place)
                let aggregate = aggregates[place]
                return .found(body: try aggregate.body(of: name.id, at: stamp.time), version: aggregate.version)
            case .command(let command, let expected):
                if let known = repeated(submission) { return known }
                let accepted = try execute(command, expected, submission.metadata, submission.access)
                note(submission, accepted)
                return .accepted(accepted)
            case .together(let commands):
                if let known = repeated(submission) { return known }
                let accepted = try execute(together: commands, submission.metadata, submission.access)
                note(submission, accepted.first)
                return .acceptedTogether(accepted)
            case .recall: return repeated(submission) ?? .notRepeated
            case .releaseDelivery(let session, let packetID): return deliveries.release(session, packetID)
            case .forgetDeliveries(let session): return deliveries.forget(session: session)
            case .claim(let claim):
                guard let key = submission.repeatKey else { return .notRepeated }
                return repetitions.settle(claim, key, at: stamp.time)
            case .remember(let accepted):
                if let known = repeated(submission) { return known }
                note(submission, accepted)
                return .accepted(accepted)
            case .state(let name):
                let place = try place(of: name)
                return .state(aggregates[place])
            case .stateAfter(let command):
                _ = try execute(command, .any, submission.metadata)
                let place = try place(of: command.target)
                return .state(aggregates[place])
            }
        } catch {
            return .refused(error)
        }
    }

    /// In the step that decides, so that nothing changes in between.
    private mutating func check(_ access: ObjectAccess?, _ name: AggregateName, at place: Int) throws(Refusal) {
        guard let access else { return }
        guard case .saga(let saga) = aggregates[place], let order = saga.order else {
            return try access.check(aggregates[place], of: name.id)
        }
        // A saga is its order's customer's.
        let orders = try self.place(of: AggregateName(kind: .order, id: order))
        try access.check(aggregates[orders], of: order)
    }

    /// The answer to a repetition, which is not carried out; nil for any other submission.
    private mutating func repeated(_ submission: Submission) -> Reply.Outcome? {
        if let key = submission.repeatKey, let known = repetitions.answer(to: key, at: stamp.time) { return known }
        return submission.delivery.flatMap { deliveries.answer(to: $0) }
    }

    /// It has been carried out, if what it causes gets to the disk.
    private mutating func note(_ submission: Submission, _ accepted: Accepted?) {
        repetitions.note(submission.repeatKey, accepted, at: stamp.time)
        deliveries.note(submission.delivery)
    }

    private mutating func execute(
        _ command: Command, _ expected: ExpectedVersion, _ metadata: Metadata, _ access: ObjectAccess? = nil
    ) throws(Refusal) -> Accepted {
        let name = command.target
        let place = try place(of: name)
        try check(access, name, at: place)
        let before = aggregates[place].version
        guard expected.admits(before) else {
            throw Refusal(.versionConflict, "the aggregate has another version")
        }
        stamp.metadata = metadata
        let events = try aggregates.execute(command, at: place, &stamp)
        if !events.isEmpty {
            touched.append(name)
            snapshots.note(name, aggregates.progress(place))
            batches.append(Batch(name.key, expected: .exact(before), events: events))
        }
        return Accepted(aggregateId: name.id, version: before + UInt64(events.count), eventIds: events.map(\.id))
    }

    /// What one of several causes must not stay when a later one is refused: the aggregates go back to what
    /// they were, and their events are taken out of the group.
    /// - Parameter access: to what the first of them is for; the others follow from it.
    private mutating func execute(
        together commands: [Command], _ metadata: Metadata, _ access: ObjectAccess?
    ) throws(Refusal) -> [Accepted] {
        var before: [(name: AggregateName, aggregate: AnyAggregate, progress: Progress)] = []
        let (batchesBefore, touchedBefore) = (batches.count, touched.count)
        var accepted: [Accepted] = []
        do throws(Refusal) {
            for command in commands {
                let place = try place(of: command.target)
                before.append((command.target, aggregates[place], aggregates.progress(place)))
                accepted.append(try execute(command, .any, metadata, accepted.isEmpty ? access : nil))
            }
        } catch {
            for (name, aggregate, progress) in before.reversed() { aggregates.restore(name, to: aggregate, progress) }
            batches.removeSubrange(batchesBefore...)
            touched.removeSubrange(touchedBefore...)
            throw error
        }
        return accepted
    }

    /// The aggregate in memory, brought there from the store when it is not.
    private mutating func place(of name: AggregateName) throws(Refusal) -> Int {
        if let place = aggregates.find(name) { return place }
        if let loaded = try parking.take(name) { return takeIn(name, loaded) }
        return takeIn(name, try loader.load(name))
    }

    private mutating func takeIn(_ name: AggregateName, _ loaded: AggregateLoader.Loaded) -> Int {
        loading.add(loaded)
        snapshots.note(name, loaded.progress)
        return aggregates.insert(name, loaded.aggregate, loaded.progress)
    }

    // MARK: - Committing

    /// Times that a group is decided again because somebody else has written to one of its aggregates.
    private static let mostConflicts = 3
    /// Attempts at an append, and the seconds after which no other is begun.
    private static let mostAttempts = 3
    private static let patience = 1.0

    /// Appends what was decided.
    /// - Returns: the seconds of the transaction, nil without one.
    private mutating func commit(_ group: ArraySlice<Submission>) -> (seconds: Double?, failed: Bool) {
        while !batches.isEmpty || repetitions.hasChanges || deliveries.hasChanges {
            let before = monotonicSeconds()
            do throws(StoreError) {
                head = try append().head
                repetitions.committed()
                deliveries.committed()
                return (monotonicSeconds() - before, false)
            } catch {
                guard case .conflict(let batch, _) = error else {
                    giveUp(group, conflicting: nil)
                    return (nil, true)
                }
                conflicts += 1
                guard conflicts <= LogWriter.mostConflicts else {
                    giveUp(group, conflicting: batches[batch].aggregate)
                    return (nil, true)
                }
            }
            decideAgain(group)
        }
        return (nil, false)
    }

    /// A disk that fails for a moment is asked again at once: the store has opened its file anew meanwhile. There is
    /// no sleeping here, where all commands wait, and none of them could be written: the wait is the client's, who is
    /// told to come back in a second. A full disk and one that cannot even be read answer at once.
    private mutating func append() throws(StoreError) -> Appended {
        let begin = monotonicSeconds()
        let changes = repetitions.changes(at: stamp.time)
        let delivered = deliveries.changesOfGroup()
        var attempts = 1
        while true {
            do throws(StoreError) {
                return try store.append(batches, changes, delivered)
            } catch {
                guard case .io(_, undecided: false) = error, attempts < LogWriter.mostAttempts,
                    monotonicSeconds() - begin < LogWriter.patience
                else { throw error }
                attempts += 1
            }
        }
    }

    /// From what the store has now. Whoever named the version it expected is refused by that.
    private mutating func decideAgain(_ group: ArraySlice<Submission>) {
        for name in touched { aggregates.evict(name) }
        batches.removeAll(keepingCapacity: true)
        touched.removeAll(keepingCapacity: true)
        snapshots.forget()
        repetitions.forget()
        deliveries.undo()
        stamp.invalid = []
        for (i, submission) in group.enumerated() where outcomes[i] != nil { outcomes[i] = outcome(of: submission) }
    }

    // MARK: - When the commit fails

    private static let unavailable = Refusal(
        .upstreamUnavailable, "the event store cannot be written", retryAfterMS: 1000)

    /// Memory is ahead of the store, so whatever changed is forgotten; every command is refused, also
    /// those that were refused for another reason, which may have rested on what did not happen. What repeats
    /// a request that is on disk is still answered. Queries are answered again, from what is.
    private mutating func giveUp(_ group: ArraySlice<Submission>, conflicting: AggregateKey?) {
        for name in touched { aggregates.evict(name) }
        repetitions.forget(isUncertain: true)
        deliveries.undo()
        for (i, submission) in group.enumerated() where outcomes[i] != nil {
            switch submission.work {
            case .command(let command, _):
                outcomes[i] = repeated(submission) ?? .refused(LogWriter.refusal([command], conflicting))
            case .stateAfter(let command): outcomes[i] = .refused(LogWriter.refusal([command], conflicting))
            case .together(let commands):
                outcomes[i] = repeated(submission) ?? .refused(LogWriter.refusal(commands, conflicting))
            case .claim(let claim): outcomes[i] = claim.outcomeUnwritten(.refused(LogWriter.unavailable))
            case .remember: outcomes[i] = repeated(submission) ?? .refused(LogWriter.unavailable)
            case .releaseDelivery, .forgetDeliveries: outcomes[i] = .refused(LogWriter.unavailable)
            case .query, .state, .recall: outcomes[i] = outcome(of: submission)
            }
        }
    }

    private static func refusal(_ commands: [Command], _ conflicting: AggregateKey?) -> Refusal {
        guard let conflicting, commands.contains(where: { $0.target.key == conflicting }) else { return unavailable }
        return Refusal(.versionConflict, "somebody else keeps writing to the aggregate")
    }

    // MARK: - Answering

    private mutating func answer(_ group: ArraySlice<Submission>, _ deliver: EventLog.Deliver) {
        for (i, submission) in group.enumerated() {
            guard let outcome = outcomes[i] else { continue }
            if submission.ticket.isInside {
                inside.append(Reply(ticket: submission.ticket, outcome: outcome))
                continue
            }
            let worker = Int(submission.ticket.worker)
            while replies.count <= worker { replies.append([]) }
            replies[worker].append(Reply(ticket: submission.ticket, outcome: outcome))
        }
        for worker in replies.indices where !replies[worker].isEmpty {
            var leaving: [Reply] = []
            swap(&leaving, &replies[worker])
            deliver(UInt16(worker), leaving)
        }
        if !inside.isEmpty {
            var leaving: [Reply] = []
            swap(&leaving, &inside)
            deliver(Ticket.inside, leaving)
        }
    }

    private func count(_ group: ArraySlice<Submission>, committed: [Batch], seconds: Double?, failed: Bool) {
        var queries: UInt64 = 0
        for (i, submission) in group.enumerated() where outcomes[i] != nil {
            switch submission.work {
            case .query, .state, .recall: queries += 1
            case .command, .stateAfter, .together, .remember, .claim, .releaseDelivery, .forgetDeliveries: break
            }
        }
        var refused: UInt64 = 0
        var repeated: UInt64 = 0
        for outcome in outcomes {
            if case .refused = outcome { refused += 1 }
            switch outcome {
            case .repeated, .delivered: repeated += 1
            default: break
            }
        }
        let events = committed.reduce(0) { $0 + $1.events.count }
        meters.update { figures in
            figures.queries += queries
            figures.commands += UInt64(group.count - parked) - queries
            figures.refused += refused
            figures.repeated += repeated
            figures.remembered = repetitions.count
            figures.deliverySessions = deliveries.count
            figures.events += UInt64(events)
            figures.conflicts += conflicts
            figures.invalidEvents += UInt64(stamp.invalid.count)
            figures.loads += loading.loads
            figures.loadsFromSnapshot += loading.fromSnapshot
            figures.eventsReplayed += loading.replayed
            figures.snapshotsUnreadable += loading.unreadable
            figures.head = head
            figures.cached = aggregates.count
            figures.cachedBytes = aggregates.cost
            if group.count > parked { figures.groupSize.add(Double(group.count - parked)) }
            if failed { figures.failedCommits += 1 }
            if let seconds {
                figures.commits += 1
                figures.commitSeconds.add(seconds)
            }
        }
    }

    private mutating func reportInvalid() {
        if stamp.time >= nextReport, let first = stamp.invalid.first {
            onInvalid(first)
            nextReport = Timestamp(microseconds: stamp.time.microseconds + 1_000_000)
        }
        stamp.invalid = []
    }

    private func monotonicSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
