import EventCore

/// One aggregate's events on their way to one consumer: one at a time, in order.
struct Lane {
    /// With their numbers in the window; nil for what has been read again for a held lane.
    var queue: [(event: StoredEvent, number: UInt64?)] = []
    /// The first of the queue is being applied, since that uptime.
    var runningSinceMS: UInt64?
    /// In line for a worker.
    var isReady = false
    /// Uptime of the next attempt, while it waits for that.
    var dueMS: UInt64?
    /// Set: known to the consumer's rows, and the checkpoint does not wait for it.
    var held: HeldLane?

    var isRunning: Bool { runningSinceMS != nil }
}

/// Lanes that wait for a worker: those whose next event is on the core path first.
struct ReadyLanes {
    private var core = Line()
    private var secondary = Line()

    var count: Int { core.count + secondary.count }

    mutating func add(_ lane: AggregateKey, _ path: DeliveryPath) {
        switch path {
        case .core: core.add(lane)
        case .secondary: secondary.add(lane)
        }
    }

    mutating func next() -> AggregateKey? { core.next() ?? secondary.next() }

    private struct Line {
        var lanes: [AggregateKey] = []
        var start = 0

        var count: Int { lanes.count - start }

        mutating func add(_ lane: AggregateKey) { lanes.append(lane) }

        mutating func next() -> AggregateKey? {
            guard start < lanes.count else { return nil }
            let lane = lanes[start]
            start += 1
            if start == lanes.count {
                lanes.removeAll(keepingCapacity: start <= 4096)
                start = 0
            } else if start > 1024 && start * 2 > lanes.count {
                lanes.removeSubrange(..<start)
                start = 0
            }
            return lane
        }
    }
}
