/// Refused messages of a process without a store, the oldest first.
struct RefusedShelf {
    /// Bytes of all of them, about.
    static let mostBytes = 16 << 20

    private var items: [(number: UInt64, message: RefusedMessage)] = []
    private var bytes = 0

    mutating func put(_ number: UInt64, _ message: RefusedMessage, most: Int) {
        items.append((number, message))
        bytes += RefusedShelf.cost(message)
        var excess = 0
        while excess < items.count && (items.count - excess > max(0, most) || bytes > RefusedShelf.mostBytes) {
            bytes -= RefusedShelf.cost(items[excess].message)
            excess += 1
        }
        items.removeFirst(excess)
    }

    mutating func remove(_ number: UInt64) -> Bool {
        guard let i = items.firstIndex(where: { $0.number == number }) else { return false }
        bytes -= RefusedShelf.cost(items[i].message)
        items.remove(at: i)
        return true
    }

    /// The newest first.
    func list(before: UInt64, limit: Int) -> [(number: UInt64, message: RefusedMessage)] {
        Array(items.reversed().lazy.filter { $0.number < before }.prefix(max(0, limit)))
    }

    var count: Int { items.count }

    private static func cost(_ message: RefusedMessage) -> Int {
        256 + message.topic.count + message.payload.count + message.properties.count + message.owner.count + message.standing.count
            + message.reason.utf8.count
    }
}
