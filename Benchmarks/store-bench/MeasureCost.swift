import EventCore
import Exchanges
import Glibc
import Stores
import Synchronization
import Threads

/// CPU time of a command without anything by which it could be known again, with a key, and with marks: the same groups in
/// turn, and the middle of all rounds, so that it can be told on a machine that others use too.
/// - Parameters:
///   - kinds: one alone, for a profiler that counts instructions.
///   - rounds: of 500 commands each; a tenth of them make room, and are not counted.
func measureCost(path: String, _ kinds: [Repeats] = Repeats.allCases, rounds: Int = 400) throws {
    let schemas = try eventSchemas(in: "contracts/events")
    var costs = [[Double]](repeating: [], count: kinds.count)
    let logs = try kinds.indices.map { try CostLog(path: "\(path).\($0)", schemas) }
    for round in 0..<rounds {
        for (i, kind) in kinds.enumerated() {
            let cost = logs[i].round(kind, UInt16(round % 60_000 + 1))
            // The first ones make room.
            if round >= rounds / 10 { costs[i].append(cost) }
        }
    }
    for log in logs { log.close() }
    for (kind, costs) in zip(kinds, costs) {
        let sorted = costs.sorted()
        show(
            "cost\(kind.rawValue): \(decimal(sorted[sorted.count / 2], 2)) CPU us/command, a tenth of the rounds below "
                + decimal(sorted[sorted.count / 10], 2))
    }
}

/// A log of its own for each, with 100 clients that hand in five commands each at once.
private final class CostLog {
    private let path: String
    private let store: SQLiteEventStore
    private let log: EventLog
    private let users: [Identifier]
    private let bell = Bell()
    private static let perRound = 500

    init(path: String, _ schemas: EventSchemas) throws {
        removeStore(path)
        self.path = path
        store = try SQLiteEventStore(path: path)
        users = (0..<1000).compactMap { Identifier("user-\($0)") }
        let (heard, bell) = (Heard(), bell)
        self.heard = heard
        log = try EventLog(store: store, options: .init(schemas: schemas, repetitions: RepetitionLimits(records: 100_000_000))) { _, replies in
            heard.count.add(replies.count, ordering: .relaxed)
            bell.ring()
        }
    }

    private final class Heard: Sendable { let count = Atomic<Int>(0) }
    private let heard: Heard

    /// Microseconds of the process's CPU time a command.
    func round(_ repeats: Repeats, _ number: UInt16) -> Double {
        let before = processorSeconds()
        for half in 0..<(repeats == .qos2 ? 2 : 1) {
            var sent = 0
            for i in 0..<Self.perRound {
                let (session, packetID) = (UInt64(i % 100), UInt16(i / 100) * 13_000 + number)
                let isIn: Bool
                if half == 1 {
                    isIn = log.submit(Submission(ticket: Ticket(worker: 0, slot: 0, generation: 0), work: .releaseDelivery(session: session, packetID: packetID)))
                } else {
                    let user = users[(Int(number) * 7 + i) % users.count]
                    isIn = log.submit(
                        Submission(
                            ticket: Ticket(worker: 0, slot: 0, generation: 0),
                            work: .command(.cart(user, .add(product: users[0], quantity: 1)), expected: .any),
                            metadata: Metadata(correlationId: "019523a4-0000-7000-8000-0123456789ab", source: "http"),
                            repeatKey: repeats == .keys ? .number(UInt64(number) * 500 + UInt64(i)) : nil, delivery: repeats.mark(session, packetID, user)))
                }
                if isIn { sent += 1 }
            }
            while heard.count.load(ordering: .relaxed) < sent { bell.wait() }
            heard.count.store(0, ordering: .relaxed)
        }
        return (processorSeconds() - before) / Double(Self.perRound) * 1e6
    }

    func close() {
        log.close()
        store.close()
        removeStore(path)
    }
}
