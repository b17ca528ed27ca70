import EventCore
import Exchanges
import Glibc
import Stores
import Testing

/// Commands at random for two carts and two products, and what they come to: the fold of the store's events.
private struct Model {
    var carts: [Identifier: Cart] = [:]
    var stock: [Identifier: Inventory] = [:]
    var head: UInt64 = 0

    static func command() throws -> Command {
        func name(_ prefix: String, _ count: Int) throws -> Identifier { try #require(Identifier("\(prefix)\(Int.random(in: 0..<count))")) }
        let (product, thing) = (try name("p", 2), try name("r\"\u{e9}-", 60))
        switch Int.random(in: 0..<12) {
        case 0: return .cart(product, .empty)
        case 1: return .cart(product, .remove(product: thing))
        case 2...4: return .cart(product, .add(product: thing, quantity: .random(in: 1...5)))
        case 5: return .inventory(product, .adjust(delta: .random(in: -9...40), reason: thing, eventId: try name("e", 400)))
        case 6: return .inventory(product, .release(reservation: thing, order: nil, reason: .compensation))
        case 7:
            return .inventory(
                product, Bool.random() ? .take(reservation: thing, order: thing, quantity: 2) : .putBack(reservation: thing, order: thing, quantity: 2))
        default:
            // Some expire within the test.
            let now = Timestamp.now().microseconds
            let until = Bool.random() ? nil : Timestamp(microseconds: now + .random(in: 1000...300_000))
            let order = Bool.random() ? nil : thing
            return .inventory(product, .reserve(reservation: thing, order: order, quantity: 1, expiresAt: until))
        }
    }

    mutating func catchUp(_ store: any EventStore) throws {
        while true {
            let events = try store.read(after: head, limit: 1000)
            for stored in events {
                head = stored.position
                let (id, time) = (stored.aggregate.id, stored.event.timestamp)
                if let event = CartEvent(stored.event) { carts[id, default: Cart()].apply(event, at: time) }
                if let event = InventoryEvent(stored.event) { stock[id, default: Inventory()].apply(event, at: time) }
            }
            if events.isEmpty { return }
        }
    }

    /// Does the log have what the fold has?
    func agrees(with log: EventLog) async throws -> Bool {
        for (id, cart) in carts {
            guard case .cart(cart) = try await log.state(of: AggregateName(kind: .cart, id: id)) else { return false }
        }
        for (id, known) in stock {
            guard case .inventory(known) = try await log.state(of: AggregateName(kind: .inventory, id: id)) else { return false }
        }
        return !carts.isEmpty && !stock.isEmpty
    }
}

extension EventLog {
    /// What comes of the command is not waited for.
    fileprivate func attempt(_ command: Command) {
        let ticket = Ticket(worker: 0, slot: 0, generation: 0)
        _ = submit(Submission(ticket: ticket, work: .command(command, expected: .any)))
    }
}

/// A store with one cart of `events` events and its snapshots, one for each `every` of them.
private func cartWithSnapshots(_ shop: Workshop, events: Int, every: Int) async throws -> Cart {
    let (store, snapshots) = (try shop.open(), try shop.openSnapshots())
    let user = try #require(Identifier("u"))
    var written: UInt64 = 0
    for round in 0..<events / every {
        let log = try EventLog(store: store, snapshots: snapshots, options: .init(snapshots: .init(events: every))) { _, _ in }
        var commands: [Command] = []
        for i in 0..<every {
            let product = try #require(Identifier("p\((round * every + i) % 30)"))
            commands.append(.cart(user, .add(product: product, quantity: 1)))
        }
        try await log.execute(commands)
        log.close()  // until it is written
        written += log.meters.read().snapshotsWritten
    }
    #expect(written == UInt64(events / every))
    var model = Model()
    try model.catchUp(store)
    snapshots.close()
    store.close()
    return try #require(model.carts[user])
}

/// The cart as a log loads it, and the figures of that load.
private func loadCart(_ shop: Workshop) async throws -> (cart: Cart?, figures: LogMeters.Figures) {
    let (store, snapshots) = (try shop.open(), try shop.openSnapshots())
    let log = try EventLog(store: store, snapshots: snapshots) { _, _ in }
    var cart: Cart?
    if case .cart(let state) = try await log.state(of: AggregateName(kind: .cart, id: try #require(Identifier("u")))) { cart = state }
    log.close()
    snapshots.close()
    store.close()
    return (cart, log.meters.read())
}

@Suite(.timeLimit(.minutes(10))) struct SnapshotTests {
    /// However often aggregates leave memory and come back by a snapshot: they are the fold of their events.
    @Test func aLoadedAggregateIsTheFoldOfItsEvents() async throws {
        let shop = try Workshop()
        let (store, snapshots) = (try shop.open(), try shop.openSnapshots())
        // One in memory: nearly every command loads.
        let options = EventLog.Options(group: 5, aggregates: 1, snapshots: SnapshotRule(events: 7))
        let log = try EventLog(store: store, snapshots: snapshots, options: options) { _, _ in }
        var model = Model()
        for _ in 0..<40 {
            for _ in 0..<50 { log.attempt(try Model.command()) }
            while log.depth > 0 { usleep(200) }
            try model.catchUp(store)
            #expect(try await model.agrees(with: log))
        }
        log.close()
        let figures = log.meters.read()
        #expect(figures.loadsFromSnapshot > 50 && figures.snapshotsWritten > 20, "\(figures)")
        #expect(figures.snapshotsUnreadable == 0 && figures.snapshotsFailed == 0)
        store.close()
    }

    @Test func aLoadFoldsWhatCameAfterTheSnapshot() async throws {
        let shop = try Workshop()
        let cart = try await cartWithSnapshots(shop, events: 1200, every: 400)
        let (loaded, figures) = try await loadCart(shop)
        #expect(loaded == cart)
        #expect(figures.loadsFromSnapshot == 1 && figures.eventsReplayed == 0)
    }

    /// One damaged: the one before it. Both: the events.
    @Test(arguments: [
        "UPDATE snapshots SET state = replace(state, 'p1', 'p9')",
        "UPDATE snapshots SET state = substr(state, 1, 100)",
        "UPDATE snapshots SET state = ''",
        "UPDATE snapshots SET last_event = randomblob(16)",
        "UPDATE snapshots SET last_event = x'00'",
        "UPDATE snapshots SET form = form + 1",
        "UPDATE snapshots SET version = version - 1",
    ])
    func aDamagedOneIsLeftAside(_ damage: String) async throws {
        let shop = try Workshop()
        let cart = try await cartWithSnapshots(shop, events: 1200, every: 400)
        #expect(Stranger(shop.snapshotsPath).text("SELECT group_concat(version) FROM snapshots") == "800,1200")
        #expect(Stranger(shop.snapshotsPath).run(damage + " WHERE version = 1200") == nil)
        let (second, some) = try await loadCart(shop)
        #expect(second == cart)
        #expect(some.loadsFromSnapshot == 1 && some.eventsReplayed == 400 && some.snapshotsUnreadable == 1)
        #expect(Stranger(shop.snapshotsPath).run(damage) == nil)
        let (third, none) = try await loadCart(shop)
        #expect(third == cart)
        #expect(none.loadsFromSnapshot == 0 && none.eventsReplayed == 1200 && none.snapshotsUnreadable == 2)
    }

    /// Intact, but of another log: the events came back from an older backup and went on differently.
    @Test func oneOfAnotherLogIsNotBelieved() async throws {
        let (first, second) = (try Workshop(), try Workshop())
        _ = try await cartWithSnapshots(first, events: 2000, every: 400)
        let cart = try await cartWithSnapshots(second, events: 1500, every: 500)
        #expect(rename(first.snapshotsPath, second.snapshotsPath) == 0)
        let (loaded, figures) = try await loadCart(second)
        #expect(loaded == cart)
        #expect(figures.loadsFromSnapshot == 0 && figures.snapshotsUnreadable == 2)
        // That load found a snapshot due, and it replaced those that cannot be of this log.
        #expect(Stranger(second.snapshotsPath).text("SELECT group_concat(version) FROM snapshots") == "1500")
        #expect(try await loadCart(second).figures.loadsFromSnapshot == 1)
    }

    @Test(arguments: ["garbage", "cut", "holes", "gone"])
    func aDamagedFileIsBegunAnew(_ damage: String) async throws {
        let shop = try Workshop()
        let cart = try await cartWithSnapshots(shop, events: 1200, every: 400)
        let file = open(shop.snapshotsPath, O_RDWR)
        switch damage {
        case "garbage": _ = Array("not a database".utf8).withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        case "cut": ftruncate(file, 5000)
        case "holes":
            var status = stat()
            fstat(file, &status)
            let noise = [UInt8](repeating: 0xA5, count: Int(status.st_size) - 4096)
            _ = noise.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 4096) }
        default: unlink(shop.snapshotsPath)
        }
        close(file)
        let (loaded, figures) = try await loadCart(shop)
        #expect(loaded == cart)
        #expect(figures.loadsFromSnapshot == 0 && figures.eventsReplayed == 1200)
        // The snapshot that the load found due is in a sound file, at the latest after the next one.
        let (again, second) = try await loadCart(shop)
        let (once, third) = try await loadCart(shop)
        #expect(again == cart && once == cart)
        #expect(second.loadsFromSnapshot + third.loadsFromSnapshot >= 1)
    }

    @Test func anotherProgramsFileIsNotTouched() throws {
        let shop = try Workshop()
        let store = try shop.open()
        #expect(Stranger(shop.snapshotsPath).run("CREATE TABLE mine (x)") == nil)
        guard case .unusable = storeError({ () throws(StoreError) in _ = try SQLiteSnapshotStore(path: shop.snapshotsPath) }) else {
            Issue.record("opened another program's file")
            return
        }
        #expect(Stranger(shop.snapshotsPath).text("SELECT name FROM sqlite_schema") == "mine")
        store.close()
    }

    @Test func belongsToItsOwner() async throws {
        let shop = try Workshop()
        _ = try await cartWithSnapshots(shop, events: 200, every: 200)
        var status = stat()
        #expect(stat(shop.snapshotsPath, &status) == 0 && status.st_mode & 0o777 == 0o600)
    }

    /// Each rule by itself; and within five seconds, without waiting for the end.
    @Test(arguments: [SnapshotRule(events: 150, bytes: 0, age: 0), SnapshotRule(events: 0, bytes: 4000, age: 0), SnapshotRule(events: 0, bytes: 0, age: 50_000)])
    func isTakenWhenDue(_ rule: SnapshotRule) async throws {
        let shop = try Workshop()
        let (store, snapshots) = (try shop.open(), try shop.openSnapshots())
        let log = try EventLog(store: store, snapshots: snapshots, options: .init(snapshots: rule)) { _, _ in }
        let (user, other, product) = (try #require(Identifier("u")), try #require(Identifier("o")), try #require(Identifier("p")))
        let many = [Command](repeating: .cart(user, .add(product: product, quantity: 1)), count: 99)
        try await log.execute(many)
        try await log.execute([.cart(other, .add(product: product, quantity: 1))])
        if rule.age > 0 { usleep(60_000) }
        try await log.execute([.cart(other, .add(product: product, quantity: 1))])
        #expect(log.meters.read().snapshotsWritten == 0)
        try await log.execute(many)
        let deadline = ContinuousClock.now + .seconds(120)
        while log.meters.read().snapshotsWritten == 0 && .now < deadline { usleep(1000) }
        #expect(log.meters.read().snapshotsWritten >= 1)
        guard case .readable(let snapshot) = try snapshots.newest(of: AggregateKey(type: Cart.type, id: user), before: 1000) else {
            Issue.record("no snapshot")
            return
        }
        #expect(snapshot.version >= 100)
        #expect(try snapshots.newest(of: AggregateKey(type: Cart.type, id: other), before: 1000) == .none)
        log.close()
        store.close()
    }

    @Test func isNeverTakenWhenEveryRuleIsOff() async throws {
        let shop = try Workshop()
        let (store, snapshots) = (try shop.open(), try shop.openSnapshots())
        let rule = SnapshotRule(events: 0, bytes: 0, age: 0)
        let log = try EventLog(store: store, snapshots: snapshots, options: .init(snapshots: rule)) { _, _ in }
        let user = try #require(Identifier("u"))
        try await log.execute([Command](repeating: .cart(user, .add(product: user, quantity: 1)), count: 300))
        log.close()
        #expect(log.meters.read().snapshotsWritten == 0)
        store.close()
    }
}

// Here and not above: one test at a time breaks the disk.
extension FaultTests {
    /// Snapshots that cannot be written are counted and cost nobody anything; later ones are written.
    @Test func aDiskThatFailsUnderTheSnapshotsHindersNoCommand() async throws {
        #expect(FaultyDisk.installed)
        let (shop, other) = (try Workshop(), try Workshop(named: "faulty-snapshots"))
        let (store, snapshots) = (try shop.open(), try other.openSnapshots())
        let log = try EventLog(store: store, snapshots: snapshots, options: .init(snapshots: .init(events: 10))) { _, _ in }
        let user = try #require(Identifier("u"))
        FaultyDisk.fail(1_000_000, alsoWrites: true)
        for _ in 0..<50 { try await log.execute([.cart(user, .add(product: user, quantity: 1))]) }
        let deadline = ContinuousClock.now + .seconds(120)
        while log.meters.read().snapshotsFailed == 0 && .now < deadline { usleep(1000) }
        #expect(log.meters.read().snapshotsFailed > 0 && log.meters.read().snapshotsWritten == 0)
        FaultyDisk.fail(0)
        try await log.execute([Command](repeating: .cart(user, .add(product: user, quantity: 1)), count: 100))
        log.close()
        #expect(log.meters.read().snapshotsWritten > 0)
        let again = try EventLog(store: store, snapshots: snapshots) { _, _ in }
        #expect(try await again.state(of: AggregateName(kind: .cart, id: user)).version == 150)
        again.close()
        #expect(again.meters.read().loadsFromSnapshot == 1)
        store.close()
    }
}
