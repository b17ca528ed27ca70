/// What of a new schema breaks those who speak an old one: on the wire, in generated code, or in JSON.
public enum ProtoChanges {
    public struct Change: Sendable, Equatable {
        /// In full: `pkg.Message.field`, `pkg.Service/Method`.
        public var symbol: String
        /// What has changed, whom it breaks, and what to do.
        public var text: String
    }

    /// - Parameter new: nil = there are no contracts any more.
    public static func breaking(from old: ProtoSchema, to new: ProtoSchema?) -> [Change] {
        var changes: [Change] = []
        for service in old.services {
            for i in service.methods { compare(old.methods[i], of: service, old, new, &changes) }
        }
        // Only what calls are made of: a message that nobody sends breaks nobody.
        for type in old.messagesOfMethods {
            let name = old.name(ofMessage: type)
            guard let new, let other = new.message(named: name) else {
                changes.append(Change(symbol: name, text: "message removed; it is sent by old clients: keep it"))
                continue
            }
            compare(old.messages[type], named: name, old, new.messages[other], new, &changes)
        }
        return changes
    }

    private static func compare(
        _ method: ProtoMethod, of service: ProtoService, _ old: ProtoSchema, _ new: ProtoSchema?, _ changes: inout [Change]
    ) {
        let symbol = "\(service.name)/\(method.name)"
        guard let new, let index = new.method(path: method.path.utf8Span.span) else {
            changes.append(Change(symbol: symbol, text: "method removed; old clients call it: keep it"))
            return
        }
        let other = new.methods[index]
        if method.clientStreaming != other.clientStreaming || method.serverStreaming != other.serverStreaming {
            changes.append(Change(symbol: symbol, text: "streaming changed; old clients make another kind of call: add a new method"))
        }
        for (what, mine, theirs) in [
            ("request", old.name(ofMessage: method.input), new.name(ofMessage: other.input)),
            ("answer", old.name(ofMessage: method.output), new.name(ofMessage: other.output)),
        ] where mine != theirs {
            changes.append(Change(symbol: symbol, text: "\(what) changed from \(mine) to \(theirs); old clients know the first: add a new method"))
        }
    }

    private static func compare(
        _ message: ProtoMessage, named name: String, _ old: ProtoSchema, _ other: ProtoMessage, _ new: ProtoSchema,
        _ changes: inout [Change]
    ) {
        for index in message.fields {
            let field = old.fields[index]
            let label = old.string(field.name)
            let symbol = "\(name).\(label)"
            let found = new.field(field.number, of: other)
            guard found >= 0 else {
                let moved = new.field(named: label.utf8Span.span, of: other)
                let text =
                    moved >= 0
                    ? "number changed from \(field.number) to \(new.fields[moved].number); old clients send the first: take it back"
                    : "field \(field.number) removed; old clients send and read it: keep it, deprecated"
                changes.append(Change(symbol: symbol, text: text))
                continue
            }
            compare(field, symbol, old, new.fields[found], new, &changes)
        }
        for index in other.fields where new.fields[index].flags.contains(.required) {
            let field = new.fields[index]
            let before = old.field(field.number, of: message)
            if before < 0 || !old.fields[before].flags.contains(.required) {
                changes.append(
                    Change(
                        symbol: "\(name).\(new.string(field.name))", text: "field became required; old clients do not send it: make it optional"))
            }
        }
    }

    private static func compare(
        _ field: ProtoField, _ symbol: String, _ old: ProtoSchema, _ other: ProtoField, _ new: ProtoSchema,
        _ changes: inout [Change]
    ) {
        func change(_ text: String) { changes.append(Change(symbol: symbol, text: text)) }
        if old.string(field.name) != new.string(other.name) {
            change("number \(field.number) is now '\(new.string(other.name))'; in JSON and in old clients it has the old name: use a new number")
        } else if old.string(field.jsonName) != new.string(other.jsonName) {
            change("name in JSON changed to '\(new.string(other.jsonName))'; old clients write the first: take it back")
        }
        if field.kind != other.kind {
            return change("type changed from \(field.kind) to \(other.kind); old clients send the first: add a new field")
        }
        if field.isRepeated != other.isRepeated || field.isMap != other.isMap {
            change("cardinality changed; old clients send and read the other: add a new field")
        }
        if (field.oneof >= 0) != (other.oneof >= 0) {
            change("moved \(other.oneof >= 0 ? "into" : "out of") a oneof; old clients set it together with others, or not at all: add a new field")
        }
        switch field.kind {
        case .message, .group:
            let (mine, theirs) = (old.name(ofMessage: Int(field.type)), new.name(ofMessage: Int(other.type)))
            if mine != theirs { change("type changed from \(mine) to \(theirs); old clients send the first: add a new field") }
        case .enum: compare(old.enums[Int(field.type)], old, new.enums[Int(other.type)], new, symbol, &changes)
        default: break
        }
    }

    private static func compare(
        _ type: ProtoEnum, _ old: ProtoSchema, _ other: ProtoEnum, _ new: ProtoSchema, _ symbol: String, _ changes: inout [Change]
    ) {
        let (mine, theirs) = (old.string(type.name), new.string(other.name))
        guard mine == theirs else {
            changes.append(Change(symbol: symbol, text: "type changed from \(mine) to \(theirs); old clients send the first: add a new field"))
            return
        }
        for i in Int(type.firstValue)..<Int(type.firstValue + type.valueCount) {
            let value = old.enumValues[i]
            let found = new.value(value.number, of: other)
            let name = old.string(value.quoted).dropFirst().dropLast()
            let change = Change(symbol: "\(mine).\(name)", text: "value \(value.number) removed or renamed; old clients send it: keep it")
            let isKept = found >= 0 && new.string(new.enumValues[found].quoted).dropFirst().dropLast() == name
            if !isKept, !changes.contains(change) { changes.append(change) }
        }
    }
}

extension ProtoSchema {
    /// The messages of all methods, and those they are made of, in order.
    fileprivate var messagesOfMethods: [Int] {
        var found: Set<Int> = []
        var waiting = methods.flatMap { [$0.input, $0.output] }
        while let type = waiting.popLast() {
            guard found.insert(type).inserted else { continue }
            for index in messages[type].fields where fields[index].kind.isMessage { waiting.append(Int(fields[index].type)) }
        }
        return found.sorted()
    }
}
