import Exchanges

/// What each keyword says.
extension JSONSchemaCompiler {
    /// What stands behind a keyword.
    enum Shape {
        case schema, list, map, value
    }

    static func shape(of keyword: String) -> Shape {
        switch keyword {
        case "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
            "unevaluatedItems", "unevaluatedProperties":
            .schema
        case "allOf", "anyOf", "oneOf", "prefixItems": .list
        case "$defs", "dependentSchemas", "patternProperties", "properties": .map
        default: .value
        }
    }

    mutating func keyword(_ name: Int, _ node: inout Node, _ text: Span<UInt8>) throws(Malformed) {
        let value = name + 1
        let word = string(name, text)
        switch word {
        case "type": node.kinds = try kinds(value, text)
        case "enum": node.permitted = JSONPermitted(try list(value), tape, text)
        case "const": node.permitted = JSONPermitted([value], tape, text)
        case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum": try bound(word, value, &node, text)
        case "multipleOf":
            guard tape[value].kind == .number, let divisor = JSONDivisor(text.extracting(tape[value].text.range)) else {
                throw malformed("must be a number more than 0 of at most \(JSONDivisor.mostDigits) digits", value)
            }
            node.divisor = divisor
        case "minLength": node.lengths = try range(node.lengths, from: value, text)
        case "maxLength": node.lengths = try range(node.lengths, through: value, text)
        case "pattern": node.pattern = try pattern(value, text)
        case "format":
            guard let format = JSONSchemaFormat(rawValue: string(value, text)) else {
                let known = JSONSchemaFormat.allCases.map(\.rawValue).sorted().joined(separator: ", ")
                throw malformed("this format is not known, and what is not checked is not promised: use 'pattern', or one of \(known)", value)
            }
            node.format = format
        case "prefixItems": node.prefix = try schemas(value, text)
        case "items":
            guard tape[value].kind != .array else { throw malformed("in draft 2020-12 a list of schemas is 'prefixItems'", value) }
            node.items = try compile(value, text)
        case "minItems": node.counts = try range(node.counts, from: value, text)
        case "maxItems": node.counts = try range(node.counts, through: value, text)
        case "uniqueItems": node.isUnique = try bool(value)
        case "contains": node.contained = try compile(value, text)
        case "minContains", "maxContains": _ = try count(value, text)
        case "unevaluatedItems": node.unevaluatedItems = try compile(value, text)
        case "properties", "patternProperties", "additionalProperties", "propertyNames", "required", "minProperties",
            "maxProperties", "dependentRequired", "dependentSchemas", "unevaluatedProperties":
            try keyword(ofObjects: word, value, &node, text)
        case "allOf": node.all += try schemas(value, text)
        case "anyOf": node.any = try schemas(value, text)
        case "oneOf": node.one = try schemas(value, text)
        case "not": node.excluded = try compile(value, text)
        case "if": node.condition = try compile(value, text)
        case "then": node.consequence = try compile(value, text)
        case "else": node.alternative = try compile(value, text)
        case "$ref": node.all.append(try referred(value, isDynamic: false, text))
        case "$dynamicRef": node.all.append(try referred(value, isDynamic: true, text))
        case "$defs": for name in try members(value) { _ = try compile(name + 1, text) }
        // It is to be a schema, but nothing is held to it.
        case "contentSchema": _ = try compile(value, text)
        case "$schema":
            guard ["https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema#"].contains(string(value, text)) else {
                throw malformed("the only dialect known is draft 2020-12", value)
            }
        case "$id", "$anchor", "$dynamicAnchor", "$comment", "$vocabulary", "title", "description", "examples", "default", "deprecated", "readOnly",
            "writeOnly", "contentEncoding", "contentMediaType":
            break
        default: try refuse(word, name)
        }
    }

    private mutating func keyword(ofObjects word: String, _ value: Int, _ node: inout Node, _ text: Span<UInt8>) throws(Malformed) {
        switch word {
        case "properties":
            for name in try members(value) {
                let place = try member(tape.string(name, in: text), at: name, &node)
                node.members[place].node = try compile(name + 1, text)
            }
        case "patternProperties":
            for name in try members(value) {
                guard node.patterns.count < Self.mostPatterns else { throw malformed("more than \(Self.mostPatterns) patterns", name) }
                node.patterns.append((try pattern(name, text), try compile(name + 1, text)))
            }
        case "additionalProperties": node.others = tape[value].kind == .false ? .none : .node(try compile(value, text))
        case "propertyNames": node.names = try compile(value, text)
        case "minProperties": node.sizes = try range(node.sizes, from: value, text)
        case "maxProperties": node.sizes = try range(node.sizes, through: value, text)
        case "dependentRequired":
            for name in try members(value) {
                let place = try dependent(on: name, &node, text)
                for item in try list(name + 1) {
                    guard tape[item].kind == .string else { throw malformed("a name must be text", item) }
                    node.dependents[place].required.append(tape.string(item, in: text))
                }
            }
        case "dependentSchemas":
            for name in try members(value) {
                let place = try dependent(on: name, &node, text)
                node.dependents[place].node = try compile(name + 1, text)
            }
        case "unevaluatedProperties": node.unevaluatedMembers = try compile(value, text)
        // What is required is read when all members are known.
        default: break
        }
    }

    private static let mostPatterns = 100

    /// What is not known is never ignored: it would be a promise that nobody keeps.
    private func refuse(_ word: String, _ name: Int) throws(Malformed) {
        switch word {
        case let word where word.hasPrefix("x-"): return
        case "definitions": throw malformed("'definitions' is of an older draft: use '$defs'", name)
        case "dependencies": throw malformed("'dependencies' is of an older draft: use 'dependentRequired' or 'dependentSchemas'", name)
        case "additionalItems": throw malformed("'additionalItems' is of an older draft: use 'items' behind 'prefixItems'", name)
        case "id": throw malformed("'id' is of an older draft: use '$id'", name)
        case "$recursiveRef", "$recursiveAnchor": throw malformed("'\(word)' is of an older draft: use '$dynamicRef' and '$dynamicAnchor'", name)
        case "nullable": throw malformed("'nullable' is of OpenAPI 3.0: list \"null\" in 'type'", name)
        case "discriminator", "example", "externalDocs", "xml":
            throw malformed("'\(word)' is OpenAPI's, not JSON Schema's: take it out, or call it 'x-\(word)'", name)
        default: throw malformed("unknown keyword '\(word)': for a remark of your own call it 'x-\(word)'", name)
        }
    }

    /// What only several keywords together say.
    func bind(_ at: Int, _ node: inout Node, _ text: Span<UInt8>) throws(Malformed) {
        var (least, most) = (1, Int.max)
        if let value = tape.member("minContains", of: at, in: text) { least = try count(value, text) }
        if let value = tape.member("maxContains", of: at, in: text) { most = try count(value, text) }
        // More than there may be: then nothing fits, which the draft allows.
        node.containedCounts = least <= most ? least...most : Int.max...Int.max
        for bound in node.bounds {
            let text = bound.text.span
            guard let integer = JSONNumber.integer(text) else {
                node.hasFractionalBounds = true
                continue
            }
            // What lies at the end of 64 bits and is excluded is left to the exact comparison.
            if bound.isOpen && integer == (bound.isUpper ? .min : .max) { node.hasFractionalBounds = true }
            if bound.isUpper {
                node.most = min(node.most, bound.isOpen && integer > .min ? integer - 1 : integer)
            } else {
                node.least = max(node.least, bound.isOpen && integer < .max ? integer + 1 : integer)
            }
        }
        if node.members.count > Self.mostUnsorted {
            node.order = node.members.indices.sorted { node.members[$0].name.lexicographicallyPrecedes(node.members[$1].name) }
        }
    }

    private static let mostUnsorted = 16

    private func bound(_ word: String, _ value: Int, _ node: inout Node, _ text: Span<UInt8>) throws(Malformed) {
        guard tape[value].kind == .number else { throw malformed("must be a number", value) }
        let number = tape.string(value, in: text)
        node.bounds.append(
            JSONSchema.Bound(
                text: number, decimal: JSONDecimal(number.span), isUpper: word == "maximum" || word == "exclusiveMaximum", isOpen: word.hasPrefix("exclusive")))
    }

    private func pattern(_ value: Int, _ text: Span<UInt8>) throws(Malformed) -> JSONSchemaPattern {
        guard tape[value].kind == .string else { throw malformed("must be text", value) }
        do throws(JSONSchemaPattern.Malformed) {
            return try JSONSchemaPattern(string(value, text))
        } catch {
            throw malformed("the pattern cannot be used: \(error.message)", value)
        }
    }

    private func bool(_ value: Int) throws(Malformed) -> Bool {
        switch tape[value].kind {
        case .true: return true
        case .false: return false
        default: throw malformed("must be true or false", value)
        }
    }

    /// The place of what holds when the member named at `name` is there.
    private func dependent(on name: Int, _ node: inout Node, _ text: Span<UInt8>) throws(Malformed) -> Int {
        let bytes = tape.string(name, in: text)
        if let known = node.dependents.firstIndex(where: { $0.name == bytes }) { return known }
        guard node.dependents.count < Self.mostPatterns else { throw malformed("more than \(Self.mostPatterns) names", name) }
        node.dependents.append(JSONSchema.Dependent(name: bytes))
        return node.dependents.count - 1
    }
}
