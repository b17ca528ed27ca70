import Exchanges

/// From a schema's text to its nodes.
struct JSONSchemaCompiler {
    typealias Malformed = JSONSchema.Malformed
    typealias Node = JSONSchema.Node

    let tape: JSONTape
    let places: JSONSchemaPlaces
    private var nodes: [Node] = []
    private var known: [Key: Int] = [:]
    /// Where each node is in the document.
    private var offsets: [Int] = []
    /// Where `$dynamicRef`s lead, for each way to come here: the outermost schema that has the anchor. Known when
    /// compiling, because schemas are told apart by it.
    private var scopes: [[String: Int]] = [[:]]
    private var scope = 0

    /// A schema that is referred to is compiled once for each scope.
    private struct Key: Hashable {
        var place: Int
        var scope: Int
    }

    private static let mostNodes = 10_000
    /// Schemas in each other, by reference or as they are written: the compiler goes as deep.
    private static let deepest = 128
    private var depth = 0
    private static let mostMembers = 1000
    /// Schemas that apply to one value, and how many of them because of each other: checking goes as deep.
    private static let mostInPlace = 1000
    private static let deepestInPlace = 32

    init(tape: JSONTape, places: JSONSchemaPlaces) {
        self.tape = tape
        self.places = places
    }

    /// The nodes, when checking a value against one of them is known to end.
    func finished() throws(Malformed) -> [Node] {
        var weights = [Weight?](repeating: nil, count: nodes.count)
        var open = [Bool](repeating: false, count: nodes.count)
        for i in nodes.indices { _ = try weight(of: i, &weights, &open) }
        var result = nodes
        var waiting = nodes.indices.filter { nodes[$0].unevaluatedItems != nil || nodes[$0].unevaluatedMembers != nil }
        while let i = waiting.popLast() {
            guard !result[i].isTracked else { continue }
            result[i].isTracked = true
            waiting += nodes[i].inPlace
        }
        return result
    }

    /// Nodes that one value is checked against because of another: how many, and how many in a row.
    private struct Weight {
        var sum = 1
        var depth = 1
    }

    private func weight(of i: Int, _ weights: inout [Weight?], _ open: inout [Bool]) throws(Malformed) -> Weight {
        if let known = weights[i] { return known }
        guard !open[i] else { throw Malformed("this schema refers to itself without going into the value", at: offsets[i]) }
        open[i] = true
        var weight = Weight()
        for other in nodes[i].inPlace {
            let added = try self.weight(of: other, &weights, &open)
            weight.sum += added.sum
            weight.depth = max(weight.depth, added.depth + 1)
            guard weight.sum <= Self.mostInPlace else { throw Malformed("too many schemas apply to one value", at: offsets[i]) }
            guard weight.depth <= Self.deepestInPlace else {
                throw Malformed("more than \(Self.deepestInPlace) schemas in a row apply to one value because of each other", at: offsets[i])
            }
        }
        open[i] = false
        weights[i] = weight
        return weight
    }

    /// The node of the schema at a place on the tape.
    mutating func compile(_ at: Int, _ text: Span<UInt8>) throws(Malformed) -> Int {
        let outer = scope
        scope = entering(places.resource(of: at))
        defer { scope = outer }
        let key = Key(place: at, scope: scope)
        if let known = known[key] { return known }
        guard nodes.count < JSONSchemaCompiler.mostNodes else { throw malformed("too many schemas", at) }
        guard depth < JSONSchemaCompiler.deepest else { throw malformed("schemas in each other too deeply", at) }
        depth += 1
        defer { depth -= 1 }
        let i = nodes.count
        known[key] = i
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
            try bind(at, &node, text)
        default: throw malformed("a schema is an object, true or false", at)
        }
        nodes[i] = node
        return i
    }

    // MARK: - Dynamic scope

    /// The scope within a resource: its dynamic anchors, where no outer one has them.
    private mutating func entering(_ resource: Int) -> Int {
        let resource = places.resources[resource]
        guard !resource.dynamic.isEmpty else { return scope }
        var inner = scopes[scope]
        for name in resource.dynamic where inner[name] == nil { inner[name] = resource.anchors[name] }
        if inner == scopes[scope] { return scope }
        if let known = scopes.firstIndex(of: inner) { return known }
        scopes.append(inner)
        return scopes.count - 1
    }

    /// The node that a reference leads to.
    mutating func referred(_ value: Int, isDynamic: Bool, _ text: Span<UInt8>) throws(Malformed) -> Int {
        guard tape[value].kind == .string else { throw malformed("must be text", value) }
        let reference = string(value, text)
        guard let target = places.target(of: reference, from: value, text) else {
            throw malformed(
                reference.hasPrefix("#")
                    ? "'\(reference)' is not in this document"
                    : "'\(reference)' is not in this document, and others are not read: put that schema into its $defs, with its $id", value)
        }
        if isDynamic, let name = target.dynamic, let outermost = scopes[scope][name] { return try compile(outermost, text) }
        return try compile(target.place, text)
    }

    // MARK: - Parts

    private func require(_ value: Int, _ node: inout Node, _ text: Span<UInt8>) throws(Malformed) {
        for item in try list(value) {
            guard tape[item].kind == .string else { throw malformed("a name must be text", item) }
            let place = try member(tape.string(item, in: text), at: item, &node)
            guard !node.members[place].isRequired else { throw malformed("listed twice", item) }
            node.members[place].isRequired = true
            node.requiredCount += 1
        }
    }

    /// The place of a member that the schema names.
    func member(_ name: [UInt8], at place: Int, _ node: inout Node) throws(Malformed) -> Int {
        if let known = node.members.firstIndex(where: { $0.name == name }) { return known }
        guard node.members.count < JSONSchemaCompiler.mostMembers else {
            throw malformed("more than \(JSONSchemaCompiler.mostMembers) members", place)
        }
        node.members.append(JSONSchema.Member(name: name, node: nil))
        return node.members.count - 1
    }

    func kinds(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> JSONSchema.Kinds {
        var kinds: JSONSchema.Kinds = []
        for item in tape[value].kind == .array ? try list(value) : [value] {
            guard tape[item].kind == .string,
                let known = JSONSchema.Kinds.names.first(where: { tape.string(item, equals: $0.name, in: text) })
            else { throw malformed("not the name of a type", item) }
            kinds.formUnion(known.kinds)
        }
        return kinds
    }

    func integer(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> Int64 {
        guard tape[value].kind == .number, let integer = tape.integer(value, in: text) else {
            throw malformed("must be an integer of 64 bits", value)
        }
        return integer
    }

    func count(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> Int {
        guard let count = Int(exactly: try integer(value, text)), count >= 0 else { throw malformed("must not be negative", value) }
        return count
    }

    func range(_ range: ClosedRange<Int>?, from value: Int, _ text: Span<UInt8>) throws(Malformed) -> ClosedRange<Int> {
        let low = try count(value, text)
        let high = range?.upperBound ?? .max
        guard low <= high else { throw malformed("is more than the maximum", value) }
        return low...high
    }

    func range(_ range: ClosedRange<Int>?, through value: Int, _ text: Span<UInt8>) throws(Malformed) -> ClosedRange<Int> {
        let high = try count(value, text)
        let low = range?.lowerBound ?? 0
        guard low <= high else { throw malformed("is less than the minimum", value) }
        return low...high
    }

    mutating func schemas(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> [Int] {
        let items = try list(value)
        guard !items.isEmpty else { throw malformed("needs at least one schema", value) }
        var compiled: [Int] = []
        for item in items { compiled.append(try compile(item, text)) }
        return compiled
    }

    // MARK: - The tape

    func string(_ at: Int, _ text: Span<UInt8>) -> String {
        tape[at].kind == .string ? String(decoding: tape.string(at, in: text), as: UTF8.self) : ""
    }

    func list(_ at: Int) throws(Malformed) -> [Int] {
        guard tape[at].kind == .array else { throw malformed("must be a list", at) }
        var items: [Int] = []
        var item = at + 1
        while item < tape.next(at) {
            items.append(item)
            item = tape.next(item)
        }
        return items
    }

    func members(_ at: Int) throws(Malformed) -> [Int] {
        guard tape[at].kind == .object else { throw malformed("must be an object", at) }
        return members(of: at)
    }

    /// The names in an object.
    func members(of at: Int) -> [Int] {
        var names: [Int] = []
        var name = at + 1
        while name < tape.next(at) {
            names.append(name)
            name = tape.next(name + 1)
        }
        return names
    }

    func malformed(_ message: String, _ at: Int) -> Malformed {
        Malformed(message, at: max(0, Int(tape[at].text.start) - (tape[at].kind == .string ? 1 : 0)))
    }
}
