import Contracts

// `{"onHand","updatedAt" (microseconds),"reservations":[["id","order" or null,quantity,expiresAt],…],
// "ended":["id",…],"adjustments":["id",…],"taken":[["id",pieces],…],"returned":["id",…]}`. Reservations stand in the order in which their time is up, equal ones
// as they came; the remembered ids oldest first. All else follows from these.
extension Inventory {
    static var snapshotVersion: UInt32 { 2 }

    func snapshot() -> [UInt8]? {
        var json = JSONWriter<[UInt8]>([])
        json.sink.reserveCapacity(256 + 96 * reservations.count + 48 * (ended.count + adjustments.count + taken.count + returned.count))
        json.beginObject()
        json.name("onHand")
        json.integer(onHand)
        json.name("updatedAt")
        json.integer(updatedAt.microseconds)
        json.name("reservations")
        json.beginArray()
        for expiry in expiries {
            guard let reservation = reservations[expiry.reservation] else { continue }
            json.beginArray()
            json.string(expiry.reservation)
            if let order = reservation.order { json.string(order) } else { json.null() }
            json.integer(reservation.quantity)
            json.integer(reservation.expiresAt.microseconds)
            json.endArray()
        }
        json.endArray()
        json.name("ended")
        json.identifiers(ended)
        json.name("adjustments")
        json.identifiers(adjustments)
        json.name("taken")
        json.beginArray()
        for (id, pieces) in taken.oldestFirst {
            json.beginArray()
            json.string(id)
            json.integer(pieces)
            json.endArray()
        }
        json.endArray()
        json.name("returned")
        json.identifiers(returned)
        json.endObject()
        return json.sink
    }

    init?(snapshot text: Span<UInt8>, version: UInt64) {
        self.init()
        guard let tape = try? JSONTape(text), let onHand = tape.int64("onHand", of: 0, in: text),
            let updatedAt = tape.int64("updatedAt", of: 0, in: text),
            let list = tape.array("reservations", of: 0, in: text),
            tape.read("ended", into: &ended, text), tape.read("adjustments", into: &adjustments, text),
            tape.read("returned", into: &returned, text), let left = tape.array("taken", of: 0, in: text)
        else { return nil }
        self.onHand = onHand
        self.updatedAt = Timestamp(microseconds: updatedAt)
        var at = list + 1
        while at < tape.next(list) {
            guard tape.isArray(at, of: 4), let id = tape.identifier(at + 1, in: text), reservations[id] == nil,
                let quantity = tape.integer(at + 3, in: text).flatMap({ Int32(exactly: $0) }),
                let expiresAt = tape.integer(at + 4, in: text)
            else { return nil }
            let order = tape.identifier(at + 2, in: text)
            guard order != nil || tape[at + 2].kind == .null else { return nil }
            hold(id, Reservation(order: order, quantity: quantity, expiresAt: Timestamp(microseconds: expiresAt)))
            at = tape.next(at)
        }
        at = left + 1
        while at < tape.next(left) {
            guard tape.isArray(at, of: 2), let id = tape.identifier(at + 1, in: text),
                let pieces = tape.integer(at + 2, in: text)
            else { return nil }
            taken[id] = pieces
            at = tape.next(at)
        }
        self.version = version
    }
}

extension JSONWriter {
    fileprivate mutating func identifiers(_ recent: RecentIdentifiers) {
        beginArray()
        for id in recent.oldestFirst { string(id) }
        endArray()
    }
}

extension JSONTape {
    /// False when the member is missing or something else.
    fileprivate func read(_ name: StaticString, into recent: inout RecentIdentifiers, _ text: Span<UInt8>) -> Bool {
        guard let list = array(name, of: 0, in: text) else { return false }
        var at = list + 1
        while at < next(list) {
            guard let id = identifier(at, in: text) else { return false }
            recent.insert(id)
            at = next(at)
        }
        return true
    }
}
