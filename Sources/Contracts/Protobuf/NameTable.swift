import Exchanges

/// Names looked up by their bytes: open addressing over a table built once, so that a look-up hashes,
/// compares and allocates nothing. Names chosen to collide cannot come from outside: only look-ups do.
struct NameTable: Sendable {
    struct Slot: Sendable, BitwiseCopyable {
        /// In the schema's text.
        var name: Slice
        var hash: UInt32
        /// -1 when the slot is free.
        var value: Int32
    }

    /// One table's part of `slots`; the size is a power of two, at most half of it used.
    struct Range: Sendable, BitwiseCopyable {
        var start: UInt32
        var mask: UInt32
        static let none = Range(start: 0, mask: 0)
    }

    private(set) var slots: [Slot] = [Slot(name: .none, hash: 0, value: -1)]

    /// Adds a table; the first of two equal names stays.
    mutating func add(_ names: [(name: Slice, value: Int32)], _ text: [UInt8]) -> Range {
        guard !names.isEmpty else { return .none }
        var size = 4
        while size < 2 * names.count { size *= 2 }
        let range = Range(start: UInt32(slots.count), mask: UInt32(size - 1))
        slots.append(contentsOf: repeatElement(Slot(name: .none, hash: 0, value: -1), count: size))
        for (name, value) in names {
            let bytes = text.span.extracting(name.range)
            guard find(bytes, in: range, text) < 0 else { continue }
            let hash = Self.hash(bytes)
            var at = hash & range.mask
            while slots[Int(range.start + at)].value >= 0 { at = (at + 1) & range.mask }
            slots[Int(range.start + at)] = Slot(name: name, hash: hash, value: value)
        }
        return range
    }

    /// The value of `name`, or -1.
    func find(_ name: Span<UInt8>, in range: Range, _ text: [UInt8]) -> Int32 {
        let hash = Self.hash(name)
        var at = hash & range.mask
        while true {
            let slot = slots[Int(range.start &+ at)]
            if slot.value < 0 { return -1 }
            if slot.hash == hash, text.holds(name, at: slot.name) { return slot.value }
            at = (at &+ 1) & range.mask
        }
    }

    private static func hash(_ bytes: Span<UInt8>) -> UInt32 {
        var hash = UInt32(truncatingIfNeeded: bytes.count)
        for i in 0..<bytes.count { hash = (hash ^ UInt32(bytes[i])) &* 0x0100_0193 }
        return hash ^ hash >> 15
    }
}

extension Span where Element == UInt8 {
    /// Equal to `other`, byte for byte.
    func equals(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        var i = 0
        while i < count {
            if self[i] != other[i] { return false }
            i &+= 1
        }
        return true
    }
}

/// The schema's text: an array, because a span of a class's property cannot be kept beyond one call.
extension [UInt8] {
    @inline(__always) func holds(_ name: Span<UInt8>, at slice: Slice) -> Bool {
        slice.count == name.count && span.extracting(slice.range).equals(name)
    }

    @inline(__always) func append(_ slice: Slice, to out: Buffer) { out.append(slice, of: span) }

    func copy(_ slice: Slice) -> [UInt8] { span.extracting(slice.range).bytes }

    func string(_ slice: Slice) -> String { span.extracting(slice.range).text }
}
