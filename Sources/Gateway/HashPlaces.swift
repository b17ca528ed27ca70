import Policies

/// A Maglev table (Eisenbud et al., NSDI 2016): from a hash to an endpoint in one look-up, with equal
/// shares, and with few keys moved when endpoints come or go. Built from names in sorted order, so that
/// every worker, and every gateway with the same endpoints, has the same table.
///
/// An endpoint that is only away for a while stays in the table; its keys try their next places
/// meanwhile, and nobody else's key moves.
struct HashPlaces {
    /// Places a key may try before the choice falls to the load alone.
    static let attempts = 16
    /// Primes, so that every step visits every slot; at least a hundred slots an endpoint keep shares
    /// within a few percent.
    private static let sizes = [251, 1021, 4093, 16_381, 65_521, 262_139, 1_048_573]

    private var slots: [UInt32] = []

    init() {}

    init(_ names: [[UInt8]]) {
        guard !names.isEmpty else { return }
        let size = Self.sizes.first { $0 >= names.count * 100 } ?? Self.sizes[Self.sizes.count - 1]
        let order = names.indices.sorted { names[$0].lexicographicallyPrecedes(names[$1]) }
        var at: [Int] = []
        var step: [Int] = []
        for number in order {
            let name = names[number]
            let hash = Self.hash(name.span)
            at.append(Int(hash % UInt64(size)))
            step.append(Int(Self.mix(hash, 1) % UInt64(size - 1)) + 1)
        }
        slots = Array(repeating: .max, count: size)
        var filled = 0
        while filled < size {
            for (i, number) in order.enumerated() where filled < size {
                while slots[at[i]] != .max { at[i] = (at[i] + step[i]) % size }
                slots[at[i]] = UInt32(number)
                filled += 1
            }
        }
    }

    /// The endpoint a key finds at its `attempt`th try.
    @inline(__always) func place(_ hash: UInt64, _ attempt: Int) -> Int {
        Int(slots[Int(Self.mix(hash, UInt64(attempt)) % UInt64(slots.count))])
    }

    /// SipHash with a fixed key: the same in every process, which is what affinity is for. A client that
    /// searches for keys with one place is stopped by the bound on the load, not by secrecy.
    private static let fixed = KeyedHash(0x6e65_7875_735f_6b65, 0x795f_706c_6163_6573)
    static func hash(_ bytes: borrowing Span<UInt8>) -> UInt64 { fixed(bytes) }
    static func hash(_ high: UInt64, _ low: UInt64) -> UInt64 { fixed(high, low) }

    /// A different hash for each `round` (the finisher of SplitMix64, Steele et al. 2014).
    @inline(__always) static func mix(_ hash: UInt64, _ round: UInt64) -> UInt64 {
        var z = hash &+ round &* 0x9e37_79b9_7f4a_7c15
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
