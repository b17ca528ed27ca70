import Contracts
import Exchanges

/// From a JSON body to a command. Collects every wrong field, so that a caller can mend all at once.
struct CommandDecoder {
    private let tape: JSONTape
    private var fields: [Invalid.Field] = []
    /// What the path gives: JSON pointers and percent-decoded values.
    private let captured: [(pointer: String, value: [UInt8])]
    private let holdsCard: Bool

    /// - Parameter captures: of `name.pathParameters`, in their order; nil for one that the path does not have.
    static func decode(_ name: CommandName, _ body: Span<UInt8>, captures: [[UInt8]?] = []) -> Result<Request, Invalid> {
        let captured = zip(name.pathParameters, captures).compactMap { name, value in value.map { ("/" + name, $0) } }
        if body.isEmpty, !captured.isEmpty {
            // The path says it all.
            let nothing: [UInt8] = [UInt8(ascii: "{"), UInt8(ascii: "}")]
            return decode(name, nothing.span, captured)
        }
        return decode(name, body, captured)
    }

    private static func decode(
        _ name: CommandName, _ body: Span<UInt8>, _ captured: [(String, [UInt8])]
    ) -> Result<Request, Invalid> {
        do throws(JSONError) {
            let tape = try JSONTape(body, limits: JSONLimits(values: 4096))
            var decoder = CommandDecoder(tape: tape, captured: captured, holdsCard: name.holdsCard)
            let command = decoder.isObject(0, at: "") ? name.decode(&decoder, body) : nil
            guard let command, decoder.fields.isEmpty else {
                return .failure(Invalid("the command is not valid", decoder.fields))
            }
            return .success(command)
        } catch {
            let field = Invalid.Field(name.holdsCard ? "" : error.pointer, "\(error.reason.text), at byte \(error.offset)")
            return .failure(Invalid("the body is not valid JSON", [field]))
        }
    }

    private init(tape: JSONTape, captured: [(String, [UInt8])], holdsCard: Bool) {
        self.tape = tape
        self.captured = captured
        self.holdsCard = holdsCard
    }

    // MARK: - Members

    /// A field's name as proto JSON writes it, and as it may also be read.
    struct Name: Sendable {
        let camel: StaticString
        let snake: StaticString
        static let productId = Name(camel: "productId", snake: "product_id")
        static let quantity = Name(camel: "quantity", snake: "quantity")
    }

    /// So many that nobody reads on.
    var hasManyErrors: Bool { fields.count >= 16 }

    /// A wrong field.
    mutating func note(_ pointer: String, _ error: String) { fields.append(.init(pointer, error)) }

    mutating func isObject(_ at: Int, at pointer: String) -> Bool {
        if tape[at].kind == .object { return true }
        fields.append(.init(pointer, "must be an object"))
        return false
    }

    /// The values of the known members, nil where absent or null; anything else in the object is wrong.
    mutating func members(
        of object: Int, at pointer: String, _ names: [Name], _ text: Span<UInt8>
    ) -> [Int?] {
        var found = [Int?](repeating: nil, count: names.count)
        var seen = 0
        let end = tape.next(object)
        var at = object + 1
        while at < end {
            var known = false
            for (i, name) in names.enumerated() where isNamed(at, name, text) {
                known = true
                // userId and user_id at once
                if seen & 1 << i != 0 { report(at, pointer, "given twice", text) }
                seen |= 1 << i
                if tape[at + 1].kind != .null { found[i] = at + 1 }
            }
            if !known { report(at, pointer, "unknown member", text) }
            at = tape.next(at + 1)
        }
        return found
    }

    private func isNamed(_ at: Int, _ name: Name, _ text: Span<UInt8>) -> Bool {
        tape.string(at, equals: name.camel, in: text) || tape.string(at, equals: name.snake, in: text)
    }

    /// At most 16 wrong members are named one by one.
    private mutating func report(_ name: Int, _ pointer: String, _ error: String, _ text: Span<UInt8>) {
        guard !hasManyErrors else { return }
        fields.append(.init(holdsCard ? pointer : JSONError.pointer(pointer, tape.string(name, in: text)), error))
    }

    // MARK: - Values

    /// Also from the path, where that has it; a body that says so too must say the same.
    mutating func identifier(_ at: Int?, at pointer: String, _ text: Span<UInt8>) -> Identifier? {
        let captured = captured.first { $0.pointer == pointer }?.value
        guard let at else {
            if let captured { return identifier(captured, at: pointer) }
            fields.append(.init(pointer, "is required"))
            return nil
        }
        guard tape[at].kind == .string else {
            fields.append(.init(pointer, "must be a string"))
            return nil
        }
        let value = tape.string(at, in: text)
        if let captured, captured != value {
            fields.append(.init(pointer, "differs from the path"))
            return nil
        }
        return identifier(value, at: pointer)
    }

    private mutating func identifier(_ value: [UInt8], at pointer: String) -> Identifier? {
        guard let identifier = Identifier(value) else {
            fields.append(.init(pointer, Identifier.rule))
            return nil
        }
        return identifier
    }

    mutating func integer(
        _ at: Int?, atLeast least: Int32, at pointer: String, _ text: Span<UInt8>
    ) -> Int32? {
        guard let at else {
            fields.append(.init(pointer, "is required"))
            return nil
        }
        guard let value = tape.integer(at, in: text), let integer = Int32(exactly: value), integer >= least else {
            fields.append(.init(pointer, "must be an integer from \(least) to \(Int32.max)"))
            return nil
        }
        return integer
    }

    /// Nil when absent or empty: proto JSON may write fields that were not set.
    mutating func identifierIfAny(_ at: Int?, at pointer: String, _ text: Span<UInt8>) -> Identifier? {
        guard let at, !tape.string(at, equals: "", in: text) else { return nil }
        return identifier(at, at: pointer, text)
    }

    /// 0 when absent.
    mutating func int32(_ at: Int?, at pointer: String, _ text: Span<UInt8>) -> Int32 {
        guard let at else { return 0 }
        return integer(at, atLeast: .min, at: pointer, text) ?? 0
    }

    /// A text of at most so many bytes, and at least so many; nil when absent.
    mutating func textIfAny(
        _ at: Int?, bytes: ClosedRange<Int>, at pointer: String, _ text: Span<UInt8>
    ) -> String? {
        guard let at else { return nil }
        guard tape[at].kind == .string else {
            note(pointer, "must be a string")
            return nil
        }
        let value = tape.string(at, in: text)
        guard bytes.contains(value.count) else {
            note(pointer, "must be \(bytes.lowerBound) to \(bytes.upperBound) bytes long")
            return nil
        }
        return String(decoding: value, as: UTF8.self)
    }

    /// The members of a required object; nil when it is none, which is noted.
    mutating func object(
        _ at: Int?, at pointer: String, _ names: [Name], _ text: Span<UInt8>
    ) -> [Int?]? {
        guard let at else {
            note(pointer, "is required")
            return nil
        }
        guard isObject(at, at: pointer) else { return nil }
        return members(of: at, at: pointer, names, text)
    }

    /// The elements of an array; nil when it is none or has more, which is noted.
    mutating func elements(_ at: Int, most: Int, at pointer: String) -> [Int]? {
        guard tape[at].kind == .array else {
            note(pointer, "must be an array")
            return nil
        }
        var elements: [Int] = []
        var next = at + 1
        while next < tape.next(at) {
            guard elements.count < most else {
                note(pointer, "must have at most \(most) elements")
                return nil
            }
            elements.append(next)
            next = tape.next(next)
        }
        return elements
    }

    /// The text of a number, or of a string that may hold one; nil for other values.
    func numeral(_ at: Int, _ text: Span<UInt8>) -> [UInt8]? {
        switch tape[at].kind {
        case .number: text.extracting(tape[at].text.range).bytes
        case .string: tape.string(at, in: text)
        default: nil
        }
    }

    /// The integer that is a number or a string; nil for other values.
    func int64(_ at: Int, _ text: Span<UInt8>) -> Int64? { tape.integer(at, in: text) }

    /// RFC 3339, to the microsecond; nil when absent.
    mutating func timestampIfAny(_ at: Int?, at pointer: String, _ text: Span<UInt8>) -> Timestamp? {
        guard let at else { return nil }
        guard let timestamp = Timestamp(string(at, text).span) else {
            note(pointer, "must be a time as RFC 3339 writes it")
            return nil
        }
        return timestamp
    }

    /// Empty when it is no string.
    func string(_ at: Int, _ text: Span<UInt8>) -> [UInt8] {
        tape[at].kind == .string ? tape.string(at, in: text) : []
    }
}
