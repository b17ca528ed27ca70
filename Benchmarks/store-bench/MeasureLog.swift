import EventCore
import Exchanges
import Glibc
import Stores
import Synchronization
import Threads

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
    func run(_ log: EventLog, worker: UInt16, clients: Int, users: [Identifier], repeats: Repeats, until end: UInt64) -> Durations {
        var durations = Durations()
        var started = [UInt64](repeating: 0, count: clients)
        var free = (0..<clients).map { UInt32($0) }
        var inFlight = 0
        var keys: UInt64 = 0
        var random = SystemRandomNumberGenerator()
        var messages = [UInt16](repeating: 0, count: clients)
        var releasing = [Bool](repeating: false, count: clients)
        let metadata = Metadata(correlationId: "019523a4-0000-7000-8000-0123456789ab", source: "http")
        guard let product = Identifier("OLJCESPC7Z") else { return durations }
        while true {
            let now = monotonicNanoseconds()
            if now < end {
                for slot in free {
                    let session = UInt64(worker) << 32 | UInt64(slot)
                    if releasing[Int(slot)] {
                        let release = Submission.Work.releaseDelivery(session: session, packetID: messages[Int(slot)])
                        if log.submit(Submission(ticket: Ticket(worker: worker, slot: slot, generation: 0), work: release)) {
                            inFlight += 1
                        }
                        continue
                    }
                    messages[Int(slot)] = messages[Int(slot)] % .max + 1
                    started[Int(slot)] = now
                    keys += 1
                    let user = users[Int.random(in: 0..<users.count, using: &random)]
                    let sent = log.submit(
                        Submission(
                            ticket: Ticket(worker: worker, slot: slot, generation: 0),
                            work: .command(.cart(user, .add(product: product, quantity: 1)), expected: .any),
                            metadata: metadata, repeatKey: repeats == .keys ? .number(UInt64(worker) << 36 + keys) : nil,
                            delivery: repeats.mark(session, messages[Int(slot)], user)))
                    if sent { inFlight += 1 }
                }
            }
            free = []
            guard inFlight > 0 else { return durations }
            bell.wait()
            answered.withLock { swap(&$0, &free) }
            let then = monotonicNanoseconds()
            for slot in free {
                // Of QoS 2 the answer is the first half.
                if repeats == .qos2 { releasing[Int(slot)].toggle() }
                if repeats != .qos2 || releasing[Int(slot)] { durations.add(then - started[Int(slot)]) }
            }
            inFlight -= free.count
        }
    }
}

/// By what a command would be known when it comes again.
enum Repeats: String, CaseIterable {
    case nothing = ""
    case keys = " with keys"
    case qos1 = " with marks of QoS 1"
    case qos2 = " with marks of QoS 2, and their release"

    func mark(_ session: UInt64, _ packetID: UInt16, _ user: Identifier) -> DeliveryMark? {
        guard self == .qos1 || self == .qos2 else { return nil }
        return DeliveryMark(
            session: session, packetID: packetID, isExactlyOnce: self == .qos2, isResent: false,
            fingerprint: UInt64(truncatingIfNeeded: user.hashValue), window: 64)
    }
}

extension RepeatKey {
    /// One that has not been before. A digest's bits are as good as random, and the kernel's are not what is measured.
    static func number(_ i: UInt64) -> RepeatKey {
        func scattered(_ i: UInt64) -> UInt64 {
            let first = (i ^ i >> 30) &* 0xBF58_476D_1CE4_E5B9
            let second = (first ^ first >> 27) &* 0x94D0_49BB_1331_11EB
            return second ^ second >> 31
        }
        return RepeatKey(
            identity: Digest(high: scattered(i) & 1023, low: scattered(i &+ 1 << 40)),
            fingerprint: Digest(high: scattered(i &+ 1 << 41), low: scattered(i &+ 1 << 42)))
    }
}

/// - Parameter repeats: what every command has of its own.
func measureLog(path: String, clients: Int, seconds: Double, _ schemas: EventSchemas, repeats: Repeats = .nothing) throws {
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
        NamedThread.required(name: "client") { @Sendable in
            let durations = submitter.run(
                log, worker: UInt16(worker), clients: clients / threads, users: users, repeats: repeats, until: end)
            all.withLock { $0.add(durations) }
        }
    }
    for thread in running { thread.join() }
    let took = Double(monotonicNanoseconds() - start) / 1e9
    let used = processorSeconds() - cpu
    log.close()
    snapshots.close()
    store.close()
    let figures = log.meters.read()
    let commands = Double(figures.commands) / (repeats == .qos2 ? 2 : 1)
    let refused = submitters.reduce(0) { $0 + $1.refusals }
    show(
        "log\(repeats.rawValue): \(padded("\(clients)", 4)) clients  \(padded(decimal(commands / took, 0), 7)) commands/s"
            + "  \(decimal(used / commands * 1e6, 1)) CPU us/command  answer \(all.withLock { $0 }.summary)"
            + "  group \(decimal(commands / Double(max(figures.commits, 1)), 1))"
            + "  commit mean \(decimal(figures.commitSeconds.sum / Double(max(figures.commits, 1)) * 1e3, 2)) ms"
            + "  refused \(refused)")
    removeStore(path)
}
