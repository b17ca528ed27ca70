import Bus
import EventCore
import Exchanges
import Glibc
import Stores
import Synchronization
import Threads

/// `store-bench bus`: what consumers cost the log's thread, and how long an event takes to one.
func measureBus(directory: String) async throws {
    mkdir(directory, 0o700)
    let path = directory + "/bus.db"
    for wants in [nil, [], ["ItemAdded"]] as [Set<String>?] {
        try await measureFeed(path: path, wants: wants, rate: nil, seconds: 5)
    }
    for rate in [5_000, 20_000] {
        try await measureFeed(path: path, wants: ["ItemAdded"], rate: rate, seconds: 8)
    }
    rmdir(directory)
}

private final class Latencies: Consumer {
    let name = "bench"
    let types: Set<String>
    private let durations = Mutex((ofEvents: Durations(), ofCommits: Durations()))
    /// When each commit was told to those who follow.
    private let commits = Mutex<[(head: UInt64, at: UInt64)]>([])

    init(_ types: Set<String>) { self.types = types }

    func told(_ head: UInt64) { commits.withLock { $0.append((head, monotonicNanoseconds())) } }

    func apply(_ event: StoredEvent) async -> Applied {
        let took = Timestamp.now().microseconds - event.event.timestamp.microseconds
        let told = commits.withLock { commits in
            var (low, high) = (0, commits.count)
            while low < high {
                let middle = (low + high) / 2
                if commits[middle].head < event.position { low = middle + 1 } else { high = middle }
            }
            return low < commits.count ? commits[low].at : monotonicNanoseconds()
        }
        let now = monotonicNanoseconds()
        durations.withLock { durations in
            durations.ofEvents.add(UInt64(max(0, took)) * 1000)
            durations.ofCommits.add(now - min(now, told))
        }
        return .done
    }

    var summary: String {
        durations.withLock { "  commit to consumer \($0.ofCommits.summary)  event to consumer \($0.ofEvents.summary)" }
    }
}

/// - Parameters:
///   - wants: the types of the one consumer; nil = there is no bus.
///   - rate: events a second; nil = as many as the log takes.
private func measureFeed(path: String, wants: Set<String>?, rate: Int?, seconds: Double) async throws {
    removeStore(path)
    removeStore(path + ".consumers")
    let store = try SQLiteEventStore(path: path)
    let inFlight = Mutex(0)
    let log = try EventLog(store: store) { _, replies in inFlight.withLock { $0 -= replies.count } }
    // Subscribers are called one after another on the log's thread: one before the bus, one after it.
    let before = Mutex<UInt64>(0)
    let inside = Mutex<(nanoseconds: UInt64, commits: Int)>((0, 0))
    let consumer = Latencies(wants ?? [])
    let first = log.feed.subscribe { committed in
        consumer.told(committed.head)
        before.withLock { $0 = threadNanoseconds() }
    }
    let consumers = try SQLiteConsumerStore(path: path + ".consumers")
    let bus = wants == nil
        ? nil : try await Bus(feed: log.feed, events: store, store: consumers, consumers: [consumer])
    let last = log.feed.subscribe { _ in
        let took = threadNanoseconds() - before.withLock { $0 }
        inside.withLock { $0 = ($0.nanoseconds + took, $0.commits + 1) }
    }
    let cpu = processorSeconds()
    let start = monotonicNanoseconds()
    let sender = NamedThread.required(name: "sender") { load(log, inFlight, rate: rate, seconds: seconds) }
    sender.join()
    let took = Double(monotonicNanoseconds() - start) / 1e9
    let events = Double(log.meters.read().events)
    while let figures = bus?.figures.first, wants?.isEmpty == false, figures.applied < UInt64(events) {
        try await Task.sleep(for: .milliseconds(5))
    }
    let used = processorSeconds() - cpu
    await bus?.stop()
    let figures = bus?.figures.first
    log.feed.cancel(first)
    log.feed.cancel(last)
    log.close()
    store.close()
    consumers.close()
    let spent = inside.withLock { $0 }
    show(
        "bus: \(wants.map { $0.isEmpty ? "wants none" : "wants all " } ?? "none      ")"
            + "  \(rate.map { "\($0)/s offered" } ?? "unbounded")  \(decimal(events / took, 0)) events/s"
            + "  \(decimal(used / events * 1e6, 1)) CPU us/event"
            + "  on the log's thread \(decimal(Double(spent.nanoseconds) / events, 0)) ns/event"
            + " (group \(decimal(events / Double(max(spent.commits, 1)), 0)))"
            + consumer.summary
            + "  from memory \(figures?.fed ?? 0), pages read \(figures?.pagesRead ?? 0)")
    removeStore(path)
    removeStore(path + ".consumers")
}

/// Adds products to carts of 10,000 users, `rate` a second in bursts a millisecond apart.
private func load(_ log: EventLog, _ inFlight: borrowing Mutex<Int>, rate: Int?, seconds: Double) {
    var random = SystemRandomNumberGenerator()
    let users = (0..<10_000).compactMap { _ in Identifier("\(EventId(high: random.next(), low: random.next()))") }
    guard let product = Identifier("OLJCESPC7Z") else { return }
    let metadata = Metadata(correlationId: "019523a4-0000-7000-8000-0123456789ab", source: "http")
    let start = monotonicNanoseconds()
    var sent = 0
    while true {
        let elapsed = Double(monotonicNanoseconds() - start) / 1e9
        if elapsed >= seconds { break }
        let room = 8192 - inFlight.withLock { $0 }
        let due = min(room, rate.map { Int(elapsed * Double($0)) - sent } ?? room)
        for _ in 0..<max(0, due) {
            let user = users[Int.random(in: 0..<users.count, using: &random)]
            inFlight.withLock { $0 += 1 }
            _ = log.submit(
                Submission(
                    ticket: Ticket(worker: 0, slot: 0, generation: 0),
                    work: .command(.cart(user, .add(product: product, quantity: 1)), expected: .any), metadata: metadata))
            sent += 1
        }
        usleep(1000)
    }
    while inFlight.withLock({ $0 }) > 0 { usleep(1000) }
}

/// CPU time of this thread: other processes do not count.
private func threadNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
