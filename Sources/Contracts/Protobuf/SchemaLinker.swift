import Exchanges

/// From parsed files to linked tables: orders the files, gives every type its index, resolves names.
struct SchemaLinker {
    struct Symbol {
        enum Kind { case message, `enum`, other }
        var kind: Kind
        /// In `messages` or `enums`.
        var index: Int
        var file: Int
    }

    var files: [ProtoFile] = []
    var services: [ProtoService] = []
    var methods: [ProtoMethod] = []
    var messages: [ProtoMessage] = []
    var fields: [ProtoField] = []
    var enums: [ProtoEnum] = []
    var enumValues: [ProtoEnumValue] = []
    var numbers: [Int32] = []
    var text: [UInt8] = []
    var table = NameTable()
    var messageNames = NameTable.Range.none
    var methodPaths = NameTable.Range.none
    var fileNames: [String: Int] = [:]
    var symbols: [String: Symbol] = [:]
    var extensions: [String: [Int32: Int]] = [:]

    /// A message on the way to its tables: its own fields, then its extensions.
    struct Draft {
        var name: String
        var file: Int
        var parsed: ParsedMessage
        var features: ProtoFeatures
        var added: [(field: ParsedField, scope: String, features: ProtoFeatures)] = []
    }

    var drafts: [Draft] = []

    static func link(
        _ sets: [ProtoDescriptorSet], limits: ProtoSchemaLimits
    ) throws(ProtoSchemaError) -> SchemaLinker {
        var linker = SchemaLinker()
        let parsed = try linker.ordered(try distinct(sets, limits: limits))
        for file in parsed { try linker.register(file) }
        for file in parsed { try linker.attachExtensions(of: file) }
        for i in linker.drafts.indices { try linker.message(i) }
        linker.messageNames = linker.table.add(
            linker.messages.enumerated().map { ($1.name, Int32($0)) }, linker.text)
        for (i, file) in parsed.enumerated() { try linker.services(of: file, i) }
        let paths = linker.methods.enumerated().map { i, method in (linker.add(method.path), Int32(i)) }
        linker.methodPaths = linker.table.add(paths, linker.text)
        return linker
    }

    // MARK: - Files

    /// Each file once; the same name with other contents is a mistake.
    private static func distinct(
        _ sets: [ProtoDescriptorSet], limits: ProtoSchemaLimits
    ) throws(ProtoSchemaError) -> [ParsedFile] {
        var files: [ParsedFile] = []
        var seen: [String: Int] = [:]
        var types = 0
        var members = 0
        for set in sets {
            for file in try DescriptorReader.files(in: set, limits: limits) {
                if let earlier = seen[file.name] {
                    guard files[earlier].bytes == file.bytes else {
                        throw ProtoSchemaError(file: file.name, "differs from the file of this name read before (in \(set.name))")
                    }
                    continue
                }
                guard files.count < limits.files else {
                    throw ProtoSchemaError(file: set.name, "more than \(limits.files) files")
                }
                types += file.typeCount
                members += file.memberCount
                guard types <= limits.types, members <= limits.members else {
                    throw ProtoSchemaError(file: file.name, "the files together hold too many types, fields or values")
                }
                seen[file.name] = files.count
                files.append(file)
            }
        }
        return files
    }

    /// Dependencies first; also fills `files` and `fileNames`.
    private mutating func ordered(_ parsed: [ParsedFile]) throws(ProtoSchemaError) -> [ParsedFile] {
        let places = Dictionary(uniqueKeysWithValues: parsed.enumerated().map { ($1.name, $0) })
        for file in parsed {
            for name in file.dependencies where places[name] == nil {
                throw ProtoSchemaError(file: file.name, "imports \(name), which is in none of the sets")
            }
        }
        var order: [Int] = []
        // 0 not visited, 1 on the way, 2 done; the stack holds how far each file's imports were followed.
        var state = [UInt8](repeating: 0, count: parsed.count)
        for root in parsed.indices where state[root] == 0 {
            var stack = [(file: root, next: 0)]
            state[root] = 1
            while let top = stack.last {
                if top.next < parsed[top.file].dependencies.count {
                    stack[stack.count - 1].next += 1
                    guard let place = places[parsed[top.file].dependencies[top.next]] else { continue }
                    guard state[place] != 1 else {
                        throw ProtoSchemaError(file: parsed[top.file].name, "imports \(parsed[place].name), which imports it")
                    }
                    if state[place] == 0 {
                        state[place] = 1
                        stack.append((place, 0))
                    }
                } else {
                    state[top.file] = 2
                    order.append(top.file)
                    stack.removeLast()
                }
            }
        }
        for place in order {
            let file = parsed[place]
            fileNames[file.name] = files.count
            files.append(
                ProtoFile(
                    name: file.name, package: file.package, bytes: file.bytes,
                    dependencies: file.dependencies.compactMap { fileNames[$0] }))
        }
        return order.map { parsed[$0] }
    }

    // MARK: - Names

    /// Puts `name` behind the others.
    mutating func add(_ name: String) -> Slice {
        let start = text.count
        text.append(contentsOf: name.utf8)
        return Slice(start, text.count)
    }

    private static func joined(_ scope: String, _ name: String) -> String { scope.isEmpty ? name : scope + "." + name }

    private mutating func declare(
        _ name: String, _ file: Int, _ kind: Symbol.Kind = .other, _ index: Int = 0
    ) throws(ProtoSchemaError) {
        if let earlier = symbols.updateValue(Symbol(kind: kind, index: index, file: file), forKey: name) {
            throw ProtoSchemaError(file: files[file].name, symbol: name, "is declared twice (also in \(files[earlier.file].name))")
        }
    }

    /// Declares everything in `file` and gives messages and enums their indices.
    private mutating func register(_ file: ParsedFile) throws(ProtoSchemaError) {
        let index = fileNames[file.name] ?? 0
        guard let features = ProtoFeatures(file: file) else {
            let language = file.edition == 0 ? "syntax \"\(file.syntax)\"" : "edition \(file.edition)"
            throw ProtoSchemaError(file: file.name, "is written in \(language), which is not supported")
        }
        for message in file.messages { try register(message, in: file.package, index, features) }
        for type in file.enums { try register(type, in: file.package, index, features) }
        for field in file.extensions { try declare(Self.joined(file.package, field.name), index) }
        for service in file.services {
            let name = Self.joined(file.package, service.name)
            try declare(name, index)
            for method in service.methods { try declare(name + "." + method.name, index) }
        }
    }

    private mutating func register(
        _ message: ParsedMessage, in scope: String, _ file: Int, _ outer: ProtoFeatures
    ) throws(ProtoSchemaError) {
        let name = Self.joined(scope, message.name)
        let features = outer.changed(by: message.features)
        try declare(name, file, .message, drafts.count)
        guard !message.isMessageSet else {
            throw ProtoSchemaError(file: files[file].name, symbol: name, "message_set_wire_format is not supported")
        }
        drafts.append(Draft(name: name, file: file, parsed: message, features: features))
        for field in message.fields + message.extensions { try declare(name + "." + field.name, file) }
        for oneof in message.oneofs { try declare(name + "." + oneof, file) }
        for inner in message.messages { try register(inner, in: name, file, features) }
        for type in message.enums { try register(type, in: name, file, features) }
    }

    private mutating func register(
        _ type: ParsedEnum, in scope: String, _ file: Int, _ outer: ProtoFeatures
    ) throws(ProtoSchemaError) {
        let name = Self.joined(scope, type.name)
        try declare(name, file, .enum, enums.count)
        guard let first = type.values.first else {
            throw ProtoSchemaError(file: files[file].name, symbol: name, "has no values")
        }
        // A value's full name stands beside its enum, not inside it.
        for value in type.values { try declare(Self.joined(scope, value.name), file) }
        let start = enumValues.count
        var ordered: [(number: Int32, place: Int)] = []
        for (place, value) in type.values.enumerated() { ordered.append((value.number, place)) }
        ordered.sort { ($0.number, $0.place) < ($1.number, $1.place) }
        var names: [(name: Slice, value: Int32)] = []
        for (number, place) in ordered {
            let quoted = add("\"" + type.values[place].name + "\"")
            if enumValues.count == start || enumValues[enumValues.count - 1].number != number {
                enumValues.append(ProtoEnumValue(number: number, quoted: quoted))
            }
            names.append((Slice(Int(quoted.start) + 1, quoted.end - 1), Int32(enumValues.count - 1)))
        }
        enums.append(
            ProtoEnum(
                name: add(name), firstValue: Int32(start), valueCount: Int32(enumValues.count - start),
                names: table.add(names, text), firstNumber: first.number,
                isOpen: outer.changed(by: type.features).enumsAreOpen, isNull: name == "google.protobuf.NullValue"))
    }

    /// A reference as protoc writes it: full, with a leading dot.
    func symbol(_ reference: String, _ file: Int, _ owner: String) throws(ProtoSchemaError) -> Symbol {
        guard reference.utf8.first == UInt8(ascii: "."), let found = symbols[String(reference.dropFirst())] else {
            throw ProtoSchemaError(file: files[file].name, symbol: owner, "refers to \"\(reference)\", which is not declared")
        }
        return found
    }

    // MARK: - Extensions and messages

    private mutating func attachExtensions(of file: ParsedFile) throws(ProtoSchemaError) {
        let index = fileNames[file.name] ?? 0
        guard let features = ProtoFeatures(file: file) else { return }
        for field in file.extensions { try attach(field, scope: file.package, index, features) }
        // `register` went the same way, so each message finds its own draft by name.
        func nested(_ messages: [ParsedMessage], _ scope: String, into found: inout [(ParsedMessage, String)]) {
            for message in messages {
                let name = Self.joined(scope, message.name)
                found.append((message, name))
                nested(message.messages, name, into: &found)
            }
        }
        var all: [(ParsedMessage, String)] = []
        nested(file.messages, file.package, into: &all)
        for (message, name) in all {
            for field in message.extensions { try attach(field, scope: name, index, features) }
        }
    }

    private mutating func attach(
        _ field: ParsedField, scope: String, _ file: Int, _ features: ProtoFeatures
    ) throws(ProtoSchemaError) {
        let owner = Self.joined(scope, field.name)
        let extended = try symbol(field.extendee, file, owner)
        guard extended.kind == .message else {
            throw ProtoSchemaError(file: files[file].name, symbol: owner, "extends \(field.extendee), which is no message")
        }
        let name = drafts[extended.index].name
        guard extensions[name, default: [:]].updateValue(file, forKey: field.number) == nil else {
            throw ProtoSchemaError(file: files[file].name, symbol: owner, "extends \(name) by number \(field.number) a second time")
        }
        drafts[extended.index].added.append((field, scope, features))
    }

    private mutating func message(_ i: Int) throws(ProtoSchemaError) {
        let draft = drafts[i]
        var builder = MessageBuilder(draft)
        try builder.build(into: &self)
    }

    // MARK: - Services

    private mutating func services(of file: ParsedFile, _ index: Int) throws(ProtoSchemaError) {
        for service in file.services {
            let name = Self.joined(file.package, service.name)
            let first = methods.count
            for method in service.methods {
                let owner = name + "." + method.name
                let input = try symbol(method.input, index, owner)
                let output = try symbol(method.output, index, owner)
                guard input.kind == .message, output.kind == .message else {
                    throw ProtoSchemaError(file: file.name, symbol: owner, "takes or answers something that is no message")
                }
                methods.append(
                    ProtoMethod(
                        name: method.name, path: "/" + name + "/" + method.name, service: services.count,
                        input: input.index, output: output.index, clientStreaming: method.clientStreaming,
                        serverStreaming: method.serverStreaming,
                        idempotency: ProtoMethod.Idempotency(rawValue: method.idempotency) ?? .unknown))
            }
            services.append(ProtoService(name: name, methods: first..<methods.count, file: index))
        }
    }
}

extension ParsedFile {
    var typeCount: Int { messages.reduce(enums.count + services.count) { $0 + $1.typeCount } }
    var memberCount: Int {
        let own = extensions.count + services.reduce(0) { $0 + $1.methods.count } + enums.reduce(0) { $0 + $1.values.count }
        return messages.reduce(own) { $0 + $1.memberCount }
    }
}

extension ParsedMessage {
    var typeCount: Int { messages.reduce(1 + enums.count) { $0 + $1.typeCount } }
    var memberCount: Int {
        let own = fields.count + extensions.count + oneofs.count + enums.reduce(0) { $0 + $1.values.count }
        return messages.reduce(own) { $0 + $1.memberCount }
    }
}
