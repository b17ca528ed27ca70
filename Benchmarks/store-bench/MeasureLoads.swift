import EventCore
import Exchanges
import Glibc
import Stores
import Synchronization
import Threads

/// How long a query waits for an aggregate that is in memory, is not, and has a snapshot or not; and how long the
/// writer waits while snapshots are written beside it.
func measureLoads(path: String) throws {
    let bell = Bell()
    for (events, kind) in [(1000, "cart"), (1000, "stock"), (75_000, "cart"), (75_000, "stock")] {
        removeStore(path)
        let store = try SQLiteEventStore(path: path)
        try fill(store, kind: kind, events: events)
        let others = try fillOthers(store)
        guard let target = Identifier("target"), let first = others.first else { return }
        let query: Query = kind == "cart" ? .cart(target) : .inventory(target)
        var line = "load: \(kind) of \(padded("\(events)", 5)) events "
        for withSnapshots in [false, true] {
            let snapshots = withSnapshots ? try SQLiteSnapshotStore(path: SQLiteSnapshotStore.path(ofEvents: path)) : nil
            if withSnapshots {
                // The first load finds that one is due; closing waits until it is written.
                let log = try EventLog(store: store, snapshots: snapshots) { _, _ in bell.ring() }
                _ = answerTime(log, query, bell)
                log.close()
            }
            var cold = Durations()
            var warm = Durations()
            for _ in 0..<(events > 1000 ? 5 : 30) {
                let log = try EventLog(store: store, snapshots: snapshots, options: .init(aggregates: 1)) { _, _ in bell.ring() }
                _ = answerTime(log, .cart(first), bell)
                cold.add(answerTime(log, query, bell))
                for _ in 0..<20 { warm.add(answerTime(log, query, bell)) }
                log.close()
            }
            line += withSnapshots ? "  from a snapshot: \(cold.summary)  in memory: \(warm.summary)" : "  folded: \(cold.summary)"
            snapshots?.close()
        }
        show(line)
        store.close()
        removeStore(path)
    }
}

/// Nanoseconds until the answer, which rings.
private func answerTime(_ log: EventLog, _ query: Query, _ bell: Bell) -> UInt64 {
    let start = monotonicNanoseconds()
    guard log.submit(Submission(ticket: Ticket(worker: 0, slot: 0, generation: 0), work: .query(query))) else { return 0 }
    bell.wait()
    return monotonicNanoseconds() - start
}

/// A long-lived aggregate among others: its events lie apart.
private func fill(_ store: SQLiteEventStore, kind: String, events: Int) throws {
    guard let target = Identifier("target") else { return }
    var ids = EventIdSource()
    var made = 0
    while made < events {
        let now = Timestamp.now()
        var batches: [Batch] = []
        for i in made..<min(made + 500, events) {
            guard let product = Identifier("product-\(i % 50)"), let reservation = Identifier("saga-\(i / 2)") else { continue }
            let event: (type: String, payload: [UInt8])
            if kind == "cart" {
                let change = CartEvent.itemAdded(product, quantity: 1)
                event = (change.type, change.payload)
            } else {
                let until = Timestamp(microseconds: now.microseconds + 900_000_000)
                // Every second one is still held, up to the bound.
                let change: InventoryEvent =
                    i % 2 == 0 || i < 10_000
                    ? .reserved(reservation, order: product, quantity: 1, expiresAt: until)
                    : .released(reservation, order: product, quantity: 1, reason: .orderCancelled)
                event = (change.type, change.payload)
            }
            let stored = Event(
                id: ids.next(at: now.microseconds), type: event.type, timestamp: now, payload: event.payload,
                metadata: Metadata(correlationId: "019523a4-0000-7000-8000-0123456789ab", source: "http"))
            batches.append(Batch(AggregateKey(type: kind == "cart" ? Cart.type : Inventory.type, id: target), expected: .any, events: [stored]))
            // Twenty of other aggregates between two of this one.
            for other in 0..<(events > 1000 ? 2 : 20) {
                guard let user = Identifier("user-\((i * 20 + other) % 9973)") else { continue }
                let change = CartEvent.itemAdded(product, quantity: 1)
                batches.append(
                    Batch(
                        AggregateKey(type: Cart.type, id: user), expected: .any,
                        events: [
                            Event(
                                id: ids.next(at: now.microseconds), type: change.type, timestamp: now, payload: change.payload,
                                metadata: Metadata(source: "http"))
                        ]))
            }
        }
        _ = try store.append(batches)
        made += 500
    }
}

private func fillOthers(_ store: SQLiteEventStore) throws -> [Identifier] {
    (0..<10).compactMap { Identifier("user-\($0)") }
}
