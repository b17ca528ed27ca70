import Exchanges

/// The values that `enum` and `const` list.
struct JSONPermitted: Sendable {
    /// null, true and false.
    private(set) var words: Set<JSONTape.Kind> = []
    /// Sorted, like `texts`: a look takes as many steps as the list's length has bits.
    private(set) var integers: [Int64] = []
    private(set) var texts: [[UInt8]] = []
    /// Other numbers, arrays and objects.
    private(set) var others: Set<JSONDigest> = []

    init(_ items: [Int], _ tape: JSONTape, _ text: Span<UInt8>) {
        for item in items {
            switch tape[item].kind {
            case .null, .true, .false: words.insert(tape[item].kind)
            case .string: texts.append(tape.string(item, in: text))
            case .number:
                if let integer = tape.integer(item, in: text) { integers.append(integer) } else { others.insert(JSONDigest(tape, item, text)) }
            case .array, .object: others.insert(JSONDigest(tape, item, text))
            }
        }
        integers.sort()
        texts.sort { $0.lexicographicallyPrecedes($1) }
    }

    /// Is the value at `at` listed?
    func contains(_ at: Int, _ tape: JSONTape, _ text: Span<UInt8>) -> Bool {
        let raw = text.extracting(tape[at].text.range)
        switch tape[at].kind {
        case .null, .true, .false: return words.contains(tape[at].kind)
        case .string: return tape[at].escaped ? contains(JSONString.unescaped(raw).span) : contains(raw)
        case .number:
            if let integer = JSONNumber.integer(raw) { return contains(integer) }
            return !others.isEmpty && others.contains(JSONDigest(tape, at, text))
        case .array, .object: return !others.isEmpty && others.contains(JSONDigest(tape, at, text))
        }
    }

    private func contains(_ integer: Int64) -> Bool {
        var (low, high) = (0, integers.count)
        while low < high {
            let middle = (low + high) / 2
            if integers[middle] == integer { return true }
            if integers[middle] < integer { low = middle + 1 } else { high = middle }
        }
        return false
    }

    private func contains(_ bytes: Span<UInt8>) -> Bool {
        var (low, high) = (0, texts.count)
        while low < high {
            let middle = (low + high) / 2
            let order = bytes.compared(to: texts[middle])
            if order == 0 { return true }
            if order > 0 { low = middle + 1 } else { high = middle }
        }
        return false
    }
}

extension Span<UInt8> {
    func isEqual(to other: [UInt8]) -> Bool {
        guard count == other.count else { return false }
        for i in other.indices where self[i] != other[i] { return false }
        return true
    }

    /// Less than 0, 0 or more: byte by byte, as the order of scalars is.
    func compared(to other: [UInt8]) -> Int {
        for i in 0..<Swift.min(count, other.count) where self[i] != other[i] { return self[i] < other[i] ? -1 : 1 }
        return count - other.count
    }
}
