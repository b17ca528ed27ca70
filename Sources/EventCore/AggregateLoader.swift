import Exchanges

/// Brings an aggregate into memory: the newest snapshot that can be read, and the events after it.
struct AggregateLoader: Sendable {
    struct Loaded: Sendable {
        var aggregate: AnyAggregate
        var progress = Progress()
        /// Events folded for it.
        var replayed = 0
        var fromSnapshot = false
        /// Snapshots met that are not what was written, of another form, or of another log.
        var unreadable = 0
    }

    private static let page = 1000

    let store: any EventStore
    let snapshots: (any SnapshotStore)?
    /// With so many events or more, a snapshot is looked for.
    let fewEvents: Int

    static let unavailable = Refusal(.upstreamUnavailable, "the event store cannot be read", retryAfterMS: 1000)

    /// - Throws: `.upstreamUnavailable` when the store cannot be read, `.internalError` when an event cannot.
    func load(_ name: AggregateName) throws(Refusal) -> Loaded {
        var loaded = Loaded(aggregate: AnyAggregate(name.kind))
        // Most aggregates have few events, or none: for those no snapshot is looked for.
        var page = fewEvents
        var more = try replay(name, into: &loaded, limit: page) == page
        if more, let found = try fromSnapshot(name, &loaded.unreadable) {
            loaded = found
        }
        page = AggregateLoader.page
        while more { more = try replay(name, into: &loaded, limit: page) == page }
        return loaded
    }

    /// Folds the next events into it.
    /// - Returns: how many there were.
    private func replay(_ name: AggregateName, into loaded: inout Loaded, limit: Int) throws(Refusal) -> Int {
        let events: [StoredEvent]
        var version = loaded.aggregate.version
        do throws(StoreError) {
            events = try store.read(name.key, from: version + 1, through: .max, limit: limit)
        } catch {
            throw AggregateLoader.unavailable
        }
        for stored in events {
            version += 1
            guard stored.version == version, loaded.aggregate.replay(stored.event) else {
                throw Refusal(.internalError, "an event of this aggregate cannot be read")
            }
            loaded.progress.add(stored.event)
        }
        loaded.replayed += events.count
        return events.count
    }

    /// The newest snapshot that can be believed; nil when there is none, which is never an error.
    private func fromSnapshot(_ name: AggregateName, _ unreadable: inout Int) throws(Refusal) -> Loaded? {
        guard let snapshots else { return nil }
        var before = UInt64(Int64.max)
        while true {
            let found: FoundSnapshot
            do throws(StoreError) {
                found = try snapshots.newest(of: name.key, before: before)
            } catch {
                unreadable += 1
                return nil
            }
            switch found {
            case .none: return nil
            case .unreadable(let version): before = version
            case .readable(let snapshot):
                if let aggregate = try restore(snapshot, name) {
                    var progress = Progress()
                    progress.lastEvent = snapshot.lastEvent
                    progress.snapshotTaken = snapshot.taken
                    return Loaded(aggregate: aggregate, progress: progress, fromSnapshot: true, unreadable: unreadable)
                }
                before = snapshot.version
            }
            unreadable += 1
        }
    }

    private func restore(_ snapshot: Snapshot, _ name: AggregateName) throws(Refusal) -> AnyAggregate? {
        do throws(StoreError) {
            let last = try store.read(name.key, from: snapshot.version, through: snapshot.version, limit: 1).first
            guard let last, last.event.id == snapshot.lastEvent else { return nil }
        } catch {
            throw AggregateLoader.unavailable
        }
        guard let aggregate = AnyAggregate(name.kind, snapshot), aggregate.version == snapshot.version else { return nil }
        return aggregate
    }
}
