/// A compiled JSON Schema: the part of draft 2020-12 that `contracts/` uses. What it does not know is an error when
/// it is compiled, never ignored.
///
/// `type`, `enum` and `const` (no fractions, arrays or objects), `minimum`, `maximum`, `exclusiveMinimum`,
/// `exclusiveMaximum` and `multipleOf` (integers), `minLength`, `maxLength`, `pattern`, `format: date-time` (asserted),
/// `properties`, `required`, `additionalProperties`, `minProperties`, `maxProperties`, `items`, `minItems`, `maxItems`,
/// `allOf`, `anyOf`, `oneOf`, `not`, `if` with `then` and `else`, `$defs`, `$ref` to the document itself (with whatever
/// stands beside it), and annotations. An integer is one that fits into 64 bits.
public struct JSONSchema: Sendable {
    /// What a text is instead of what the schema wants.
    public struct Violation: Sendable, Equatable {
        /// RFC 6901, of the value; bounded like `JSONError.pointer`.
        public var pointer: String
        /// Safe to show: it never quotes the value.
        public var error: String

        public init(_ pointer: String, _ error: String) {
            self.pointer = pointer
            self.error = error
        }
    }

    /// Why a document is not a schema we know.
    public struct Malformed: Error, Sendable, Equatable {
        /// Bytes from the beginning of the document.
        public var offset: Int
        public var message: String

        public init(_ message: String, at offset: Int) {
            self.message = message
            self.offset = offset
        }
    }

    /// `$id`, if it has one.
    public let id: String?
    private(set) var nodes: [Node]
    let root: Int

    /// Compiles the schema in a JSON document.
    public init(_ document: Span<UInt8>) throws(Malformed) {
        let tape: JSONTape
        do throws(JSONError) {
            tape = try JSONTape(document, limits: JSONLimits(bytes: 1 << 20, values: 100_000))
        } catch {
            throw Malformed("\(error.reason.text)", at: error.offset)
        }
        var compiler = JSONSchemaCompiler(tape: tape)
        root = try compiler.compile(0, document)
        nodes = try compiler.finished()
        id = tape.member("$id", of: 0, in: document).map { String(decoding: tape.string($0, in: document), as: UTF8.self) }
    }

    /// The same schema for values whose members of these names come from elsewhere: at the top they are not required.
    public func without(required names: [String]) -> JSONSchema {
        var relaxed = self
        for (i, member) in nodes[root].members.enumerated() where names.contains(String(decoding: member.name, as: UTF8.self)) {
            relaxed.nodes[root].required &= ~(1 << UInt64(i))
        }
        return relaxed
    }

    /// Does the text that the tape was made of fit?
    public func accepts(_ tape: JSONTape, _ text: Span<UInt8>) -> Bool {
        var findings = JSONSchemaFindings(most: 0, tape)
        return check(root, 0, tape, text, &findings)
    }

    /// What does not fit, `most` of it.
    public func violations(_ tape: JSONTape, _ text: Span<UInt8>, most: Int = 16) -> [Violation] {
        var findings = JSONSchemaFindings(most: most, tape)
        let fits = check(root, 0, tape, text, &findings)
        return fits || !findings.list.isEmpty ? findings.list : [Violation("", "takes too long to check")]
    }
}

extension JSONSchema {
    /// One schema object. Others are named by their index.
    struct Node: Sendable {
        var kinds = Kinds.all
        /// Nil = anything.
        var permitted: [Permitted]?
        var least = Int64.min
        var most = Int64.max
        /// `least` and `most` themselves are not allowed.
        var isAboveLeast = false
        var isBelowMost = false
        var lengths: ClosedRange<Int>?
        var pattern: JSONSchemaPattern?
        var isTime = false
        var members: [Member] = []
        /// A bit for each of `members`.
        var required: UInt64 = 0
        var others = Others.any
        var items: Int?
        var counts: ClosedRange<Int>?
        /// How many members.
        var sizes: ClosedRange<Int>?
        /// More than 0.
        var divisor: Int64?
        var excluded: Int?
        var condition: Int?
        var consequence: Int?
        var alternative: Int?
        var all: [Int] = []
        var any: [Int] = []
        var one: [Int] = []
    }

    struct Member: Sendable {
        var name: [UInt8]
        /// Nil = any value.
        var node: Int?
    }

    enum Others: Sendable {
        case any, none
        case node(Int)
    }

    enum Permitted: Sendable, Equatable {
        case text([UInt8])
        case integer(Int64)
        case bool(Bool)
        case null
    }

    struct Kinds: OptionSet, Sendable {
        var rawValue: UInt8
        static let null = Kinds(rawValue: 1)
        static let boolean = Kinds(rawValue: 2)
        static let integer = Kinds(rawValue: 4)
        /// Numbers that are no integers.
        static let fraction = Kinds(rawValue: 8)
        static let string = Kinds(rawValue: 16)
        static let array = Kinds(rawValue: 32)
        static let object = Kinds(rawValue: 64)
        static let number: Kinds = [.integer, .fraction]
        static let all = Kinds(rawValue: 127)

        static let names: [(name: StaticString, kinds: Kinds)] = [
            ("null", .null), ("boolean", .boolean), ("integer", .integer), ("number", .number), ("string", .string),
            ("array", .array), ("object", .object),
        ]
    }
}
