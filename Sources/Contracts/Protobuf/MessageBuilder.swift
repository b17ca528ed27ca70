import Exchanges

/// Links one message: its fields in order of number, looked up by number and by name.
struct MessageBuilder {
    private let draft: SchemaLinker.Draft
    private var fields: [ProtoField] = []
    /// JSON names first: where two names meet, they win.
    private var jsonNames: [(name: Slice, value: Int32)] = []
    private var originalNames: [(name: Slice, value: Int32)] = []
    /// From the index of a oneof's declaration to its number among the real ones; -1 for a synthetic one.
    private var oneofs: [Int32] = []

    init(_ draft: SchemaLinker.Draft) { self.draft = draft }

    private func fail(_ linker: SchemaLinker, _ text: String, _ field: String? = nil) -> ProtoSchemaError {
        ProtoSchemaError(
            file: linker.files[draft.file].name, symbol: field.map { draft.name + "." + $0 } ?? draft.name, text)
    }

    mutating func build(into linker: inout SchemaLinker) throws(ProtoSchemaError) {
        numberOneofs()
        for field in draft.parsed.fields { try add(field, nil, draft.features, to: &linker) }
        for (field, scope, features) in draft.added { try add(field, scope, features, to: &linker) }
        fields.sort { $0.number < $1.number }
        for i in fields.indices.dropFirst() where fields[i].number == fields[i - 1].number {
            throw fail(linker, "uses number \(fields[i].number) twice", linker.string(fields[i].name))
        }
        let first = Int32(linker.fields.count)
        try checkNames(linker)
        for (i, field) in fields.enumerated() {
            jsonNames.append((field.jsonName, first + Int32(i)))
            originalNames.append((field.name, first + Int32(i)))
        }
        let wellKnown = WellKnownType(named: draft.name)
        try checkShape(wellKnown, linker)
        if draft.parsed.isMapEntry { try checkEntry(linker) }

        // Dense as long as at most half of it is empty.
        var dense: UInt32 = 0
        for (i, field) in fields.enumerated() where Int(field.number) <= 2 * (i + 1) + 16 { dense = field.number + 1 }
        let firstNumber = Int32(linker.numbers.count)
        linker.numbers.append(contentsOf: repeatElement(-1, count: Int(dense)))
        for (i, field) in fields.enumerated() where field.number < dense {
            linker.numbers[Int(firstNumber) + Int(field.number)] = first + Int32(i)
        }
        linker.fields.append(contentsOf: fields)
        linker.messages.append(
            ProtoMessage(
                name: linker.add(draft.name), firstField: first, fieldCount: Int32(fields.count), firstNumber: firstNumber,
                numberCount: dense, names: linker.table.add(jsonNames + originalNames, linker.text),
                oneofCount: 1 + (oneofs.max() ?? -1), wellKnown: wellKnown, isMapEntry: draft.parsed.isMapEntry,
                hasRequired: fields.contains { $0.flags.contains(.required) }))
    }

    /// A proto3 `optional` is declared as a oneof of its own, which is none to JSON.
    private mutating func numberOneofs() {
        oneofs = Array(repeating: 0, count: draft.parsed.oneofs.count)
        for field in draft.parsed.fields where field.isProto3Optional {
            if let oneof = field.oneof, oneofs.indices.contains(Int(oneof)) { oneofs[Int(oneof)] = -1 }
        }
        var next: Int32 = 0
        for i in oneofs.indices where oneofs[i] >= 0 {
            oneofs[i] = next
            next += 1
        }
    }

    // MARK: - One field

    /// `scope`: where an extension is declared; nil for the message's own fields.
    private mutating func add(
        _ parsed: ParsedField, _ scope: String?, _ outer: ProtoFeatures, to linker: inout SchemaLinker
    ) throws(ProtoSchemaError) {
        let features = outer.changed(by: parsed.features)
        guard parsed.number >= 1, parsed.number <= 536_870_911, !(19000...19999).contains(parsed.number) else {
            throw fail(linker, "\(parsed.number) is no field number", parsed.name)
        }
        guard var kind = ProtoField.Kind(rawValue: UInt8(clamping: parsed.type)) else {
            throw fail(linker, "has no known type", parsed.name)
        }
        if kind == .message, features.isDelimited, !draft.parsed.isMapEntry { kind = .group }
        var flags: ProtoField.Flags = []
        let type = try type(of: parsed, kind, &flags, linker)
        if flags.contains(.map) { kind = .message }
        try setFlags(&flags, parsed, kind, features, linker)
        if scope != nil { flags.insert(.isExtension) }

        var oneof: Int32 = -1
        if let index = parsed.oneof {
            guard oneofs.indices.contains(Int(index)), !flags.contains(.repeated) else {
                throw fail(linker, "belongs to a oneof that is not declared", parsed.name)
            }
            oneof = oneofs[Int(index)]
        }
        // An extension is named in brackets, in JSON as in paths.
        let original = scope.map { "[" + ($0.isEmpty ? "" : $0 + ".") + parsed.name + "]" } ?? parsed.name
        let json = scope == nil ? parsed.jsonName ?? Self.camelCase(parsed.name) : original
        let name = linker.add(original)
        fields.append(
            ProtoField(
                number: UInt32(parsed.number), kind: kind, flags: flags, oneof: oneof, type: type, name: name,
                jsonName: json == original ? name : linker.add(json), member: linker.add(Self.member(json)),
                originalMember: linker.add(Self.member(original))))
    }

    private func type(
        of parsed: ParsedField, _ kind: ProtoField.Kind, _ flags: inout ProtoField.Flags, _ linker: SchemaLinker
    ) throws(ProtoSchemaError) -> Int32 {
        guard kind.isMessage || kind == .enum else { return -1 }
        let symbol = try linker.symbol(parsed.typeName, draft.file, draft.name + "." + parsed.name)
        guard symbol.kind == (kind == .enum ? .enum : .message) else {
            throw fail(linker, "\(parsed.typeName) is of the wrong kind", parsed.name)
        }
        if kind == .enum {
            if linker.enums[symbol.index].isOpen { flags.insert(.openEnum) }
            if linker.enums[symbol.index].isNull { flags.insert(.takesNull) }
        } else if linker.isMapEntry(symbol.index) {
            guard parsed.label == .repeated else { throw fail(linker, "a map field must be repeated", parsed.name) }
            flags.insert(.map)
        } else if linker.name(ofDraft: symbol.index) == "google.protobuf.Value" {
            flags.insert(.takesNull)
        }
        return Int32(symbol.index)
    }

    private func setFlags(
        _ flags: inout ProtoField.Flags, _ parsed: ParsedField, _ kind: ProtoField.Kind, _ features: ProtoFeatures,
        _ linker: SchemaLinker
    ) throws(ProtoSchemaError) {
        if kind == .string, features.checksUTF8 { flags.insert(.utf8) }
        switch parsed.label {
        case .repeated:
            flags.insert(.repeated)
            if kind.isPackable, parsed.packed ?? features.isPacked { flags.insert(.packed) }
        case .required: flags.formUnion([.presence, .required])
        case .optional:
            if features.hasPresence || parsed.oneof != nil || parsed.isProto3Optional || kind.isMessage {
                flags.insert(.presence)
            }
            if features.isRequired { flags.formUnion([.presence, .required]) }
        }
    }

    // MARK: - Names

    private static func member(_ name: String) -> String {
        var json = JSONWriter<[UInt8]>([])
        json.string(name)
        return String(decoding: json.sink, as: UTF8.self) + ":"
    }

    /// What protoc makes of a name when the file gives no json_name.
    private static func camelCase(_ name: String) -> String {
        var camel: [UInt8] = []
        var raise = false
        for byte in name.utf8 {
            if byte == UInt8(ascii: "_") {
                raise = true
            } else {
                camel.append(raise && byte &- 97 < 26 ? byte & 0xDF : byte)
                raise = false
            }
        }
        return String(decoding: camel, as: UTF8.self)
    }

    private func checkNames(_ linker: SchemaLinker) throws(ProtoSchemaError) {
        var seen: [String: Slice] = [:]
        for field in fields {
            let json = linker.string(field.jsonName)
            if let other = seen.updateValue(field.name, forKey: json) {
                throw fail(linker, "has the JSON name \"\(json)\" of \(linker.string(other))", linker.string(field.name))
            }
        }
    }

    // MARK: - Shapes

    private func checkShape(_ wellKnown: WellKnownType, _ linker: SchemaLinker) throws(ProtoSchemaError) {
        let own = fields.filter { !$0.flags.contains(.isExtension) }
        if wellKnown == .wrapper {
            guard own.count == 1, own[0].number == 1, !own[0].isRepeated, !own[0].kind.isMessage else {
                throw fail(linker, "is not the wrapper it is named after")
            }
        }
        guard let shape = wellKnown.shape else { return }
        guard own.map(\.kind) == shape, own.enumerated().allSatisfy({ $0 + 1 == $1.number }) else {
            throw fail(linker, "is not the well-known type it is named after")
        }
        let isRight =
            switch wellKnown {
            case .fieldMask: own[0].isRepeated
            case .struct: own[0].isMap
            case .listValue: own[0].isRepeated && own[0].flags.contains(.takesNull)
            case .value: own.allSatisfy { $0.oneof == 0 } && own[0].flags.contains(.takesNull)
            default: own.allSatisfy { !$0.isRepeated }
            }
        guard isRight else { throw fail(linker, "is not the well-known type it is named after") }
        if wellKnown == .value {
            guard linker.name(ofDraft: Int(own[4].type)) == "google.protobuf.Struct",
                linker.name(ofDraft: Int(own[5].type)) == "google.protobuf.ListValue"
            else { throw fail(linker, "is not the well-known type it is named after") }
        }
    }

    private func checkEntry(_ linker: SchemaLinker) throws(ProtoSchemaError) {
        guard fields.count == 2, fields[0].number == 1, fields[1].number == 2, !fields[0].isRepeated,
            !fields[1].isRepeated
        else { throw fail(linker, "is no map entry: it needs a key and a value") }
        switch fields[0].kind {
        case .double, .float, .bytes, .enum, .message, .group:
            throw fail(linker, "has a key of a kind no map can have")
        default: break
        }
    }
}

extension SchemaLinker {
    func string(_ slice: Slice) -> String { text.string(slice) }
    func name(ofDraft index: Int) -> String { drafts[index].name }
    func isMapEntry(_ index: Int) -> Bool { drafts[index].parsed.isMapEntry }
}
