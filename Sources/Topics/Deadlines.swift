/// Times at which something is due, the earliest first: a binary heap. What has changed its time is put in again, and the
/// former entry is found to be stale when its time comes.
struct Deadlines<Key> {
    private var heap: [(at: UInt64, key: Key)] = []

    var count: Int { heap.count }
    var first: (at: UInt64, key: Key)? { heap.first }

    mutating func add(_ key: Key, at: UInt64) {
        heap.append((at, key))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent].at <= heap[child].at { break }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    mutating func removeFirst() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].at < heap[least].at {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    /// Leaves out what is stale, when that may be most of it: the heap is no larger than twice what it is for, and `spare`.
    mutating func prune(live: Int, spare: Int = 1024, _ isLive: (UInt64, Key) -> Bool) {
        guard heap.count > 2 * live + spare else { return }
        let kept = heap.filter { isLive($0.at, $0.key) }
        heap.removeAll()
        for (at, key) in kept { add(key, at: at) }
    }
}
