import EventCore
import Exchanges
import Glibc
import Stores
import Synchronization

/// One submitting thread, as a gateway worker is: it hands commands in, and the log rings it with replies.
private final class Submitter: Sendable {
    private let answered = Mutex<[UInt32]>([])
    private let refused = Atomic<Int>(0)
    private let bell = Bell()

    var refusals: Int { refused.load(ordering: .relaxed) }

    func deliver(_ replies: [Reply]) {
        answered.withLock { answered in
            for reply in replies { answered.append(reply.ticket.slot) }
        }
        for reply in replies {
            if case .refused = reply.outcome { refused.wrappingAdd(1, ordering: .relaxed) }
        }
        bell.ring()
    }

    /// Keeps `clients` commands in flight until `end`; each client waits for its answer.
    func run(_ log: EventLog, worker: UInt16, clients: Int, users: [Identifier], keyed: Bool, until end: UInt64) -> Durations {
        var durations = Durations()
        var started = [UInt64](repeating: 0, count: clients)
        var free = (0..<clients).map { UInt32($0) }
        var inFlight = 0
        var random = SystemRandomNumberGenerator()
        let metadata = Metadata(correlationId: "019523a4-0000-7000-8000-0123456789ab", source: "http")
        guard let product = Identifier("OLJCESPC7Z") else { return durations }
        while true {
            let now = monotonicNanoseconds()
            if now < end {
                for slot in free {
                    started[Int(slot)] = now
                    let user = users[Int.random(in: 0..<users.count, using: &random)]
                    let sent = log.submit(
                        Submission(
                            ticket: Ticket(worker: worker, slot: slot, generation: 0),
                            work: .command(.cart(user, .add(product: product, quantity: 1)), expected: .any),
                            metadata: metadata, repeatKey: keyed ? .random(using: &random) : nil))
                    if sent { inFlight += 1 }
                }
            }
            free = []
            guard inFlight > 0 else { return durations }
            bell.wait()
            answered.withLock { swap(&$0, &free) }
            let then = monotonicNanoseconds()
            for slot in free { durations.add(then - started[Int(slot)]) }
            inFlight -= free.count
        }
    }
}

extension RepeatKey {
    fileprivate static func random(using random: inout SystemRandomNumberGenerator) -> RepeatKey {
        RepeatKey(
            identity: Digest(high: random.next() & 1023, low: random.next()), fingerprint: Digest(high: random.next(), low: random.next()))
    }
}

/// - Parameter keyed: every command has an idempotency key of its own.
func measureLog(path: String, clients: Int, seconds: Double, _ schemas: EventSchemas, keyed: Bool = false) throws {
    removeStore(path)
    let store = try SQLiteEventStore(path: path)
    let threads = min(clients, 2)
    let submitters = (0..<threads).map { _ in Submitter() }
    let snapshots = try SQLiteSnapshotStore(path: SQLiteSnapshotStore.path(ofEvents: path))
    let log = try EventLog(store: store, snapshots: snapshots, options: .init(schemas: schemas, repetitions: RepetitionLimits(records: 100_000_000))) { worker, replies in submitters[Int(worker)].deliver(replies) }
    var random = SystemRandomNumberGenerator()
    let users = (0..<10_000).compactMap { _ in Identifier("\(EventId(high: random.next(), low: random.next()))") }

    let all = Mutex(Durations())
    let cpu = processorSeconds()
    let start = monotonicNanoseconds()
    let end = start + UInt64(seconds * 1e9)
    let running = submitters.enumerated().map { worker, submitter in
        joinableThread {
            let durations = submitter.run(
                log, worker: UInt16(worker), clients: clients / threads, users: users, keyed: keyed, until: end)
            all.withLock { $0.add(durations) }
        }
    }
    for thread in running { pthread_join(thread, nil) }
    let took = Double(monotonicNanoseconds() - start) / 1e9
    let used = processorSeconds() - cpu
    log.close()
    snapshots.close()
    store.close()
    let figures = log.meters.read()
    let commands = Double(figures.commands)
    let refused = submitters.reduce(0) { $0 + $1.refusals }
    show(
        "log\(keyed ? " with keys" : ""): \(padded("\(clients)", 4)) clients  \(padded(decimal(commands / took, 0), 7)) commands/s"
            + "  \(decimal(used / commands * 1e6, 1)) CPU us/command  answer \(all.withLock { $0 }.summary)"
            + "  group \(decimal(commands / Double(max(figures.commits, 1)), 1))"
            + "  commit mean \(decimal(figures.commitSeconds.sum / Double(max(figures.commits, 1)) * 1e3, 2)) ms"
            + "  refused \(refused)")
    removeStore(path)
}
