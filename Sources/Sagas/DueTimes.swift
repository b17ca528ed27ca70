import EventCore

/// Sagas by the time at which somebody has to look at them: a binary heap, the earliest on top.
struct DueTimes: Sendable {
    private var heap: [(at: Timestamp, saga: Identifier)] = []

    var next: Timestamp? { heap.first?.at }

    mutating func insert(_ saga: Identifier, at time: Timestamp) {
        heap.append((time, saga))
        var i = heap.count - 1
        while i > 0, heap[i].at < heap[(i - 1) / 2].at {
            heap.swapAt(i, (i - 1) / 2)
            i = (i - 1) / 2
        }
    }

    /// The earliest, when its time has come.
    mutating func popFirst(at now: Timestamp) -> Identifier? {
        guard let first = heap.first, first.at <= now, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first.saga }
        heap[0] = last
        var i = 0
        while true {
            var least = i
            for child in [2 * i + 1, 2 * i + 2] where child < heap.count && heap[child].at < heap[least].at { least = child }
            if least == i { return first.saga }
            heap.swapAt(i, least)
            i = least
        }
    }
}
