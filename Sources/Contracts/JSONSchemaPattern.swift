/// A regular expression as JSON Schema has them: the part of ECMA-262 without look-around, references and lazy
/// repetition. Matching takes time in proportion to text times pattern, whatever they are: all ways are followed at
/// once (Thompson, 1968), none is tried and taken back.
struct JSONSchemaPattern: Sendable {
    struct Malformed: Error, Equatable { var message: String }

    enum Step: Sendable, Equatable {
        /// One scalar of the set.
        case set(ScalarSet)
        case jump(Int)
        case split(Int, Int)
        case start
        case end
        case match
    }

    static let mostSteps = 2000

    private let program: [Step]
    /// `^[set]+$` and its like, by far the most common: one look at each scalar.
    private let run: (set: ScalarSet, range: ClosedRange<Int>)?
    /// It begins with `^`, which is not one of several alternatives.
    private let isAnchored: Bool

    init(_ text: String) throws(Malformed) {
        var parser = JSONSchemaPatternParser(text)
        let piece = try parser.parse()
        run = JSONSchemaPattern.run(piece)
        if case .sequence(let parts) = piece, case .start? = parts.first { isAnchored = true } else { isAnchored = false }
        var program: [Step] = []
        try piece.emit(into: &program)
        program.append(.match)
        self.program = program
    }

    private static func run(_ piece: JSONSchemaPatternPiece) -> (set: ScalarSet, range: ClosedRange<Int>)? {
        guard case .sequence(let parts) = piece, parts.count == 3, case .start = parts[0], case .end = parts[2],
            case .repeated(.set(let set), let least, let most) = parts[1]
        else { return nil }
        return (set, least...(most ?? .max))
    }

    /// Is there a match anywhere in the text, which is valid UTF-8? What it costs is taken off `findings`; when that is
    /// used up the answer is no.
    func matches(_ text: Span<UInt8>, _ findings: inout JSONSchemaFindings) -> Bool {
        findings.spend(text.count >> 6)
        if let run {
            var at = 0
            var count = 0
            while at < text.count {
                guard run.set.contains(JSONSchemaPattern.scalar(text, &at)) else { return false }
                count &+= 1
            }
            return run.range.contains(count)
        }
        var threads = Threads(program.count)
        var next = Threads(program.count)
        var at = 0
        while true {
            // A match may begin anywhere.
            if threads.follow(0, program, isStart: at == 0, isEnd: at == text.count) { return true }
            guard at < text.count else { return false }
            findings.spend((threads.work >> 5) + (at & 31 == 0 ? 1 : 0))
            guard findings.left > 0 else { return false }
            let scalar = JSONSchemaPattern.scalar(text, &at)
            next.clear()
            for i in threads.steps.indices {
                let step = threads.steps[i]
                guard case .set(let set) = program[step], set.contains(scalar) else { continue }
                if next.follow(step + 1, program, isStart: false, isEnd: at == text.count) { return true }
            }
            // Nothing is on its way, and what can only begin at the start cannot begin any more.
            if isAnchored && next.steps.isEmpty { return false }
            swap(&threads, &next)
        }
    }

    /// The places in the program that are reached, each once.
    private struct Threads {
        private(set) var steps: [Int] = []
        /// Steps that were followed since the last `clear`.
        private(set) var work = 0
        /// The round in which each step was reached last.
        private var seen: [UInt32]
        private var round: UInt32 = 1
        private var waiting: [Int] = []

        init(_ count: Int) { seen = [UInt32](repeating: 0, count: count) }

        mutating func clear() {
            steps.removeAll(keepingCapacity: true)
            work = 0
            round &+= 1
        }

        /// Adds what is reached from a step without a scalar; true when that is the end of the program.
        mutating func follow(_ first: Int, _ program: [Step], isStart: Bool, isEnd: Bool) -> Bool {
            waiting.removeAll(keepingCapacity: true)
            waiting.append(first)
            while let step = waiting.popLast() {
                guard seen[step] != round else { continue }
                seen[step] = round
                work &+= 1
                switch program[step] {
                case .set: steps.append(step)
                case .jump(let to): waiting.append(to)
                case .split(let a, let b):
                    waiting.append(b)
                    waiting.append(a)
                case .start: if isStart { waiting.append(step + 1) }
                case .end: if isEnd { waiting.append(step + 1) }
                case .match: return true
                }
            }
            return false
        }
    }

    /// The scalar at `at`, which moves behind it.
    @inline(__always) private static func scalar(_ text: Span<UInt8>, _ at: inout Int) -> UInt32 {
        let first = text[at]
        at &+= 1
        if first < 0x80 { return UInt32(first) }
        let more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1
        var scalar = UInt32(first) & (0x3F >> UInt32(more))
        for _ in 0..<more where at < text.count {
            scalar = scalar << 6 | UInt32(text[at] & 0x3F)
            at &+= 1
        }
        return scalar
    }
}

/// Unicode scalars: ASCII as bits, the others as ranges.
struct ScalarSet: Sendable, Equatable {
    private var low: UInt64 = 0
    private var high: UInt64 = 0
    private var others: [ClosedRange<UInt32>] = []
    private static let last: UInt32 = 0x10FFFF

    @inline(__always) func contains(_ scalar: UInt32) -> Bool {
        if scalar < 64 { return low & 1 << UInt64(scalar) != 0 }
        if scalar < 128 { return high & 1 << UInt64(scalar - 64) != 0 }
        return others.contains { $0.contains(scalar) }
    }

    mutating func insert(_ range: ClosedRange<UInt32>) {
        var scalar = range.lowerBound
        while scalar < 128 && scalar <= range.upperBound {
            if scalar < 64 { low |= 1 << UInt64(scalar) } else { high |= 1 << UInt64(scalar - 64) }
            scalar += 1
        }
        if range.upperBound >= 128 { others.append(max(128, range.lowerBound)...range.upperBound) }
    }

    mutating func formUnion(_ other: ScalarSet) {
        low |= other.low
        high |= other.high
        others += other.others
    }

    var inverted: ScalarSet {
        var result = ScalarSet()
        result.low = ~low
        result.high = ~high
        var from: UInt32 = 128
        for range in others.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > from { result.others.append(from...range.lowerBound - 1) }
            from = max(from, range.upperBound + 1)
        }
        if from <= ScalarSet.last { result.others.append(from...ScalarSet.last) }
        return result
    }
}
