/// JSON Schemas (2020-12) of what messages are in JSON, by the rules of ProtoJSON: integers of 64 bits are texts,
/// enum values their names, bytes base64. One for each message type and enum that was asked for, and for those they
/// are made of; references lead from one to another.
public struct ProtoJSONSchemas {
    private let schema: ProtoSchema
    /// Where the schemas will stand: `#/components/schemas/`.
    private let place: String
    /// By full name, in the order they were asked for.
    public private(set) var documents: [JSONValue.Member] = []
    private var known: Set<String> = []

    public init(_ schema: ProtoSchema, at place: String) {
        self.schema = schema
        self.place = place
    }

    /// The schema of a message type, in `schema.messages`.
    public mutating func value(ofMessage type: Int) -> JSONValue {
        let message = schema.messages[type]
        let name = schema.string(message.name)
        switch message.wellKnown {
        case .none: break
        case .timestamp: return text("date-time")
        case .duration: return .members(["type": .string("string"), "pattern": .string(#"^-?[0-9]+([.][0-9]{1,9})?s$"#)])
        case .fieldMask: return text(nil)
        case .any:
            return .members([
                "type": .string("object"), "properties": .members(["@type": text(nil)]), "required": .texts(["@type"]),
            ])
        case .struct: return .members(["type": .string("object")])
        case .value: return .object([])
        case .listValue: return .members(["type": .string("array")])
        case .wrapper:
            guard let field = message.fields.first else { return .object([]) }
            return .members(["anyOf": .array([single(schema.fields[field]), .members(["type": .string("null")])])])
        }
        if known.insert(name).inserted {
            let slot = documents.count
            documents.append(JSONValue.Member(name, .null))
            var members: [JSONValue.Member] = []
            var required: [String] = []
            for index in message.fields where !schema.fields[index].flags.contains(.isExtension) {
                let field = schema.fields[index]
                let name = schema.string(field.jsonName)
                members.append(JSONValue.Member(name, value(of: field)))
                if field.flags.contains(.required) { required.append(name) }
            }
            documents[slot].value = .members([
                "type": .string("object"), "properties": members.isEmpty ? nil : .object(members),
                "required": required.isEmpty ? nil : .texts(required),
            ])
        }
        return .reference(place + name)
    }

    /// The schema of the field at the end of a path.
    public mutating func value(of path: ProtoFieldPath) -> JSONValue { value(of: schema.fields[path.last]) }

    /// The fields of a message type that text can give, as parameters of a query: `author.fullName`.
    /// - Parameters:
    ///   - taken: original names, dotted, of fields that stand elsewhere.
    ///   - most: parameters, and messages in each other no deeper than four.
    public mutating func parameters(
        ofMessage type: Int, without taken: Set<String>, atMost most: Int = 64
    ) -> [(name: String, schema: JSONValue)] {
        var found: [(String, JSONValue)] = []
        func isText(_ field: ProtoField) -> Bool {
            guard field.kind.isMessage else { return true }
            let type = schema.messages[Int(field.type)].wellKnown
            return type.isText || type == .wrapper
        }
        var waiting: [(type: Int, prefix: String, original: String, depth: Int)] = [(type, "", "", 0)]
        while !waiting.isEmpty {
            let next = waiting.removeFirst()
            for index in schema.messages[next.type].fields {
                let field = schema.fields[index]
                let original = next.original + schema.string(field.name)
                guard !taken.contains(original), !field.isMap, !field.flags.contains(.isExtension) else { continue }
                let name = next.prefix + schema.string(field.jsonName)
                if isText(field) {
                    guard found.count < most else { return found }
                    found.append((name, value(of: field)))
                } else if !field.isRepeated, next.depth < 3 {
                    waiting.append((Int(field.type), name + ".", original + ".", next.depth + 1))
                }
            }
        }
        return found
    }

    private mutating func value(of field: ProtoField) -> JSONValue {
        if field.isMap {
            let entry = schema.messages[Int(field.type)]
            // Key, then value: a set of descriptors that says otherwise was refused.
            guard let value = entry.fields.last else { return .members(["type": .string("object")]) }
            return .members(["type": .string("object"), "additionalProperties": single(schema.fields[value])])
        }
        guard field.isRepeated else { return single(field) }
        return .members(["type": .string("array"), "items": single(field)])
    }

    private mutating func single(_ field: ProtoField) -> JSONValue {
        func number(_ format: String, from least: Int64, through most: Int64) -> JSONValue {
            .members(["type": .string("integer"), "format": .string(format), "minimum": .integer(least), "maximum": .integer(most)])
        }
        func digits(_ format: String, _ pattern: String) -> JSONValue {
            .members(["type": .string("string"), "format": .string(format), "pattern": .string(pattern)])
        }
        switch field.kind {
        case .double, .float:
            return .members([
                "anyOf": .array([
                    .members(["type": .string("number")]), .members(["type": .string("string"), "enum": .texts(["NaN", "Infinity", "-Infinity"])]),
                ])
            ])
        case .int64, .sint64, .sfixed64: return digits("int64", "^-?[0-9]{1,19}$")
        case .uint64, .fixed64: return digits("uint64", "^[0-9]{1,20}$")
        case .int32, .sint32, .sfixed32: return number("int32", from: Int64(Int32.min), through: Int64(Int32.max))
        case .uint32, .fixed32: return number("uint32", from: 0, through: Int64(UInt32.max))
        case .bool: return .members(["type": .string("boolean")])
        case .string: return text(nil)
        case .bytes: return .members(["type": .string("string"), "contentEncoding": .string("base64")])
        case .message, .group: return value(ofMessage: Int(field.type))
        case .enum: return value(ofEnum: Int(field.type))
        }
    }

    private mutating func value(ofEnum type: Int) -> JSONValue {
        let declared = schema.enums[type]
        if declared.isNull { return .members(["type": .string("null")]) }
        let name = schema.string(declared.name)
        if known.insert(name).inserted {
            let values = (0..<Int(declared.valueCount)).map { i in
                // They are kept as JSON writes them, in quotes.
                JSONValue.string(String(schema.string(schema.enumValues[Int(declared.firstValue) + i].quoted).dropFirst().dropLast()))
            }
            documents.append(JSONValue.Member(name, .members(["type": .string("string"), "enum": .array(values)])))
        }
        return .reference(place + name)
    }

    private func text(_ format: String?) -> JSONValue {
        .members(["type": .string("string"), "format": format.map { .string($0) }])
    }
}
