extension JSONSchema {
    /// One schema object. Others are named by their index.
    struct Node: Sendable {
        var kinds = Kinds.all
        /// Nil = anything.
        var permitted: JSONPermitted?
        // Numbers. Of integers of 64 bits, with what `exclusive…` takes away; all bounds are in `bounds` too.
        var least = Int64.min
        var most = Int64.max
        var bounds: [Bound] = []
        var hasFractionalBounds = false
        var divisor: JSONDivisor?
        // Texts.
        var lengths: ClosedRange<Int>?
        var pattern: JSONSchemaPattern?
        var format: JSONSchemaFormat?
        // Arrays.
        /// Of the first items, each its own.
        var prefix: [Int] = []
        /// Of those behind them.
        var items: Int?
        var counts: ClosedRange<Int>?
        var isUnique = false
        var contained: Int?
        var containedCounts = 1...Int.max
        var unevaluatedItems: Int?
        // Objects.
        var members: [Member] = []
        /// The places of `members` in the order of their names, when they are many.
        var order: [Int] = []
        var requiredCount = 0
        var patterns: [(pattern: JSONSchemaPattern, node: Int)] = []
        var others = Others.any
        var names: Int?
        /// How many members.
        var sizes: ClosedRange<Int>?
        var dependents: [Dependent] = []
        var unevaluatedMembers: Int?
        // The same value.
        var excluded: Int?
        var condition: Int?
        var consequence: Int?
        var alternative: Int?
        var all: [Int] = []
        var any: [Int] = []
        var one: [Int] = []
        /// What is evaluated by it counts for an `unevaluated…` of its own or of a schema that applies it.
        var isTracked = false

        /// The schemas that apply to the same value.
        var inPlace: [Int] {
            all + any + one + [excluded, condition, consequence, alternative].compactMap { $0 } + dependents.compactMap(\.node)
        }

        var looksAtItems: Bool {
            items != nil || counts != nil || isUnique || contained != nil || !prefix.isEmpty
        }
    }

    struct Member: Sendable {
        var name: [UInt8]
        /// Nil = any value.
        var node: Int?
        var isRequired = false
    }

    enum Others: Sendable {
        case any, none
        case node(Int)
    }

    /// What holds when a member is there.
    struct Dependent: Sendable {
        var name: [UInt8]
        var required: [[UInt8]] = []
        var node: Int?
    }

    /// `minimum` and its like.
    struct Bound: Sendable {
        var text: [UInt8]
        var decimal: JSONDecimal
        var isUpper: Bool
        /// The bound itself is not allowed.
        var isOpen: Bool
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
