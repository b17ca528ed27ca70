import EventCore
import Exchanges
import Testing

private func name(_ text: String) throws -> Identifier { try #require(Identifier(text)) }

private func at(_ second: Int64) -> Timestamp { Timestamp(microseconds: second * 1_000_000) }

/// Stock that does as it is told, at its own time.
private struct Stock {
    var state = Inventory()
    var now = at(1000)
    var rules = DecisionRules()
    /// What happened since somebody looked, and the state after each event.
    var history: [(event: InventoryEvent, time: Timestamp, state: Inventory)] = []

    /// The events; or the code of the refusal.
    mutating func ask(_ action: InventoryAction) -> Result<[InventoryEvent], Refusal> {
        do throws(Refusal) {
            let decided = try state.decide(action, at: now, under: rules)
            for event in decided {
                state.apply(event, at: now)
                history.append((event, now, state))
            }
            return .success(decided)
        } catch {
            return .failure(error)
        }
    }

    mutating func adjust(_ delta: Int32, id: String? = nil) throws -> Result<[InventoryEvent], Refusal> {
        ask(.adjust(delta: delta, reason: try name("count"), eventId: try id.map(name)))
    }

    mutating func reserve(_ id: String, _ quantity: Int32, order: String? = nil, until: Int64? = nil) throws -> Result<[InventoryEvent], Refusal> {
        ask(.reserve(reservation: try name(id), order: try order.map(name), quantity: quantity, expiresAt: until.map(at)))
    }

    mutating func release(_ id: String, order: String? = nil) throws -> Result<[InventoryEvent], Refusal> {
        ask(.release(reservation: try name(id), order: try order.map(name), reason: .compensation))
    }

    mutating func take(_ id: String, _ quantity: Int32, order: String = "o") throws -> Result<[InventoryEvent], Refusal> {
        ask(.take(reservation: try name(id), order: try name(order), quantity: quantity))
    }

    mutating func putBack(_ id: String, _ quantity: Int32, order: String = "o") throws -> Result<[InventoryEvent], Refusal> {
        ask(.putBack(reservation: try name(id), order: try name(order), quantity: quantity))
    }

    var available: Int64 { state.available(at: now) }
}

/// `ok` with the number of events, or the refusal's code and field.
private func said(_ result: Result<[InventoryEvent], Refusal>) -> String {
    switch result {
    case .success(let events): "ok \(events.count)"
    case .failure(let refusal): "\(refusal.outcome.code.name) \(refusal.fields.first?.pointer ?? "")"
    }
}

@Suite struct InventoryTests {
    @Test func reservesAndReleases() throws {
        var stock = Stock()
        #expect(said(try stock.reserve("r1", 1)) == "NOT_FOUND /productId")
        #expect(said(try stock.adjust(10)) == "ok 1")
        #expect(said(try stock.reserve("r1", 7)) == "ok 1")
        #expect(stock.available == 3 && stock.state.onHand == 10)
        #expect(said(try stock.reserve("r2", 4)) == "ILLEGAL_STATE /quantity")
        #expect(said(try stock.reserve("r2", 3)) == "ok 1")
        #expect(stock.available == 0)
        #expect(said(try stock.release("r1")) == "ok 1")
        #expect(stock.available == 7 && stock.state.version == 4)
        #expect(said(try stock.release("r9")) == "NOT_FOUND /reservationId")
        #expect(said(try stock.reserve("r3", 0)) == "VALIDATION_ERROR /quantity")
        #expect(said(try stock.adjust(0)) == "VALIDATION_ERROR /delta")
        #expect(stock.state.version == 4, "a refusal leaves no trace")
    }

    @Test func repetitionsChangeNothing() throws {
        var stock = Stock()
        #expect(said(try stock.adjust(10, id: "scale/1")) == "ok 1")
        #expect(said(try stock.adjust(10, id: "scale/1")) == "ok 0")
        #expect(said(try stock.reserve("r", 2, order: "o", until: 2000)) == "ok 1")
        stock.now = at(1500)
        #expect(said(try stock.reserve("r", 2, order: "o", until: 2000)) == "ok 0")
        #expect(said(try stock.reserve("r", 2, order: "o")) == "ok 0")
        #expect(said(try stock.reserve("r", 3, order: "o", until: 2000)) == "ILLEGAL_STATE /reservationId")
        #expect(said(try stock.reserve("r", 2, order: "p", until: 2000)) == "ILLEGAL_STATE /reservationId")
        #expect(said(try stock.reserve("r", 2, order: "o", until: 2001)) == "ILLEGAL_STATE /reservationId")
        #expect(said(try stock.release("r", order: "p")) == "ILLEGAL_STATE /orderId")
        #expect(said(try stock.release("r", order: "o")) == "ok 1")
        #expect(said(try stock.release("r", order: "o")) == "ok 0")
        #expect(said(try stock.reserve("r", 2, order: "o", until: 2000)) == "ILLEGAL_STATE /reservationId")
        #expect(stock.available == 10)
    }

    @Test func whatIsPromisedIsNotTakenAway() throws {
        var stock = Stock()
        _ = try stock.adjust(10)
        _ = try stock.reserve("r", 7)
        let (count, none) = (try name("count"), Identifier?.none)
        #expect(try stock.adjust(-5).get() == [.stockAdjusted(requested: -5, applied: -3, reason: count, eventId: none)])
        #expect(stock.state.onHand == 7 && stock.available == 0)
        #expect(try stock.adjust(-5).get() == [.stockAdjusted(requested: -5, applied: 0, reason: count, eventId: none)])
        _ = try stock.release("r")
        #expect(try stock.adjust(.min).get() == [.stockAdjusted(requested: .min, applied: -7, reason: count, eventId: none)])
        #expect(stock.state.onHand == 0)
    }

    @Test func whatIsSoldLeavesAndComesBackOnce() throws {
        var stock = Stock()
        _ = try stock.adjust(10)
        _ = try stock.reserve("r", 4, order: "o", until: 1010)
        #expect(said(try stock.take("r", 4, order: "p")) == "ILLEGAL_STATE /orderId")
        #expect(said(try stock.take("r", 0)) == "VALIDATION_ERROR /quantity")
        let (r, o) = (try name("r"), try name("o"))
        #expect(try stock.take("r", 4).get() == [.taken(r, order: o, quantity: 4, applied: 4)])
        #expect(said(try stock.take("r", 4)) == "ok 0")
        #expect(stock.state.onHand == 6 && stock.available == 6 && stock.state.reservations.isEmpty)
        // For good: neither time nor a release brings it back.
        stock.now = at(1020)
        #expect(said(try stock.release("r")) == "ok 0")
        #expect(said(try stock.reserve("r", 4, order: "o")) == "ILLEGAL_STATE /reservationId")
        #expect(stock.available == 6)
        #expect(try stock.putBack("r", 4).get() == [.returned(r, order: o, quantity: 4, applied: 4)])
        #expect(said(try stock.putBack("r", 4)) == "ok 0")
        #expect(said(try stock.take("r", 4)) == "ok 0", "told once more of what was before")
        #expect(stock.available == 10)
    }

    /// The order is paid, whatever has become of its reservation.
    @Test func whatWasSoldTooLateIsCountedOffAllTheSame() throws {
        var stock = Stock()
        _ = try stock.adjust(10)
        _ = try stock.reserve("r", 4, order: "o", until: 1010)
        stock.now = at(1020)
        // Written off, and promised again.
        _ = try stock.reserve("other", 9, order: "p", until: 2000)
        #expect(try stock.take("r", 4).get() == [.taken(try name("r"), order: try name("o"), quantity: 4, applied: 4)])
        #expect(stock.state.onHand == 6 && stock.available == -3)
        #expect(String(decoding: try stock.state.body(of: try name("p"), at: stock.now), as: UTF8.self).contains(#""available":0,"#))
        #expect(said(try stock.reserve("more", 1)) == "ILLEGAL_STATE /quantity")
        // Fewer cannot be reported, and more is as much as it is.
        let count = try name("count")
        #expect(try stock.adjust(-1).get() == [.stockAdjusted(requested: -1, applied: 0, reason: count, eventId: nil)])
        #expect(try stock.adjust(1).get() == [.stockAdjusted(requested: 1, applied: 1, reason: count, eventId: nil)])
        #expect(stock.state.onHand == 7)
        // Not even there: what is, is counted off, and as much comes back.
        #expect(try stock.take("late", 8).get().last == .taken(try name("late"), order: try name("o"), quantity: 8, applied: 7))
        #expect(stock.state.onHand == 0)
        #expect(try stock.putBack("late", 8).get().last == .returned(try name("late"), order: try name("o"), quantity: 8, applied: 7))
        #expect(stock.state.onHand == 7)
        // Of a sale that is not remembered all comes back.
        #expect(try stock.putBack("ancient", 3).get().last == .returned(try name("ancient"), order: try name("o"), quantity: 3, applied: 3))
    }

    @Test func belowZeroOnlyWhereTheRulesAllowIt() throws {
        var stock = Stock()
        stock.rules.stockBelowZero = true
        _ = try stock.adjust(10)
        _ = try stock.reserve("r", 7, order: "o")
        let count = try name("count")
        #expect(try stock.adjust(-12).get() == [.stockAdjusted(requested: -12, applied: -12, reason: count, eventId: nil)])
        #expect(stock.state.onHand == -2 && stock.available == -9)
        #expect(try stock.take("r", 7).get() == [.taken(try name("r"), order: try name("o"), quantity: 7, applied: 7)])
        #expect(stock.state.onHand == -9)
        #expect(said(try stock.reserve("s", 1)) == "ILLEGAL_STATE /quantity")
        // What the rules were is in the events: without them the fold is the same, and what comes next is as they say.
        var replayed = Inventory()
        for (event, time, _) in stock.history { replayed.apply(event, at: time) }
        #expect(replayed == stock.state)
        stock.rules.stockBelowZero = false
        #expect(try stock.adjust(-1).get() == [.stockAdjusted(requested: -1, applied: 0, reason: count, eventId: nil)])
        #expect(try stock.adjust(20).get() == [.stockAdjusted(requested: 20, applied: 20, reason: count, eventId: nil)])
        #expect(stock.available == 11)
        stock.rules.stockBelowZero = true
        for _ in 0..<3 { _ = try stock.adjust(.min) }
        #expect(stock.state.onHand == 11 + 3 * Int64(Int32.min))
    }

    @Test func timeEndsReservations() throws {
        var stock = Stock()
        _ = try stock.adjust(10)
        _ = try stock.reserve("short", 4, until: 1010)
        _ = try stock.reserve("long", 5, until: 1020)
        #expect(said(try stock.reserve("past", 1, until: 1000)) == "VALIDATION_ERROR /expiresAt")
        #expect(said(try stock.reserve("far", 1, until: 1000 + 30 * 86_400 + 1)) == "VALIDATION_ERROR /expiresAt")
        #expect(said(try stock.reserve("just", 1, until: 1000 + 30 * 86_400)) == "ok 1")
        stock.now = Timestamp(microseconds: at(1010).microseconds - 1)
        #expect(stock.available == 0)
        stock.now = at(1010)
        #expect(stock.available == 4 && stock.state.version == 4, "at once, and without an event")
        #expect(said(try stock.reserve("short", 4, until: 1020)) == "ILLEGAL_STATE /reservationId")
        // The next command that changes something writes it off first.
        #expect(
            try stock.reserve("next", 4, until: 1030).get() == [
                .released(try name("short"), order: nil, quantity: 4, reason: .expired),
                .reserved(try name("next"), order: nil, quantity: 4, expiresAt: at(1030)),
            ])
        #expect(said(try stock.release("short")) == "ok 0")
        // Whoever releases too late hears that it is over, and the log says why it was.
        stock.now = at(1025)
        #expect(try stock.release("long").get() == [.released(try name("long"), order: nil, quantity: 5, reason: .expired)])
        #expect(stock.available == 5)
    }

    @Test func withoutATimeItLastsAQuarterOfAnHour() throws {
        var stock = Stock()
        _ = try stock.adjust(1)
        _ = try stock.reserve("r", 1)
        #expect(stock.state.reservations[try name("r")]?.expiresAt == at(1900))
    }

    @Test func manyExpiredReservationsAreWrittenOffBitByBit() throws {
        var stock = Stock()
        _ = try stock.adjust(1000)
        for i in 0..<250 { _ = try stock.reserve("r\(i)", 1, until: 1001 + Int64(i % 7)) }
        stock.now = at(1100)
        #expect(stock.available == 1000)
        #expect(try stock.reserve("all", 1000).get().count == 101)
        #expect(stock.state.reservations.count == 151 && stock.available == 0)
        #expect(try stock.adjust(1).get().count == 101)
        #expect(try stock.adjust(1).get().count == 51)
        #expect(stock.state.reservations.count == 1 && stock.available == 2)
    }

    @Test func whatIsKeptIsBounded() throws {
        var stock = Stock()
        _ = try stock.adjust(.max)
        for i in 0..<Inventory.mostReservations {
            _ = try stock.reserve("r\(i)", 1, until: 2000)
            stock.history = []
        }
        #expect(said(try stock.reserve("more", 1)) == "ILLEGAL_STATE ")
        #expect(said(try stock.release("r5")) == "ok 1")
        #expect(said(try stock.reserve("more", 1)) == "ok 1")
        // The oldest of the ended ones is forgotten.
        for i in 6..<(6 + Inventory.mostRemembered) {
            _ = try stock.release("r\(i)")
            stock.history = []
        }
        #expect(said(try stock.release("r5")) == "NOT_FOUND /reservationId")
        #expect(said(try stock.release("r6")) == "ok 0")
    }

    @Test func thereIsAMost() throws {
        var state = Inventory()
        let count = try name("count")
        state.apply(.stockAdjusted(requested: .max, applied: Inventory.mostPieces, reason: count, eventId: nil), at: at(0))
        #expect(throws: Refusal.self) { try state.decide(.adjust(delta: 1, reason: count, eventId: nil), at: at(1)) }
        // A fold is total, whatever it is given.
        for applied in [Int64.max, .max, .min, .min, .min] {
            state.apply(.stockAdjusted(requested: 0, applied: applied, reason: count, eventId: nil), at: at(0))
        }
        state.apply(.released(count, order: nil, quantity: 1, reason: .expired), at: at(0))
        state.apply(.reserved(count, order: nil, quantity: 1, expiresAt: at(0)), at: at(0))
        state.apply(.reserved(count, order: nil, quantity: 2, expiresAt: at(9)), at: at(0))
        #expect(state.reservations.count == 1 && state.reserved(at: at(1)) == 2)
    }

    @Test func answersAsJSON() throws {
        var stock = Stock()
        #expect(throws: Refusal.self) { try stock.state.body(of: name("p"), at: at(0)) }
        _ = try stock.adjust(10)
        _ = try stock.reserve("r", 4, until: 1010)
        #expect(
            String(decoding: try stock.state.body(of: try name("ü"), at: at(1000)), as: UTF8.self)
                == #"{"productId":"ü","onHand":10,"reserved":4,"available":6,"updatedAt":"1970-01-01T00:16:40.000000Z","version":2}"#)
        #expect(
            String(decoding: try stock.state.body(of: try name("p"), at: at(1010)), as: UTF8.self)
                == #"{"productId":"p","onHand":10,"reserved":0,"available":10,"updatedAt":"1970-01-01T00:16:40.000000Z","version":2}"#)
    }

    @Test func doesNotReadWhatItDoesNotKnow() {
        func event(_ type: String, _ payload: String, schemaVersion: UInt32 = 1) -> InventoryEvent? {
            InventoryEvent(
                Event(
                    id: EventId(high: 0, low: 0), type: type, timestamp: .now(), schemaVersion: schemaVersion,
                    payload: Array(payload.utf8), metadata: Metadata()))
        }
        #expect(event("StockAdjusted", #"{"requested":1,"applied":1,"reason":"r","later":true}"#) != nil)
        #expect(event("StockAdjusted", #"{"requested":1,"applied":1,"reason":"r"}"#, schemaVersion: 2) == nil)
        #expect(event("StockAdjusted", #"{"requested":1,"reason":"r"}"#) == nil)
        #expect(event("InventoryReserved", #"{"reservationId":"r","quantity":1,"expiresAt":"soon"}"#) == nil)
        #expect(event("InventoryReserved", #"{"reservationId":"r","quantity":0,"expiresAt":"2026-03-01T09:45:00Z"}"#) == nil)
        #expect(event("InventoryReleased", #"{"reservationId":"r","quantity":1,"reason":"RELEASE_REASON_LATER"}"#) != nil)
        #expect(event("InventoryUnavailable", #"{"reservationId":"r","quantity":1}"#) == nil)
    }

    /// Stock as somebody with pencil and paper would keep it.
    private struct Ledger {
        struct Line {
            var quantity: Int64
            var until: Int64
        }
        var onHand: Int64 = 0
        var held: [Int: Line] = [:]
        var used: Set<Int> = []
        /// Sold: what was counted off; nil when it is back.
        var sold: [Int: Int64?] = [:]

        func available(_ second: Int64) -> Int64 {
            held.values.reduce(onHand) { $1.until > second ? $0 - $1.quantity : $0 }
        }
    }

    /// Whatever is asked at whatever time: it is as in the ledger, never below zero on hand, what is sold once is
    /// counted off once and comes back once, and replaying the stored payloads gives the
    /// state that was in memory, at every version.
    @Test func anySequenceIsAsInTheLedgerAndReplays() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<40 {
            var (stock, ledger, replayed, second) = (Stock(), Ledger(), Inventory(), Int64(1000))
            stock.now = at(second)
            _ = try stock.adjust(50)
            ledger.onHand = 50
            for _ in 0..<80 {
                second += Int64.random(in: 0...3, using: &random)
                stock.now = at(second)
                let id = Int.random(in: 0..<25, using: &random)
                let free = ledger.available(second)
                switch Int.random(in: 0..<9, using: &random) {
                case 0:
                    let delta = Int32.random(in: -30...40, using: &random)
                    guard case .success = try stock.adjust(delta) else {
                        #expect(delta == 0)
                        break
                    }
                    ledger.onHand += delta > 0 ? Int64(delta) : max(Int64(delta), -max(0, free))
                case 1:
                    let ended = ledger.used.contains(id) && ledger.held[id] == nil
                    let result = try stock.release("r\(id)")
                    #expect((ledger.held[id] != nil || ended) == (said(result) != "NOT_FOUND /reservationId"))
                    ledger.held[id] = nil
                case 2:
                    // Sold: also when the reservation is over, or never was.
                    let quantity = ledger.held[id].map { Int32($0.quantity) } ?? 3
                    let result = try stock.take("r\(id)", quantity, order: "o\(id)")
                    if ledger.sold[id] == nil {
                        let off = min(Int64(quantity), ledger.onHand)
                        ledger.sold[id] = .some(off)
                        ledger.onHand -= off
                        ledger.held[id] = nil
                        ledger.used.insert(id)
                        #expect(said(result).hasPrefix("ok ") && said(result) != "ok 0")
                    } else {
                        #expect(said(result) == "ok 0")
                    }
                case 3:
                    guard let off = ledger.sold[id] else { break }
                    let result = try stock.putBack("r\(id)", 3, order: "o\(id)")
                    #expect((said(result) == "ok 0") == (off == nil))
                    ledger.onHand += off ?? 0
                    ledger.sold[id] = .some(nil)
                default:
                    let quantity = Int32.random(in: 1...12, using: &random)
                    let until = second + Int64.random(in: 1...20, using: &random)
                    let isNew = !ledger.used.contains(id)
                    let before = ledger.held[id]
                    let result = try stock.reserve("r\(id)", quantity, order: "o\(id)", until: until)
                    if isNew {
                        #expect((Int64(quantity) <= free) == (said(result).hasPrefix("ok")))
                        if case .success = result {
                            ledger.used.insert(id)
                            ledger.held[id] = .init(quantity: Int64(quantity), until: until)
                        }
                    } else {
                        let same = before.map { $0.until > second && $0.quantity == Int64(quantity) && $0.until == until }
                        #expect(said(result) == (same == true ? "ok 0" : "ILLEGAL_STATE /reservationId"))
                    }
                }
                #expect(stock.available == ledger.available(second) && stock.state.onHand == ledger.onHand)
                #expect(stock.state.onHand >= 0 && (stock.available >= 0 || !ledger.sold.isEmpty))
                for (event, time, state) in stock.history {
                    let stored = Event(
                        id: EventId(high: 0, low: 0), type: event.type, timestamp: time, payload: event.payload,
                        metadata: Metadata())
                    replayed.apply(try #require(InventoryEvent(stored)), at: stored.timestamp)
                    #expect(replayed == state)
                }
                stock.history = []
                #expect(replayed == stock.state)
            }
        }
    }
}
