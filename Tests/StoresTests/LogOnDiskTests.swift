import EventCore
import Exchanges
import Stores
import Synchronization
import Testing
import Threads

/// The codes of replies, by slot.
private final class Codes: Sendable {
    private let codes = Mutex<[UInt32: Code]>([:])
    private let bell = Bell()

    func deliver(_ replies: [Reply]) {
        codes.withLock { codes in
            for reply in replies {
                switch reply.outcome {
                case .accepted: codes[reply.ticket.slot] = .accepted
                case .found: codes[reply.ticket.slot] = .ok
                case .refused(let refusal): codes[reply.ticket.slot] = refusal.outcome.code
                default: codes[reply.ticket.slot] = .internalError  // not asked for
                }
            }
        }
        bell.ring()
    }

    func wait(for slot: UInt32) -> Code {
        while true {
            if let code = codes.withLock({ $0[slot] }) { return code }
            bell.wait()
        }
    }
}

/// One more product for one of eleven users.
private func add(_ slot: UInt32) throws -> Submission {
    let user = try #require(Identifier("user-\(slot % 11)"))
    let product = try #require(Identifier("product-\(slot)"))
    return Submission(
        ticket: Ticket(worker: 0, slot: slot, generation: 0),
        work: .command(.cart(user, .add(product: product, quantity: 1)), expected: .any))
}

/// The log on a real store.
@Suite(.timeLimit(.minutes(10))) struct LogOnDiskTests {
    @Test func aFullDiskRefusesCommandsUntilThereIsSpace() throws {
        let shop = try Workshop()
        let store = try shop.open(.init(mostBytes: 200_000))
        let codes = Codes()
        let log = try EventLog(store: store) { codes.deliver($1) }
        var slot: UInt32 = 0
        var accepted = 0
        while slot < 5000 {
            #expect(log.submit(try add(slot)))
            if codes.wait(for: slot) != .accepted { break }
            accepted += 1
            slot += 1
        }
        #expect(accepted > 100 && accepted < 5000)
        #expect(codes.wait(for: slot) == .upstreamUnavailable)
        // What is there can still be read, also what memory forgot when the commit failed.
        let user = try #require(Identifier("user-\(slot % 11)"))
        #expect(log.submit(Submission(ticket: Ticket(worker: 0, slot: 9000, generation: 0), work: .query(.cart(user)))))
        #expect(codes.wait(for: 9000) == .ok)
        store.limit(to: .max)
        #expect(log.submit(try add(slot)))
        log.close()
        store.close()
        let again = try shop.open()
        #expect(try again.head() == UInt64(accepted + 1))
        #expect(log.meters.read().failedCommits >= 1)
    }
}

// Here and not above: one test at a time breaks the disk.
extension FaultTests {
    @Test func aDiskThatFailsForAWhileIsSurvived() throws {
        #expect(FaultyDisk.installed)
        let shop = try Workshop(named: "faulty-log")
        let store = try shop.open()
        let codes = Codes()
        // One cart in memory: the log has to read as well while nothing works.
        let log = try EventLog(store: store, options: .init(aggregates: 1)) { codes.deliver($1) }
        #expect(log.submit(try add(0)))
        #expect(codes.wait(for: 0) == .accepted)
        FaultyDisk.fail(1_000_000, alsoWrites: true)
        for slot in 1..<20 as Range<UInt32> {
            #expect(log.submit(try add(slot)))
            #expect(codes.wait(for: slot) == .upstreamUnavailable)
        }
        FaultyDisk.fail(0)
        for slot in 20..<60 as Range<UInt32> {
            #expect(log.submit(try add(slot)))
            #expect(codes.wait(for: slot) == .accepted)
        }
        log.close()
        let events = try store.read(after: 0, limit: 1000)
        #expect(events.map(\.position) == Array(1...UInt64(events.count)))
        #expect(log.meters.read().head == UInt64(events.count))
    }
}
