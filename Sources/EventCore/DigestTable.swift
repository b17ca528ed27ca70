import Exchanges

/// Numbers by digests, in many small hash tables, each of which grows by itself. One table with a million entries takes as
/// long to double as hundreds of commands take altogether, and they would all wait for it.
///
/// A digest's own bits say where it stands, and the next free slot is taken when that one is: it is not hashed again, and
/// one line of memory is mostly all that is touched. Nobody who has not the digests' key can choose where they meet.
struct DigestTable: Sendable {
    private struct Slot: BitwiseCopyable {
        var key: RepeatKey.Digest
        /// 0 = the slot is free.
        var value: UInt64
    }

    private struct Part {
        /// A power of two of them; none before the first entry.
        var slots: [Slot] = []
        var count = 0

        private func home(_ key: RepeatKey.Digest) -> Int { Int(truncatingIfNeeded: key.low) & (slots.count - 1) }

        /// The slot of the key, or the free one where it would be. There are always free ones.
        func place(of key: RepeatKey.Digest) -> Int {
            var i = home(key)
            while slots[i].value != 0, slots[i].key != key { i = (i + 1) & (slots.count - 1) }
            return i
        }

        /// Three quarters full at most.
        mutating func makeRoom() {
            guard 4 * (count + 1) > 3 * slots.count else { return }
            let old = slots
            slots = [Slot](repeating: Slot(key: .init(high: 0, low: 0), value: 0), count: max(8, 2 * old.count))
            for slot in old where slot.value != 0 { slots[place(of: slot.key)] = slot }
        }

        /// Those behind it move up, as far as they are not at home, so that no gap parts them from it.
        mutating func free(_ place: Int) {
            let mask = slots.count - 1
            var (gap, i) = (place, place)
            while true {
                i = (i + 1) & mask
                guard slots[i].value != 0 else { break }
                guard (i - home(slots[i].key)) & mask >= (i - gap) & mask else { continue }
                slots[gap] = slots[i]
                gap = i
            }
            slots[gap].value = 0
            count -= 1
        }

        /// - Returns: what was there; 0 = nothing.
        mutating func set(_ key: RepeatKey.Digest, to value: UInt64) -> UInt64 {
            if value != 0 { makeRoom() }
            guard !slots.isEmpty else { return 0 }
            let place = place(of: key)
            let before = slots[place].value
            if value == 0 {
                if before != 0 { free(place) }
            } else {
                slots[place] = Slot(key: key, value: value)
                if before == 0 { count += 1 }
            }
            return before
        }
    }

    private static var parts: Int { 256 }
    private var parts = [Part](repeating: Part(), count: Self.parts)

    /// Other bits than those that say which slot.
    private func part(_ key: RepeatKey.Digest) -> Int { Int(truncatingIfNeeded: key.low >> 56) }

    /// Nil when it is not there.
    subscript(key: RepeatKey.Digest) -> UInt64? {
        let part = part(key)
        guard parts[part].count > 0 else { return nil }
        let value = parts[part].slots[parts[part].place(of: key)].value
        return value == 0 ? nil : value
    }

    /// - Parameter value: 0 = it leaves.
    /// - Returns: what was there; 0 = nothing.
    mutating func set(_ key: RepeatKey.Digest, to value: UInt64) -> UInt64 { parts[part(key)].set(key, to: value) }

    /// To what is not there as to 0; what comes to 0 leaves.
    mutating func add(_ n: Int, to key: RepeatKey.Digest) {
        _ = set(key, to: (self[key] ?? 0) &+ UInt64(bitPattern: Int64(n)))
    }
}
