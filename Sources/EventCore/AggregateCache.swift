/// The aggregates in memory, of all types: least recently used ones go first. Confined to the log's thread.
///
/// Evicting is a step of its own (`trim`), taken when every event is committed: an aggregate that is ahead
/// of the store must not be forgotten.
struct AggregateCache {
    private struct Slot {
        var name: AggregateName
        var aggregate: AnyAggregate
        var progress: Progress
        /// Counted into `cost`.
        var cost: Int
        var older: Int
        var newer: Int
    }

    private static let none = -1

    private var slots: [Slot] = []
    private var vacant: [Int] = []
    private var places: [AggregateName: Int] = [:]
    private var newest = AggregateCache.none
    private var oldest = AggregateCache.none
    /// Bytes, about.
    private(set) var cost = 0

    let mostAggregates: Int
    let mostBytes: Int

    init(mostAggregates: Int, mostBytes: Int) {
        self.mostAggregates = mostAggregates
        self.mostBytes = mostBytes
    }

    var count: Int { places.count }

    subscript(_ place: Int) -> AnyAggregate { slots[place].aggregate }

    /// The aggregate's place, now the most recently used; nil when it is not in memory.
    mutating func find(_ name: AggregateName) -> Int? {
        guard let place = places[name] else { return nil }
        if place != newest {
            unlink(place)
            link(place)
        }
        return place
    }

    /// How far it has come since its last snapshot.
    func progress(_ place: Int) -> Progress { slots[place].progress }

    mutating func snapshotWasTaken(of place: Int, at now: Timestamp) { slots[place].progress.snapshotWasTaken(at: now) }

    /// The place, when it is in memory; its use is not counted.
    func peek(_ name: AggregateName) -> Int? { places[name] }

    /// Those in memory whose progress is as asked.
    func names(where isWanted: (Progress) -> Bool) -> [AggregateName] {
        places.values.filter { isWanted(slots[$0].progress) }.map { slots[$0].name }
    }

    /// Takes in an aggregate that is not in memory.
    mutating func insert(_ name: AggregateName, _ aggregate: AnyAggregate, _ progress: Progress) -> Int {
        let slot = Slot(
            name: name, aggregate: aggregate, progress: progress, cost: aggregate.cost, older: AggregateCache.none,
            newer: AggregateCache.none)
        cost += slot.cost
        let place: Int
        if let free = vacant.popLast() {
            slots[free] = slot
            place = free
        } else {
            place = slots.count
            slots.append(slot)
        }
        places[name] = place
        link(place)
        return place
    }

    /// Has the aggregate do what is commanded.
    mutating func execute(_ command: Command, at place: Int, _ stamp: inout EventStamp) throws(Refusal) -> [Event] {
        let events = try slots[place].aggregate.execute(command, &stamp)
        if !events.isEmpty {
            for event in events { slots[place].progress.add(event) }
            let now = slots[place].aggregate.cost
            cost += now - slots[place].cost
            slots[place].cost = now
        }
        return events
    }

    /// Puts an aggregate back to what it was.
    mutating func restore(_ name: AggregateName, to aggregate: AnyAggregate, _ progress: Progress) {
        guard let place = places[name] else { return }
        slots[place].aggregate = aggregate
        slots[place].progress = progress
        cost += aggregate.cost - slots[place].cost
        slots[place].cost = aggregate.cost
    }

    /// Forgets an aggregate.
    mutating func evict(_ name: AggregateName) {
        guard let place = places.removeValue(forKey: name) else { return }
        unlink(place)
        cost -= slots[place].cost
        slots[place].aggregate = .nothing
        vacant.append(place)
    }

    /// Forgets the least recently used until the bounds hold.
    mutating func trim() {
        while oldest != AggregateCache.none && (places.count > mostAggregates || cost > mostBytes) {
            evict(slots[oldest].name)
        }
    }

    private mutating func link(_ place: Int) {
        slots[place].older = newest
        slots[place].newer = AggregateCache.none
        if newest != AggregateCache.none { slots[newest].newer = place } else { oldest = place }
        newest = place
    }

    private mutating func unlink(_ place: Int) {
        let (older, newer) = (slots[place].older, slots[place].newer)
        if older != AggregateCache.none { slots[older].newer = newer } else { oldest = newer }
        if newer != AggregateCache.none { slots[newer].older = older } else { newest = older }
    }
}
