import Contracts
import Exchanges

/// A product's stock; its id is the product's. State is the fold of its events, nothing else.
///
/// A reservation counts until it is released or its time is up. When its time is up it stops counting by
/// itself, at once and without an event; the event (released, because expired) comes with the next
/// command that changes the aggregate.
public struct Inventory: Aggregate, Equatable {
    public static let type = "Inventory"
    /// Held at the same time.
    public static let mostReservations = 10_000
    /// Ended reservations, and adjustments with an id, by which a repetition is known.
    public static let mostRemembered = 1000
    /// Pieces on hand: what a JSON number holds exactly.
    public static let mostPieces: Int64 = 1 << 53

    public struct Reservation: Sendable, Equatable {
        public var order: Identifier?
        /// At least 1.
        public var quantity: Int32
        public var expiresAt: Timestamp
    }

    /// A held reservation in the order in which their time is up.
    struct Expiry: Sendable, Equatable {
        var at: Timestamp
        var reservation: Identifier
        var quantity: Int32
    }

    /// In the house, the reserved ones included. Below zero only where the rules allow it.
    public internal(set) var onHand: Int64 = 0
    /// Held, some of them perhaps expired.
    public private(set) var reservations: [Identifier: Reservation] = [:]
    private(set) var expiries: [Expiry] = []
    /// Sum of the quantities held.
    private var held: Int64 = 0
    var ended = RecentIdentifiers(most: Inventory.mostRemembered)
    var adjustments = RecentIdentifiers(most: Inventory.mostRemembered)
    /// What left, by reservation: the pieces that were counted off.
    var taken = RecentPieces(most: Inventory.mostRemembered)
    /// Reservations whose goods came back.
    var returned = RecentIdentifiers(most: Inventory.mostRemembered)
    /// Of the last event.
    public internal(set) var updatedAt = Timestamp(microseconds: 0)
    /// Of its last event; 0 for a product whose stock nobody ever reported.
    public internal(set) var version: UInt64 = 0

    public init() {}

    var cost: Int { 512 + 384 * reservations.count + 192 * (ended.count + adjustments.count + taken.count + returned.count) }

    /// Pieces promised at an instant.
    public func reserved(at now: Timestamp) -> Int64 {
        expired(at: now).reduce(held) { $0 - Int64($1.quantity) }
    }

    /// Pieces that may be promised at an instant; below zero when more is promised than there is.
    public func available(at now: Timestamp) -> Int64 { onHand - reserved(at: now) }

    /// Has this reservation ended, as far as is remembered?
    func hasEnded(_ reservation: Identifier) -> Bool { ended.contains(reservation) }

    /// Was this adjustment made, as far as is remembered?
    func hasAdjusted(_ eventId: Identifier) -> Bool { adjustments.contains(eventId) }

    /// Held reservations whose time is up, the longest ago first.
    func reservationsExpired(at now: Timestamp, most: Int) -> [Identifier] {
        expired(at: now).prefix(most).map(\.reservation)
    }

    private func expired(at now: Timestamp) -> ArraySlice<Expiry> { expiries.prefix { $0.at <= now } }

    // MARK: - Fold

    public mutating func apply(_ event: InventoryEvent, at instant: Timestamp) {
        version += 1
        updatedAt = instant
        switch event {
        case .stockAdjusted(_, let applied, _, let eventId):
            count(applied)
            if let eventId { adjustments.insert(eventId) }
        case .reserved(let id, let order, let quantity, let expiresAt):
            forget(id)
            hold(id, Reservation(order: order, quantity: quantity, expiresAt: expiresAt))
        case .released(let id, _, _, _):
            forget(id)
            ended.insert(id)
        case .taken(let id, _, _, let applied):
            forget(id)
            ended.insert(id)
            taken[id] = applied
            count(0 &- max(applied, -.max))
        case .returned(let id, _, _, let applied):
            returned.insert(id)
            count(applied)
        }
    }

    private mutating func count(_ pieces: Int64) {
        let (sum, overflow) = onHand.addingReportingOverflow(pieces)
        onHand = overflow ? (pieces < 0 ? .min : .max) : sum
    }

    /// Takes in a reservation that is not held.
    mutating func hold(_ id: Identifier, _ reservation: Reservation) {
        reservations[id] = reservation
        let expiry = Expiry(at: reservation.expiresAt, reservation: id, quantity: reservation.quantity)
        expiries.insert(expiry, at: place(after: reservation.expiresAt))
        held += Int64(reservation.quantity)
    }

    private mutating func forget(_ id: Identifier) {
        guard let reservation = reservations.removeValue(forKey: id) else { return }
        held -= Int64(reservation.quantity)
        var at = place(after: reservation.expiresAt) - 1
        while at >= 0 && expiries[at].reservation != id { at -= 1 }
        if at >= 0 { expiries.remove(at: at) }
    }

    /// Where the expiries after an instant begin.
    private func place(after instant: Timestamp) -> Int {
        var (low, high) = (0, expiries.count)
        while low < high {
            let middle = (low + high) / 2
            if expiries[middle].at <= instant { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: - Answer

    /// What is available is 0 when more is promised than there is.
    ///
    /// `{"productId","onHand","reserved","available","updatedAt","version"}`
    public func body(of product: Identifier, at now: Timestamp) throws(Refusal) -> [UInt8] {
        guard version > 0 else { throw Inventory.unknown }
        let reserved = reserved(at: now)
        var json = JSONWriter<[UInt8]>([])
        json.sink.reserveCapacity(192)
        json.beginObject()
        json.name("productId")
        json.string(product)
        json.name("onHand")
        json.integer(onHand)
        json.name("reserved")
        json.integer(reserved)
        json.name("available")
        json.integer(max(0, onHand - reserved))
        json.name("updatedAt")
        json.string(utf8: updatedAt.description.utf8Span.span)
        json.name("version")
        json.integer(version)
        json.endObject()
        return json.sink
    }

    static let unknown = Refusal(.notFound, "nobody has reported stock of this product", field: "/productId")
}
