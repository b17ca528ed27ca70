import EventCore
import Exchanges
import Glibc
import Stores
import Synchronization
import Threads

/// Keeps the log busy with commands for a few carts, and writes one line per acknowledged event: its id.
/// Snapshots are taken and read all the time.
/// A line is written only after the reply has come, so whoever reads it may hold the store to it.
func appendUntilKilled(path: String) throws {
    let store = try SQLiteEventStore(path: path)
    let inFlight = Mutex(0)
    let bell = Bell()
    let snapshots = try SQLiteSnapshotStore(path: SQLiteSnapshotStore.path(ofEvents: path))
    let options = EventLog.Options(aggregates: 20, snapshots: SnapshotRule(events: 20))
    let log = try EventLog(store: store, snapshots: snapshots, options: options) { _, replies in
        var lines: [UInt8] = []
        for reply in replies {
            guard case .accepted(let accepted) = reply.outcome else { continue }
            for id in accepted.eventIds { lines += id.characters + [UInt8(ascii: "\n")] }
        }
        _ = lines.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
        inFlight.withLock { $0 -= replies.count }
        bell.ring()
    }
    var random = SystemRandomNumberGenerator()
    while true {
        while inFlight.withLock({ $0 }) < 200 {
            guard let user = Identifier("user-\(Int.random(in: 0..<50, using: &random))"),
                let product = Identifier("product-\(Int.random(in: 0..<20, using: &random))")
            else { continue }
            let action: CartAction =
                switch Int.random(in: 0..<10, using: &random) {
                case 0: .empty
                case 1: .remove(product: product)
                case 2: .update(product: product, quantity: Int32.random(in: 0...9, using: &random))
                default: .add(product: product, quantity: 1)
                }
            inFlight.withLock { $0 += 1 }
            let ticket = Ticket(worker: 0, slot: 0, generation: 0)
            if !log.submit(Submission(ticket: ticket, work: .command(.cart(user, action), expected: .any))) {
                inFlight.withLock { $0 -= 1 }
            }
        }
        bell.wait()
    }
}
