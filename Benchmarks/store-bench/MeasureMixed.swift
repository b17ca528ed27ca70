import EventCore
import Exchanges
import Glibc
import Stores
import Synchronization

/// How long commands take on carts that are in memory while `share` percent of them are on carts that are not: those
/// have to be read first, and should hold up nobody else.
func measureMixed(path: String) throws {
    removeStore(path)
    let store = try SQLiteEventStore(path: path)
    // Most carts are small, as in a shop; some have a long history.
    let (small, long, history) = (300_000, 2000, 200)
    try fillCarts(store, "small", small, events: 1)
    try fillCarts(store, "long", long, events: history)
    for (cold, most) in [("", 1), ("small", small), ("long", long)] {
        for rate in [5000, 20_000] { try mixed(store, cold: cold, of: most, rate: rate, seconds: 4) }
    }
    store.close()
    removeStore(path)
}

private func fillCarts(_ store: SQLiteEventStore, _ kind: String, _ carts: Int, events: Int) throws {
    guard let product = Identifier("OLJCESPC7Z") else { return }
    var ids = EventIdSource()
    let change = CartEvent.itemAdded(product, quantity: 1)
    for _ in 0..<events {
        for from in stride(from: 0, to: carts, by: 10_000) {
            let now = Timestamp.now()
            let batches = (from..<min(carts, from + 10_000)).compactMap { i in
                Identifier("\(kind)-\(i)").map { user in
                    Batch(
                        AggregateKey(type: Cart.type, id: user), expected: .any,
                        events: [
                            Event(
                                id: ids.next(at: now.microseconds), type: change.type, timestamp: now, payload: change.payload,
                                metadata: Metadata(source: "http"))
                        ])
                }
            }
            _ = try store.append(batches)
        }
    }
}

/// When each command was handed in, and how long its answer took, by what it needed.
private final class Answers: Sendable {
    private struct State {
        var sent: [UInt64] = []
        var warm = Durations()
        var cold = Durations()
        var answered = 0
    }

    private let state = Mutex(State())

    func send(_ n: Int) -> UInt32 {
        state.withLock { state in
            let now = monotonicNanoseconds()
            for _ in 0..<n { state.sent.append(now) }
            return UInt32(state.sent.count - n)
        }
    }

    func deliver(_ replies: [Reply]) {
        let now = monotonicNanoseconds()
        state.withLock { state in
            for reply in replies {
                let took = now - state.sent[Int(reply.ticket.slot)]
                if reply.ticket.generation == 0 { state.warm.add(took) } else { state.cold.add(took) }
            }
            state.answered += replies.count
        }
    }

    var underWay: Int { state.withLock { $0.sent.count - $0.answered } }
    var summary: (warm: String, cold: String) { state.withLock { ($0.warm.summary, $0.cold.summary) } }
}

private func mixed(_ store: SQLiteEventStore, cold: String, of most: Int, rate: Int, seconds: Double) throws {
    let answers = Answers()
    // Few in memory: what is cold stays so.
    let log = try EventLog(store: store, options: .init(aggregates: 2000)) { _, replies in answers.deliver(replies) }
    let hot = (0..<1000).compactMap { Identifier("hot-\($0)") }
    guard let product = Identifier("OLJCESPC7Z") else { return }
    var sent = 0
    let start = monotonicNanoseconds()
    while true {
        let elapsed = Double(monotonicNanoseconds() - start) / 1e9
        if elapsed > seconds { break }
        for _ in 0..<min(max(0, Int(elapsed * Double(rate)) - sent), 8192 - answers.underWay) {
            let isCold = !cold.isEmpty && sent % 20 == 0
            let user = isCold ? Identifier("\(cold)-\(Int.random(in: 0..<most))") : hot[Int.random(in: 0..<hot.count)]
            guard let user else { return }
            _ = log.submit(
                Submission(
                    ticket: Ticket(worker: 0, slot: answers.send(1), generation: isCold ? 1 : 0),
                    work: .command(.cart(user, .add(product: product, quantity: 1)), expected: .any)))
            sent += 1
        }
        usleep(1000)
    }
    let offered = Double(monotonicNanoseconds() - start) / 1e9
    log.close()
    let figures = log.meters.read()
    show(
        "mixed: \(padded("\(rate)", 5))/s offered  5 % cold: \(cold.isEmpty ? "none" : cold)"
            + "  \(decimal(Double(sent) / offered, 0)) commands/s  in memory: \(answers.summary.warm)  cold: \(answers.summary.cold)"
            + "  loads \(figures.loads)  group \(decimal(Double(figures.commands) / Double(max(figures.commits, 1)), 1))")
}
