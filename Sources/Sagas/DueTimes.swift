import EventCore

/// Sagas by the time at which somebody has to look at them: a binary heap, the earliest on top. Each saga is in it
/// once, with its earliest time: however often a saga is parked, it takes no more room.
struct DueTimes<Time: Comparable & Sendable>: Sendable {
    private var heap: [(at: Time, saga: Identifier)] = []
    /// An entry of the heap that differs is passed over.
    private var times: [Identifier: Time] = [:]

    /// Entries, with those that are passed over.
    var count: Int { heap.count }
    var next: Time? { heap.first?.at }

    mutating func insert(_ saga: Identifier, at time: Time) {
        if let known = times[saga], known <= time { return }
        times[saga] = time
        heap.append((time, saga))
        var i = heap.count - 1
        while i > 0, heap[i].at < heap[(i - 1) / 2].at {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
        // Earlier times for the same sagas leave entries behind.
        if heap.count > 2 * times.count + 64 { keep { _ in true } }
    }

    /// The earliest, when its time has come.
    mutating func popFirst(at now: Time) -> Identifier? {
        while let first = heap.first, first.at <= now {
            removeFirst()
            guard times[first.saga] == first.at else { continue }
            times[first.saga] = nil
            return first.saga
        }
        return nil
    }

    /// Lets go the sagas that nobody has to look at any more.
    mutating func keep(where isWanted: (Identifier) -> Bool) {
        times = times.filter { isWanted($0.key) }
        // Sorted, it is a heap.
        heap = times.map { (at: $0.value, saga: $0.key) }.sorted { $0.at < $1.at }
    }

    private mutating func removeFirst() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2] where child < heap.count && heap[child].at < heap[least].at { least = child }
            if least == i { return }
            heap.swapAt(i, least)
            i = least
        }
    }
}
