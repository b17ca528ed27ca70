/// A pattern as it is written.
indirect enum JSONSchemaPatternPiece {
    case set(ScalarSet)
    case start
    case end
    case sequence([JSONSchemaPatternPiece])
    case choice([JSONSchemaPatternPiece])
    /// `most` nil = without bound.
    case repeated(JSONSchemaPatternPiece, least: Int, most: Int?)

    /// Its steps, behind those there are.
    func emit(into program: inout [JSONSchemaPattern.Step]) throws(JSONSchemaPattern.Malformed) {
        guard program.count < JSONSchemaPattern.mostSteps else { throw .init(message: "it is too large") }
        switch self {
        case .set(let set): program.append(.set(set))
        case .start: program.append(.start)
        case .end: program.append(.end)
        case .sequence(let pieces): for piece in pieces { try piece.emit(into: &program) }
        case .choice(let pieces):
            var jumps: [Int] = []
            for (i, piece) in pieces.enumerated() {
                guard i < pieces.count - 1 else {
                    try piece.emit(into: &program)
                    break
                }
                let split = program.count
                program.append(.jump(0))
                try piece.emit(into: &program)
                jumps.append(program.count)
                program.append(.jump(0))
                program[split] = .split(split + 1, program.count)
            }
            for jump in jumps { program[jump] = .jump(program.count) }
        case .repeated(let piece, let least, let most):
            for _ in 0..<least { try piece.emit(into: &program) }
            guard let most else {
                let split = program.count
                program.append(.jump(0))
                try piece.emit(into: &program)
                program.append(.jump(split))
                program[split] = .split(split + 1, program.count)
                return
            }
            var splits: [Int] = []
            for _ in least..<most {
                splits.append(program.count)
                program.append(.jump(0))
                try piece.emit(into: &program)
            }
            for split in splits { program[split] = .split(split + 1, program.count) }
        }
    }
}

/// Reads `|`, `*`, `+`, `?`, `{n,m}`, `( )`, `(?: )`, `[ ]`, `.`, `^`, `$`, `\d \w \s` and their opposites, escapes.
struct JSONSchemaPatternParser {
    typealias Malformed = JSONSchemaPattern.Malformed
    typealias Piece = JSONSchemaPatternPiece

    private let scalars: [UInt32]
    private var at = 0
    private var depth = 0
    private static let deepest = 20
    private static let mostRepeated = 1000

    init(_ text: String) { scalars = text.unicodeScalars.map(\.value) }

    mutating func parse() throws(Malformed) -> Piece {
        let piece = try choice()
        guard at == scalars.count else { throw Malformed(message: "a ) without its (") }
        return piece
    }

    private func isNext(_ character: Unicode.Scalar) -> Bool { at < scalars.count && scalars[at] == character.value }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard isNext(character) else { return false }
        at += 1
        return true
    }

    private mutating func choice() throws(Malformed) -> Piece {
        var pieces = [try sequence()]
        while take("|") { pieces.append(try sequence()) }
        return pieces.count == 1 ? pieces[0] : .choice(pieces)
    }

    private mutating func sequence() throws(Malformed) -> Piece {
        var pieces: [Piece] = []
        while at < scalars.count && !isNext("|") && !isNext(")") { pieces.append(try repetition()) }
        return .sequence(pieces)
    }

    private mutating func repetition() throws(Malformed) -> Piece {
        let piece = try atom()
        let bounds: (Int, Int?)
        if take("*") { bounds = (0, nil) } else if take("+") { bounds = (1, nil) } else if take("?") { bounds = (0, 1) } else if take("{") {
            let least = try number()
            var most: Int? = least
            if take(",") { most = isNext("}") ? nil : try number() }
            guard take("}"), most.map({ $0 >= max(least, 1) }) ?? true else { throw Malformed(message: "not a repetition") }
            bounds = (least, most)
        } else {
            return piece
        }
        switch piece {
        case .start, .end: throw Malformed(message: "an anchor cannot be repeated")
        default: break
        }
        guard !isNext("?"), !isNext("*"), !isNext("+"), !isNext("{") else {
            throw Malformed(message: "lazy or repeated repetitions are not known")
        }
        return .repeated(piece, least: bounds.0, most: bounds.1)
    }

    private mutating func number() throws(Malformed) -> Int {
        var value = 0
        let begin = at
        while at < scalars.count, scalars[at] >= 48, scalars[at] <= 57, value <= JSONSchemaPatternParser.mostRepeated {
            value = value * 10 + Int(scalars[at] - 48)
            at += 1
        }
        guard at > begin, value <= JSONSchemaPatternParser.mostRepeated else { throw Malformed(message: "not a repetition") }
        return value
    }

    private mutating func atom() throws(Malformed) -> Piece {
        let scalar = scalars[at]
        at += 1
        switch Unicode.Scalar(scalar) {
        case "^": return .start
        case "$": return .end
        case "(":
            if take("?") {
                guard take(":") else { throw Malformed(message: "look-around and names are not known") }
            }
            depth += 1
            guard depth <= JSONSchemaPatternParser.deepest else { throw Malformed(message: "nested too deeply") }
            let piece = try choice()
            guard take(")") else { throw Malformed(message: "a ( without its )") }
            depth -= 1
            // Repeated often enough, nothing takes for ever.
            if case .sequence(let pieces) = piece, pieces.isEmpty { throw Malformed(message: "an empty group") }
            return piece
        case "[": return .set(try bracket())
        case ".":
            var lines = ScalarSet()
            for scalar in [0x0A, 0x0D, 0x2028, 0x2029] as [UInt32] { lines.insert(scalar...scalar) }
            return .set(lines.inverted)
        case "\\": return .set(try escape().set)
        case "*", "+", "?", "{", "}", "]": throw Malformed(message: "a character that needs a \\")
        default: return .set(single(scalar))
        }
    }

    private func single(_ scalar: UInt32) -> ScalarSet {
        var set = ScalarSet()
        set.insert(scalar...scalar)
        return set
    }

    private mutating func bracket() throws(Malformed) -> ScalarSet {
        let isInverted = take("^")
        var set = ScalarSet()
        while !take("]") {
            let low = try member()
            guard isNext("-"), at + 1 < scalars.count, scalars[at + 1] != 0x5D else {
                set.formUnion(low.set)
                continue
            }
            at += 1
            let high = try member()
            guard let from = low.scalar, let through = high.scalar, from <= through else {
                throw Malformed(message: "not a range of characters")
            }
            set.insert(from...through)
        }
        return isInverted ? set.inverted : set
    }

    /// In brackets: a character, or several.
    private mutating func member() throws(Malformed) -> (set: ScalarSet, scalar: UInt32?) {
        guard at < scalars.count else { throw Malformed(message: "a [ without its ]") }
        let scalar = scalars[at]
        at += 1
        return scalar == 0x5C ? try escape() : (single(scalar), scalar)
    }

    /// After a backslash.
    private mutating func escape() throws(Malformed) -> (set: ScalarSet, scalar: UInt32?) {
        guard at < scalars.count else { throw Malformed(message: "nothing after \\") }
        let scalar = scalars[at]
        at += 1
        func one(_ scalar: UInt32) -> (set: ScalarSet, scalar: UInt32?) { (single(scalar), scalar) }
        func several(_ ranges: [ClosedRange<UInt32>], inverted: Bool) -> (set: ScalarSet, scalar: UInt32?) {
            var set = ScalarSet()
            for range in ranges { set.insert(range) }
            return (inverted ? set.inverted : set, nil)
        }
        switch Unicode.Scalar(scalar) {
        case "d", "D": return several([48...57], inverted: scalar == 68)
        case "w", "W": return several([48...57, 65...90, 95...95, 97...122], inverted: scalar == 87)
        case "s", "S":
            let spaces: [ClosedRange<UInt32>] = [
                9...13, 32...32, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029, 0x202F...0x202F,
                0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
            ]
            return several(spaces, inverted: scalar == 83)
        case "t": return one(9)
        case "n": return one(10)
        case "v": return one(11)
        case "f": return one(12)
        case "r": return one(13)
        case "u": return one(try hexadecimal(4))
        case "x": return one(try hexadecimal(2))
        case "^", "$", "\\", ".", "*", "+", "?", "(", ")", "[", "]", "{", "}", "|", "/", "-": return one(scalar)
        default: throw Malformed(message: "an escape that is not known")
        }
    }

    private mutating func hexadecimal(_ digits: Int) throws(Malformed) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<digits {
            guard at < scalars.count, let digit = Unicode.Scalar(scalars[at]).flatMap({ Character($0).hexDigitValue }) else {
                throw Malformed(message: "not a character's number")
            }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        guard Unicode.Scalar(value) != nil else { throw Malformed(message: "half of a surrogate pair") }
        return value
    }
}
