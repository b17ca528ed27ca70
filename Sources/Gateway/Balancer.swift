import Settings

/// Chooses among the endpoints that are available, by number. Pure: whoever asks brings the random
/// numbers and the load. A choice allocates nothing and looks at a fixed number of endpoints.
struct Balancer {
    private(set) var selection = Selection()
    /// By number: may it be chosen?
    private var isMember: [Bool] = []
    private var rotation: Rotation
    private var table = HashPlaces()

    /// - Parameter start: where the rotation begins; different on each worker, so that they do not all
    ///   begin with the same endpoint.
    init(start: Int = 0) { rotation = Rotation(start: start) }

    /// Something changed about who may be chosen.
    mutating func adopt(_ selection: Selection, of count: Int) {
        if selection.members != self.selection.members { rotation.resize(selection.members.count) }
        self.selection = selection
        isMember = Array(repeating: false, count: count)
        for number in selection.members { isMember[number] = true }
    }

    /// The endpoints themselves changed; for the consistent hash.
    mutating func place(_ names: [[UInt8]]) { table = HashPlaces(names) }

    /// In turn; an endpoint that starts slowly misses some of its turns.
    mutating func roundRobin(avoiding: Int?) -> Int {
        let members = selection.members
        let chosen = members[rotation.next(selection.weights)]
        return chosen == avoiding && members.count > 1 ? members[rotation.next(selection.weights)] : chosen
    }

    /// The less busy of two different endpoints drawn at random (power of two choices).
    /// - Parameters:
    ///   - draw: a random number below its argument.
    ///   - active: exchanges in progress at an endpoint.
    @inline(__always)
    func leastRequest(avoiding: Int?, draw: (Int) -> Int, active: (Int) -> Int) -> Int {
        let n = selection.members.count
        let place = draw(n)
        // The second is counted round from the first.
        let other = (place + 1 + draw(n - 1)) % n
        let first = selection.members[place]
        let second = selection.members[other]
        if first == avoiding { return second }
        if second == avoiding { return first }
        let (winner, loser, weight, otherWeight) =
            active(first) <= active(second)
            ? (first, second, selection.weights[place], selection.weights[other])
            : (second, first, selection.weights[other], selection.weights[place])
        // One that starts slowly is passed over as often as its share is short of the other's.
        if weight < otherWeight && draw(Int(otherWeight)) >= Int(weight) { return loser }
        return winner
    }

    /// The key's own endpoint, or, while that one is away or has too much, the next of the key's own
    /// order: keys of the others stay where they are.
    /// - Parameter hasTooMuch: is the endpoint's load above the bound?
    @inline(__always)
    func byHash(_ hash: UInt64, avoiding: Int?, hasTooMuch: (Int) -> Bool) -> Int? {
        for attempt in 0..<HashPlaces.attempts {
            let number = table.place(hash, attempt)
            guard isMember[number], number != avoiding, !hasTooMuch(number) else { continue }
            let place = weightPlace(number)
            // Which keys an endpoint that starts slowly gets is the hash's decision too: they come one
            // after the other and stay.
            if selection.weights[place] < Selection.full,
                HashPlaces.mix(hash, UInt64(HashPlaces.attempts)) & 63 >= UInt64(selection.weights[place])
            {
                continue
            }
            return number
        }
        return nil
    }

    /// Where a member stands in `selection`; members are in ascending order.
    private func weightPlace(_ number: Int) -> Int {
        var low = 0
        var high = selection.members.count - 1
        while low < high {
            let middle = (low + high) / 2
            if selection.members[middle] < number { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Turns, fair by weight: at each visit an endpoint is given its weight, and it is chosen when it has
/// saved up a full one. With equal weights this is plain round robin.
struct Rotation {
    private var position: Int
    private var saved: [UInt8] = []

    init(start: Int) { position = start }

    mutating func resize(_ count: Int) { saved = Array(repeating: 0, count: count) }

    /// The place of the next one. At least one weight is full, so a round finds somebody.
    mutating func next(_ weights: [UInt8]) -> Int {
        let n = weights.count
        while true {
            position = position + 1 < n ? position + 1 : 0
            let sum = saved[position] + weights[position]
            if sum >= Selection.full {
                saved[position] = sum - Selection.full
                return position
            }
            saved[position] = sum
        }
    }
}
