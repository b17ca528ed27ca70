import Exchanges

/// What a JSON value is, whatever way it is written: equal values have equal digests, whatever the order of members, the
/// escapes and the spelling of numbers. Others differ but for one case in 2^128: the digest is keyed with the process's random
/// seed (SipHash, twice), so whoever sends values cannot look for two that meet.
struct JSONDigest: Hashable, Sendable {
    private var low: UInt64
    private var high: UInt64

    /// Of the value at `at`. Goes as deep as the value, which the tape has bounded; takes time in proportion to its text.
    init(_ tape: JSONTape, _ at: Int, _ text: Span<UInt8>) {
        var sum = Sum(tape[at].kind.rawValue)
        switch tape[at].kind {
        case .null, .true, .false: break
        case .number: sum.add(number: text.extracting(tape[at].text.range))
        case .string:
            let raw = text.extracting(tape[at].text.range)
            if tape[at].escaped { sum.add(JSONString.unescaped(raw).span) } else { sum.add(raw) }
        case .array:
            var item = at + 1
            while item < tape.next(at) {
                sum.add(JSONDigest(tape, item, text))
                item = tape.next(item)
            }
        case .object:
            // Added up: the order makes no difference.
            var (low, high) = (0 as UInt64, 0 as UInt64)
            var name = at + 1
            while name < tape.next(at) {
                var member = Sum(7)
                member.add(JSONDigest(tape, name, text))
                member.add(JSONDigest(tape, name + 1, text))
                let digest = member.digest
                low &+= digest.low
                high &+= digest.high
                name = tape.next(name + 1)
            }
            sum.add(JSONDigest(low: low, high: high))
        }
        self = sum.digest
    }

    private init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// Two hashes of the same.
    private struct Sum {
        private var first = Hasher()
        private var second = Hasher()

        init(_ kind: UInt8) {
            second.combine(0x5EED as UInt64)
            add(UInt64(kind))
        }

        mutating func add(_ word: UInt64) {
            first.combine(word)
            second.combine(word)
        }

        mutating func add(_ digest: JSONDigest) {
            add(digest.low)
            add(digest.high)
        }

        mutating func add(_ bytes: Span<UInt8>) {
            add(UInt64(bytes.count))
            var at = 0
            var word: UInt64 = 0
            while at < bytes.count {
                word = word << 8 | UInt64(bytes[at])
                at += 1
                if at & 7 == 0 { add(word) }
            }
            if at & 7 != 0 { add(word & (1 << UInt64((at & 7) * 8) - 1)) }
        }

        mutating func add(number text: Span<UInt8>) {
            let decimal = JSONDecimal(text)
            add(decimal.isNegative ? 1 : 0)
            add(UInt64(bitPattern: Int64(decimal.magnitude)))
            var sum = self
            decimal.forEachDigit(in: text) { sum.add(UInt64($0)) }
            self = sum
        }

        var digest: JSONDigest { JSONDigest(low: UInt64(bitPattern: Int64(first.finalize())), high: UInt64(bitPattern: Int64(second.finalize()))) }
    }
}
