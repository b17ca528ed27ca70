import EventCore

/// Events that a consumer has taken in, in the order of their positions, until the checkpoint may pass them.
struct Window {
    private struct Entry {
        var position: UInt64
        var bytes: Int
        var aggregate: AggregateKey
        var timestamp: Timestamp
        var isDone = false
    }

    private var entries: [Entry] = []
    /// Entries before it are gone.
    private var start = 0
    /// Number of the entry at `entries[0]`.
    private var base: UInt64 = 0
    private(set) var bytes = 0

    var isEmpty: Bool { start == entries.count }
    var count: Int { entries.count - start }

    /// The oldest event that is not dealt with.
    var oldest: (position: UInt64, aggregate: AggregateKey, timestamp: Timestamp)? {
        guard start < entries.count else { return nil }
        let entry = entries[start]
        return (entry.position, entry.aggregate, entry.timestamp)
    }

    /// - Returns: the number `finish` takes.
    mutating func add(_ event: StoredEvent) -> UInt64 {
        // The key and the fields around it count too.
        let size = event.event.payload.count + 256
        bytes += size
        entries.append(
            Entry(position: event.position, bytes: size, aggregate: event.aggregate, timestamp: event.event.timestamp))
        return base + UInt64(entries.count - 1)
    }

    mutating func finish(_ number: UInt64) {
        let at = Int(number - base)
        entries[at].isDone = true
        bytes -= entries[at].bytes
        while start < entries.count, entries[start].isDone { start += 1 }
        // Moves what is left once in a while, and not an entry at a time.
        if start > 1024 && start * 2 > entries.count {
            entries.removeSubrange(..<start)
            base += UInt64(start)
            start = 0
        }
    }
}
