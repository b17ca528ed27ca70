import Exchanges

/// What the way from JSON to a message keeps between calls.
struct EncoderScratch {
    var entries: [JSONTape.Entry] = []
    /// One bit for each field and oneof of the messages being written: is it set already?
    var seen: [UInt64] = []

    mutating func reset() {
        if entries.capacity > 16_384 { entries = [] }
        entries.removeAll(keepingCapacity: true)
        seen.removeAll(keepingCapacity: true)
    }
}

/// Writes one message from JSON: the text is parsed into a tape, the tape is walked once.
struct ProtoEncoder {
    var scratch = EncoderScratch()
    let schema: ProtoSchema
    let options: ProtoJSONOptions
    let wire: WireWriter
    var out: Buffer { wire.out }

    init(_ schema: ProtoSchema, _ options: ProtoJSONOptions, _ out: Buffer) {
        self.schema = schema
        self.options = options
        wire = WireWriter(out: out)
    }

    mutating func parse(_ json: Span<UInt8>) throws(ProtoJSONError) {
        var parser = JSONParser(limits: options.json)
        scratch.entries.removeAll(keepingCapacity: true)
        swap(&parser.entries, &scratch.entries)
        defer { swap(&parser.entries, &scratch.entries) }
        do throws(JSONError) {
            try parser.parse(json)
        } catch {
            throw ProtoJSONError(error.pointer, "\(error.reason.text), at byte \(error.offset)")
        }
    }

    mutating func whole(_ json: Span<UInt8>, _ type: Int) throws(ProtoJSONError) {
        try message(0, type, json, depth: options.depth)
    }

    /// Writes one field, and the messages around it, from the whole document.
    mutating func field(_ path: ProtoFieldPath, level: Int, _ json: Span<UInt8>) throws(ProtoJSONError) {
        let field = schema.fields[path.step(level)]
        if level == path.count - 1 {
            if kind(0) == .null, field.isRepeated || !field.flags.contains(.takesNull) { return }
            try value(0, field, json, depth: options.depth)
        } else if field.kind == .group {
            wire.tag(field.number, .groupStart)
            try self.field(path, level: level + 1, json)
            wire.tag(field.number, .groupEnd)
        } else {
            wire.tag(field.number, .bytes)
            let opened = wire.open(estimate: json.count / 2)
            try self.field(path, level: level + 1, json)
            wire.close(opened)
        }
    }

    // MARK: - The tape

    @inline(__always) func kind(_ node: Int) -> JSONTape.Kind { scratch.entries[node].kind }
    @inline(__always) func next(_ node: Int) -> Int { Int(scratch.entries[node].next) }
    func size(_ node: Int) -> Int { Int(scratch.entries[node].text.count) }

    func fail(_ node: Int, _ json: Span<UInt8>, _ text: String) -> ProtoJSONError {
        ProtoJSONError(pointer(node, json), text)
    }

    /// RFC 6901: the way from the document to the value, or the value of the name, at `node`.
    private func pointer(_ node: Int, _ json: Span<UInt8>) -> String {
        var pointer = ""
        var at = 0
        while at != node, kind(at) == .object || kind(at) == .array {
            let isObject = kind(at) == .object
            var child = at + 1
            var index = 0
            while true {
                let value = isObject ? child + 1 : child
                if node < next(value) {
                    pointer = JSONError.pointer(pointer, isObject ? string(child, json) : Array(String(index).utf8))
                    at = value
                    break
                }
                child = next(value)
                index += 1
            }
            if isObject, node == child { break }
        }
        return pointer
    }

    /// The bytes of a string or name, copied.
    func string(_ node: Int, _ json: Span<UInt8>) -> [UInt8] {
        let entry = scratch.entries[node]
        let raw = json.extracting(entry.text.range)
        return entry.escaped ? JSONString.unescaped(raw) : raw.bytes
    }

    // MARK: - Messages

    /// Writes the fields of a message of the type `type` from the value at `node`.
    mutating func message(_ node: Int, _ type: Int, _ json: Span<UInt8>, depth: Int) throws(ProtoJSONError) {
        guard depth > 0 else { throw fail(node, json, "is nested too deeply") }
        let message = schema.messages[type]
        if message.wellKnown != .none { return try wellKnown(node, message, json, depth: depth) }
        try members(node, message, json, depth: depth)
    }

    /// `isAny`: the object is that of an Any, whose `@type` is no field.
    mutating func members(
        _ node: Int, _ message: ProtoMessage, _ json: Span<UInt8>, isAny: Bool = false, depth: Int
    ) throws(ProtoJSONError) {
        guard kind(node) == .object else { throw fail(node, json, "must be an object") }
        let base = scratch.seen.count
        let words = (Int(message.fieldCount) &+ Int(message.oneofCount) &+ 63) / 64
        for _ in 0..<words { scratch.seen.append(0) }
        let end = next(node)
        var at = node &+ 1
        var guess = message.fields.lowerBound
        while at < end {
            let index = field(named: at, message, &guess, json)
            if index >= 0 {
                try member(at, index, message, base, json, depth: depth)
            } else if !(isAny && isNamed(at, "@type", json)), !options.ignoresUnknown {
                throw fail(at, json, "is no field of \(schema.string(message.name))")
            }
            at = next(at &+ 1)
        }
        if message.hasRequired { try checkRequired(node, message, base, json) }
        scratch.seen.removeLast(words)
    }

    func isNamed(_ node: Int, _ name: StaticString, _ json: Span<UInt8>) -> Bool {
        let entry = scratch.entries[node]
        return entry.escaped ? string(node, json).span.equals(name) : json.extracting(entry.text.range).equals(name)
    }

    /// `guess`: the field that follows the one before, as members mostly come in the order of the file.
    private func field(named node: Int, _ message: ProtoMessage, _ guess: inout Int, _ json: Span<UInt8>) -> Int {
        let entry = scratch.entries[node]
        guard !entry.escaped else { return schema.field(named: string(node, json).span, of: message) }
        let name = json.extracting(entry.text.range)
        if guess < message.fields.upperBound,
            schema.text.holds(name, at: schema.fields[guess].jsonName)
        {
            guess &+= 1
            return guess &- 1
        }
        let found = schema.field(named: name, of: message)
        if found >= 0 { guess = found &+ 1 }
        return found
    }

    private mutating func member(
        _ name: Int, _ index: Int, _ message: ProtoMessage, _ base: Int, _ json: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        let field = schema.fields[index]
        guard set(index &- message.fields.lowerBound, base) else { throw fail(name, json, "is given twice") }
        // null is the same as absent, but for the types that have a null of their own.
        if kind(name &+ 1) == .null, field.isRepeated || !field.flags.contains(.takesNull) { return }
        if field.oneof >= 0, !set(Int(message.fieldCount) &+ Int(field.oneof), base) {
            throw fail(name, json, "is one of several fields of which only one may be set")
        }
        try value(name &+ 1, field, json, depth: depth)
    }

    /// Notes the field or oneof; false when it was noted before.
    private mutating func set(_ bit: Int, _ base: Int) -> Bool {
        let word = base &+ bit / 64
        let mask: UInt64 = 1 << UInt64(bit % 64)
        guard scratch.seen[word] & mask == 0 else { return false }
        scratch.seen[word] |= mask
        return true
    }

    private func checkRequired(
        _ node: Int, _ message: ProtoMessage, _ base: Int, _ json: Span<UInt8>
    ) throws(ProtoJSONError) {
        for index in message.fields where schema.fields[index].flags.contains(.required) {
            let bit = index - message.fields.lowerBound
            guard scratch.seen[base + bit / 64] & 1 << UInt64(bit % 64) == 0 else { continue }
            let name = schema.text.copy(schema.fields[index].jsonName)
            throw ProtoJSONError(JSONError.pointer(pointer(node, json), name), "is required")
        }
    }

    // MARK: - Values

    /// Writes a whole field: its tag and value, or all of a list or map.
    mutating func value(_ node: Int, _ field: ProtoField, _ json: Span<UInt8>, depth: Int) throws(ProtoJSONError) {
        if field.isMap {
            try map(node, field, json, depth: depth)
        } else if field.isRepeated {
            try list(node, field, json, depth: depth)
        } else {
            _ = try single(node, field, json, omitsZero: !field.hasPresence, depth: depth)
        }
    }

    /// Writes one value with its tag. False when there is nothing to write: an unknown name of an enum
    /// value, and unknown ones are ignored.
    mutating func single(
        _ node: Int, _ field: ProtoField, _ json: Span<UInt8>, omitsZero: Bool = false, depth: Int
    ) throws(ProtoJSONError) -> Bool {
        switch field.kind {
        case .message:
            wire.tag(field.number, .bytes)
            let opened = wire.open(estimate: size(node) / 2)
            try message(node, Int(field.type), json, depth: depth - 1)
            wire.close(opened)
        case .group:
            wire.tag(field.number, .groupStart)
            try message(node, Int(field.type), json, depth: depth - 1)
            wire.tag(field.number, .groupEnd)
        case .string:
            guard kind(node) == .string else { throw fail(node, json, "must be a string") }
            if omitsZero, size(node) == 0 { return true }
            wire.tag(field.number, .bytes)
            text(node, json)
        case .bytes:
            guard kind(node) == .string else { throw fail(node, json, "must be a string of base64") }
            if omitsZero, size(node) == 0 { return true }
            wire.tag(field.number, .bytes)
            try base64(node, json)
        default:
            guard let bits = try number(node, field, json) else { return false }
            if omitsZero, bits == 0 { return true }
            wire.tag(field.number, field.kind.wireType)
            wire.bits(bits, field.kind)
        }
        return true
    }

    /// A string's bytes with their length.
    func text(_ node: Int, _ json: Span<UInt8>) {
        let entry = scratch.entries[node]
        let raw = json.extracting(entry.text.range)
        guard entry.escaped else { return wire.bytes(raw) }
        let opened = wire.open(estimate: raw.count)
        var sink = out
        JSONString.unescape(raw, to: &sink)
        wire.close(opened)
    }

    private func base64(_ node: Int, _ json: Span<UInt8>) throws(ProtoJSONError) {
        let entry = scratch.entries[node]
        let raw = json.extracting(entry.text.range)
        let opened = wire.open(estimate: raw.count / 4 * 3)
        let isRead = entry.escaped ? Base64.decode(string(node, json).span, to: out) : Base64.decode(raw, to: out)
        guard isRead else { throw fail(node, json, "must be base64") }
        wire.close(opened)
    }

    /// The bits of a number, boolean or enum value; nil for an unknown name that is ignored.
    func number(_ node: Int, _ field: ProtoField, _ json: Span<UInt8>) throws(ProtoJSONError) -> UInt64? {
        let entry = scratch.entries[node]
        let raw = json.extracting(entry.text.range)
        var bits: UInt64?
        switch entry.kind {
        case .true where field.kind == .bool: bits = 1
        case .false where field.kind == .bool: bits = 0
        case .null where field.flags.contains(.takesNull): bits = 0
        case .number where field.kind != .bool: bits = ScalarText.bits(raw, field, schema)
        case .string where field.kind != .bool:
            bits = entry.escaped ? ScalarText.bits(string(node, json).span, field, schema) : ScalarText.bits(raw, field, schema)
            if bits == nil, field.kind == .enum, options.ignoresUnknown { return nil }
        default: break
        }
        guard let bits else { throw fail(node, json, ScalarText.rule(field, schema)) }
        return bits
    }

    // MARK: - Lists and maps

    private mutating func list(
        _ node: Int, _ field: ProtoField, _ json: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        guard kind(node) == .array else { throw fail(node, json, "must be a list") }
        let end = next(node)
        var at = node &+ 1
        guard at < end else { return }
        let isPacked = field.flags.contains(.packed)
        if isPacked { wire.tag(field.number, .bytes) }
        let opened = isPacked ? wire.open(estimate: size(node) / 2) : nil
        while at < end {
            guard kind(at) != .null || field.flags.contains(.takesNull) else {
                throw fail(at, json, "must not be null in a list")
            }
            if isPacked {
                if let bits = try number(at, field, json) { wire.bits(bits, field.kind) }
            } else {
                _ = try single(at, field, json, depth: depth)
            }
            at = next(at)
        }
        if let opened { wire.close(opened) }
    }

    mutating func map(_ node: Int, _ field: ProtoField, _ json: Span<UInt8>, depth: Int) throws(ProtoJSONError) {
        guard kind(node) == .object else { throw fail(node, json, "must be an object") }
        let entry = schema.messages[Int(field.type)]
        let keyField = schema.fields[entry.fields.lowerBound]
        let valueField = schema.fields[entry.fields.lowerBound &+ 1]
        let end = next(node)
        var at = node &+ 1
        while at < end {
            let value = at &+ 1
            guard kind(value) != .null || valueField.flags.contains(.takesNull) else {
                throw fail(value, json, "must not be null in a map")
            }
            let before = out.count
            wire.tag(field.number, .bytes)
            let opened = wire.open(estimate: (size(at) + size(value)) / 2)
            try key(at, keyField, json)
            if try single(value, valueField, json, depth: depth) {
                wire.close(opened)
            } else {
                out.dropLast(out.count - before)
            }
            at = next(value)
        }
    }

    private func key(_ node: Int, _ field: ProtoField, _ json: Span<UInt8>) throws(ProtoJSONError) {
        wire.tag(1, field.kind.wireType)
        if field.kind == .string { return text(node, json) }
        let entry = scratch.entries[node]
        let raw = json.extracting(entry.text.range)
        let found = entry.escaped ? ScalarText.bits(string(node, json).span, field, schema) : ScalarText.bits(raw, field, schema)
        guard let bits = found else { throw fail(node, json, "the key " + ScalarText.rule(field, schema)) }
        wire.bits(bits, field.kind)
    }
}
