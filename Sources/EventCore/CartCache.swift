/// The carts in memory: least recently used ones go first. Confined to the log's thread.
///
/// Evicting is a step of its own (`trim`), taken when every event is committed: a cart that is ahead
/// of the store must not be forgotten.
struct CartCache {
    private struct Slot {
        var id: Identifier
        var cart: Cart
        /// Counted into `cost`.
        var cost: Int
        var older: Int
        var newer: Int
    }

    private static let none = -1

    private var slots: [Slot] = []
    private var vacant: [Int] = []
    private var places: [Identifier: Int] = [:]
    private var newest = CartCache.none
    private var oldest = CartCache.none
    /// Bytes, about.
    private(set) var cost = 0

    let mostCarts: Int
    let mostBytes: Int

    init(mostCarts: Int, mostBytes: Int) {
        self.mostCarts = mostCarts
        self.mostBytes = mostBytes
    }

    var count: Int { places.count }

    subscript(_ place: Int) -> Cart { slots[place].cart }

    /// The cart's place, now the most recently used; nil when it is not in memory.
    mutating func find(_ id: Identifier) -> Int? {
        guard let place = places[id] else { return nil }
        if place != newest {
            unlink(place)
            link(place)
        }
        return place
    }

    /// Takes in a cart that is not in memory.
    mutating func insert(_ id: Identifier, _ cart: Cart) -> Int {
        let slot = Slot(id: id, cart: cart, cost: cart.cost, older: CartCache.none, newer: CartCache.none)
        cost += slot.cost
        let place: Int
        if let free = vacant.popLast() {
            slots[free] = slot
            place = free
        } else {
            place = slots.count
            slots.append(slot)
        }
        places[id] = place
        link(place)
        return place
    }

    mutating func apply(_ event: CartEvent, to place: Int) {
        slots[place].cart.apply(event)
        let now = slots[place].cart.cost
        cost += now - slots[place].cost
        slots[place].cost = now
    }

    /// Forgets a cart.
    mutating func evict(_ id: Identifier) {
        guard let place = places.removeValue(forKey: id) else { return }
        unlink(place)
        cost -= slots[place].cost
        slots[place].cart = Cart()
        vacant.append(place)
    }

    /// Forgets the least recently used until the bounds hold.
    mutating func trim() {
        while oldest != CartCache.none && (places.count > mostCarts || cost > mostBytes) {
            evict(slots[oldest].id)
        }
    }

    private mutating func link(_ place: Int) {
        slots[place].older = newest
        slots[place].newer = CartCache.none
        if newest != CartCache.none { slots[newest].newer = place } else { oldest = place }
        newest = place
    }

    private mutating func unlink(_ place: Int) {
        let (older, newer) = (slots[place].older, slots[place].newer)
        if older != CartCache.none { slots[older].newer = newer } else { oldest = newer }
        if newer != CartCache.none { slots[newer].older = older } else { newest = older }
    }
}
