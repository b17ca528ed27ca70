import EventCore

/// Parked sagas before one operation whose service was away. They are let through again one, two, four … at a time
/// as it answers, and one now and then while it does not, so that thousands of them neither bury a service that
/// has just come back nor fill the log with tries.
struct Gate: Sendable {
    /// Let through at the same time.
    static let widest = 64
    /// Between two tries while the service is away.
    static let shortestMS: UInt64 = 1000
    static let longestMS: UInt64 = 30_000

    private var line = FIFO<Identifier>()
    /// Who of them still waits: whoever went on for another reason stays in `line` until it comes to the front.
    private var waiting: Set<Identifier> = []
    /// Let through, and not back yet.
    private var through: Set<Identifier> = []
    private var width = 1
    private var delayMS = Gate.shortestMS
    /// By the clock that is never set: after a step back of the wall's nobody would come through until it is made up for.
    private var notBeforeMS: UInt64 = 0
    /// The last that was heard.
    private(set) var isAway = false

    var isIdle: Bool { waiting.isEmpty && through.isEmpty && !isAway }

    /// When it lets somebody through; nil while nobody waits, or as many are through as may be.
    var nextMS: UInt64? { waiting.isEmpty || through.count >= width ? nil : notBeforeMS }

    /// How long a saga that would come now waits at least.
    func waitMS(atMS now: UInt64) -> UInt64 { max(notBeforeMS, now + Gate.shortestMS) - now }

    mutating func wait(_ id: Identifier) {
        if waiting.insert(id).inserted { line.append(id) }
    }

    mutating func leave(_ id: Identifier) {
        waiting.remove(id)
        through.remove(id)
    }

    mutating func admit(atMS now: UInt64) -> [Identifier] {
        guard now >= notBeforeMS else { return [] }
        var admitted: [Identifier] = []
        while through.count < width, let id = line.popFirst() {
            guard waiting.remove(id) != nil else { continue }
            through.insert(id)
            admitted.append(id)
        }
        return admitted
    }

    mutating func answered() {
        isAway = false
        width = min(width * 2, Gate.widest)
        delayMS = Gate.shortestMS
        notBeforeMS = 0
    }

    mutating func unavailable(atMS now: UInt64) {
        // Those that were let through together find it away together.
        guard !isAway || now >= notBeforeMS else { return }
        delayMS = isAway ? min(delayMS * 2, Gate.longestMS) : Gate.shortestMS
        isAway = true
        width = 1
        notBeforeMS = now + delayMS
    }
}

/// First in, first out.
struct FIFO<Element: Sendable>: Sendable {
    private var items: [Element?] = []
    private var head = 0

    var isEmpty: Bool { head == items.count }
    var count: Int { items.count - head }

    mutating func append(_ item: Element) { items.append(item) }

    mutating func popFirst() -> Element? {
        guard head < items.count else { return nil }
        let item = items[head]
        items[head] = nil
        head += 1
        if head > 64 && head * 2 > items.count {
            items.removeFirst(head)
            head = 0
        }
        return item
    }
}
