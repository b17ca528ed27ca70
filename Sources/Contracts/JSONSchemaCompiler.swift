import Exchanges

/// From a schema's text to its nodes.
struct JSONSchemaCompiler {
    typealias Malformed = JSONSchema.Malformed
    typealias Node = JSONSchema.Node

    private let tape: JSONTape
    private var nodes: [Node] = []
    /// By the schema's place on the tape: a schema that is referred to is compiled once.
    private var places: [Int: Int] = [:]
    /// Where each node is in the document.
    private var offsets: [Int] = []

    private static let mostNodes = 10_000
    /// Schemas in each other, by reference or as they are written: the compiler goes as deep.
    private static let deepest = 128
    private var depth = 0
    private static let mostMembers = 64

    init(tape: JSONTape) { self.tape = tape }

    /// The nodes, when checking a value against one of them is known to end.
    func finished() throws(Malformed) -> [Node] {
        var weights = [Int?](repeating: nil, count: nodes.count)
        var open = [Bool](repeating: false, count: nodes.count)
        for i in nodes.indices { _ = try weight(of: i, &weights, &open) }
        return nodes
    }

    /// Nodes that one value is checked against because of `i`: those that apply to the same value.
    private func weight(of i: Int, _ weights: inout [Int?], _ open: inout [Bool]) throws(Malformed) -> Int {
        if let known = weights[i] { return known }
        guard !open[i] else { throw Malformed("this schema refers to itself without going into the value", at: offsets[i]) }
        open[i] = true
        var sum = 1
        let single = [nodes[i].excluded, nodes[i].condition, nodes[i].consequence, nodes[i].alternative].compactMap { $0 }
        for other in nodes[i].all + nodes[i].any + nodes[i].one + single {
            sum += try weight(of: other, &weights, &open)
            guard sum <= 1000 else { throw Malformed("too many schemas apply to one value", at: offsets[i]) }
        }
        open[i] = false
        weights[i] = sum
        return sum
    }

    /// The node of the schema at a place on the tape.
    mutating func compile(_ at: Int, _ text: Span<UInt8>) throws(Malformed) -> Int {
        if let known = places[at] { return known }
        guard nodes.count < JSONSchemaCompiler.mostNodes else { throw malformed("too many schemas", at) }
        guard depth < JSONSchemaCompiler.deepest else { throw malformed("schemas in each other too deeply", at) }
        depth += 1
        defer { depth -= 1 }
        let i = nodes.count
        places[at] = i
        nodes.append(Node())
        offsets.append(Int(tape[at].text.start))
        var node = Node()
        switch tape[at].kind {
        case .true: break
        case .false: node.kinds = []
        case .object:
            var name = at + 1
            while name < tape.next(at) {
                try keyword(name, &node, text)
                name = tape.next(name + 1)
            }
            // After all others: what is required may stand before what is known.
            if let list = tape.member("required", of: at, in: text) { try require(list, &node, text) }
        default: throw malformed("a schema is an object, true or false", at)
        }
        nodes[i] = node
        return i
    }

    private mutating func keyword(_ name: Int, _ node: inout Node, _ text: Span<UInt8>) throws(Malformed) {
        let value = name + 1
        switch string(name, text) {
        case "type": node.kinds = try kinds(value, text)
        case "enum":
            var permitted: [JSONSchema.Permitted] = []
            for item in try list(value) { permitted.append(try self.permitted(item, text)) }
            node.permitted = permitted
        case "const": node.permitted = [try permitted(value, text)]
        case "minimum": node.least = max(node.least, try integer(value, text))
        case "maximum": node.most = min(node.most, try integer(value, text))
        case "exclusiveMinimum":
            let bound = try integer(value, text)
            if bound >= node.least { (node.least, node.isAboveLeast) = (bound, true) }
        case "exclusiveMaximum":
            let bound = try integer(value, text)
            if bound <= node.most { (node.most, node.isBelowMost) = (bound, true) }
        case "multipleOf":
            let divisor = try integer(value, text)
            guard divisor > 0 else { throw malformed("must be more than 0", value) }
            node.divisor = divisor
        case "minLength": node.lengths = try range(node.lengths, from: value, text)
        case "maxLength": node.lengths = try range(node.lengths, through: value, text)
        case "minItems": node.counts = try range(node.counts, from: value, text)
        case "maxItems": node.counts = try range(node.counts, through: value, text)
        case "minProperties": node.sizes = try range(node.sizes, from: value, text)
        case "maxProperties": node.sizes = try range(node.sizes, through: value, text)
        case "pattern":
            do throws(JSONSchemaPattern.Malformed) {
                node.pattern = try JSONSchemaPattern(string(value, text))
            } catch {
                throw malformed("the pattern cannot be used: \(error.message)", value)
            }
        case "format":
            guard string(value, text) == "date-time" else { throw malformed("the only format known is date-time", value) }
            node.isTime = true
        case "properties":
            for name in try members(value) {
                let place = try member(tape.string(name, in: text), at: name, &node)
                node.members[place].node = try compile(name + 1, text)
            }
        case "required": break
        case "additionalProperties": node.others = tape[value].kind == .false ? .none : .node(try compile(value, text))
        case "items": node.items = try compile(value, text)
        case "allOf": node.all += try schemas(value, text)
        case "anyOf": node.any = try schemas(value, text)
        case "oneOf": node.one = try schemas(value, text)
        case "not": node.excluded = try compile(value, text)
        case "if": node.condition = try compile(value, text)
        case "then": node.consequence = try compile(value, text)
        case "else": node.alternative = try compile(value, text)
        case "$ref": node.all.append(try compile(try target(of: value, text), text))
        case "$defs": for name in try members(value) { _ = try compile(name + 1, text) }
        case "$schema":
            guard string(value, text) == "https://json-schema.org/draft/2020-12/schema" else {
                throw malformed("the only dialect known is draft 2020-12", value)
            }
        case "$id", "$comment", "title", "description", "examples", "default", "deprecated", "readOnly", "writeOnly": break
        case let known where JSONSchemaCompiler.refused.contains(known):
            throw malformed("'\(known)' is not supported, and what is not checked is not promised: say it in other words", name)
        case let unknown: throw malformed("unknown keyword '\(unknown)'", name)
        }
    }

    /// Keywords of draft 2020-12 that would have to be checked and are not.
    private static let refused: Set<String> = [
        "$anchor", "$dynamicAnchor", "$dynamicRef", "$vocabulary", "contains", "contentEncoding", "contentMediaType",
        "contentSchema", "dependentRequired", "dependentSchemas", "maxContains", "minContains", "patternProperties",
        "prefixItems", "propertyNames", "unevaluatedItems", "unevaluatedProperties", "uniqueItems",
    ]

    // MARK: - Parts

    private func require(_ value: Int, _ node: inout Node, _ text: Span<UInt8>) throws(Malformed) {
        for item in try list(value) {
            guard tape[item].kind == .string else { throw malformed("a name must be text", item) }
            node.required |= 1 << UInt64(try member(tape.string(item, in: text), at: item, &node))
        }
    }

    /// The place of a member that the schema names.
    private func member(_ name: [UInt8], at place: Int, _ node: inout Node) throws(Malformed) -> Int {
        if let known = node.members.firstIndex(where: { $0.name == name }) { return known }
        guard node.members.count < JSONSchemaCompiler.mostMembers else {
            throw malformed("more than \(JSONSchemaCompiler.mostMembers) members", place)
        }
        node.members.append(JSONSchema.Member(name: name, node: nil))
        return node.members.count - 1
    }

    private func kinds(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> JSONSchema.Kinds {
        var kinds: JSONSchema.Kinds = []
        for item in tape[value].kind == .array ? try list(value) : [value] {
            guard tape[item].kind == .string,
                let known = JSONSchema.Kinds.names.first(where: { tape.string(item, equals: $0.name, in: text) })
            else { throw malformed("not the name of a type", item) }
            kinds.formUnion(known.kinds)
        }
        return kinds
    }

    private func permitted(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> JSONSchema.Permitted {
        switch tape[value].kind {
        case .null: return .null
        case .true: return .bool(true)
        case .false: return .bool(false)
        case .string: return .text(tape.string(value, in: text))
        case .number: return .integer(try integer(value, text))
        case .array, .object: throw malformed("only texts, integers, true, false and null can be listed", value)
        }
    }

    private func integer(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> Int64 {
        guard tape[value].kind == .number, let integer = tape.integer(value, in: text) else {
            throw malformed("must be an integer of 64 bits", value)
        }
        return integer
    }

    private func count(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> Int {
        guard let count = Int(exactly: try integer(value, text)), count >= 0 else { throw malformed("must not be negative", value) }
        return count
    }

    private func range(_ range: ClosedRange<Int>?, from value: Int, _ text: Span<UInt8>) throws(Malformed) -> ClosedRange<Int> {
        let low = try count(value, text)
        let high = range?.upperBound ?? .max
        guard low <= high else { throw malformed("is more than the maximum", value) }
        return low...high
    }

    private func range(_ range: ClosedRange<Int>?, through value: Int, _ text: Span<UInt8>) throws(Malformed) -> ClosedRange<Int> {
        let high = try count(value, text)
        let low = range?.lowerBound ?? 0
        guard low <= high else { throw malformed("is less than the minimum", value) }
        return low...high
    }

    private mutating func schemas(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> [Int] {
        let items = try list(value)
        guard !items.isEmpty else { throw malformed("needs at least one schema", value) }
        var compiled: [Int] = []
        for item in items { compiled.append(try compile(item, text)) }
        return compiled
    }

    /// Where `#`, `#/$defs/name` … leads.
    private func target(of value: Int, _ text: Span<UInt8>) throws(Malformed) -> Int {
        let reference = string(value, text)
        guard reference == "#" || reference.hasPrefix("#/") else {
            throw malformed("only references into this document (#/$defs/...) are known", value)
        }
        var at = 0
        for step in reference.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false) where reference != "#" {
            let name = replaced(replaced(String(step), "~1", "/"), "~0", "~")
            guard tape[at].kind == .object, let next = members(of: at).first(where: { string($0, text) == name }) else {
                throw malformed("'\(reference)' is not in this document", value)
            }
            at = next + 1
        }
        return at
    }

    private func replaced(_ text: String, _ old: String, _ new: String) -> String {
        text.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }

    // MARK: - The tape

    private func string(_ at: Int, _ text: Span<UInt8>) -> String {
        tape[at].kind == .string ? String(decoding: tape.string(at, in: text), as: UTF8.self) : ""
    }

    private func list(_ at: Int) throws(Malformed) -> [Int] {
        guard tape[at].kind == .array else { throw malformed("must be a list", at) }
        var items: [Int] = []
        var item = at + 1
        while item < tape.next(at) {
            items.append(item)
            item = tape.next(item)
        }
        return items
    }

    private func members(_ at: Int) throws(Malformed) -> [Int] {
        guard tape[at].kind == .object else { throw malformed("must be an object", at) }
        return members(of: at)
    }

    /// The names in an object.
    private func members(of at: Int) -> [Int] {
        var names: [Int] = []
        var name = at + 1
        while name < tape.next(at) {
            names.append(name)
            name = tape.next(name + 1)
        }
        return names
    }

    private func malformed(_ message: String, _ at: Int) -> Malformed {
        Malformed(message, at: max(0, Int(tape[at].text.start) - (tape[at].kind == .string ? 1 : 0)))
    }
}
