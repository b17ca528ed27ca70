import Exchanges

/// Is an encoded message what its contract says? A walk over its bytes that keeps nothing of them.
public struct MessageCheck: Sendable {
    /// Fields that the contract does not know, and numbers that its enums do not name, are faults too.
    public var refusesUnknown: Bool
    /// Messages (and groups) inside each other.
    public var depth = 64

    public init(refusesUnknown: Bool = false) { self.refusesUnknown = refusesUnknown }

    /// What is wrong, and in which field, by its names in the .proto file as a JSON Pointer; nil when nothing is.
    /// Behind a fault nothing can be read, so there is never more than one.
    /// - Parameter type: in `schema.messages`.
    public func fault(in message: Span<UInt8>, type: Int, _ schema: ProtoSchema) -> ProtoJSONError? {
        guard message.count < Int(UInt32.max) else { return ProtoJSONError("", "the message is too large") }
        var walk = MessageWalk(schema: schema, refusesUnknown: refusesUnknown)
        do throws(WireError) {
            try walk.message(Slice(0, message.count), schema.messages[type], message, left: depth)
            return nil
        } catch {
            let pointer = walk.path.reduce("") { JSONError.pointer($0, Array(schema.string(schema.fields[$1].name).utf8)) }
            return ProtoJSONError(pointer, "\(error.text)")
        }
    }
}

private struct MessageWalk {
    let schema: ProtoSchema
    let refusesUnknown: Bool
    /// The fields that are being read, from the outside in; where it stopped, after a fault.
    var path: [Int] = []

    init(schema: ProtoSchema, refusesUnknown: Bool) {
        self.schema = schema
        self.refusesUnknown = refusesUnknown
    }

    mutating func message(_ slice: Slice, _ message: ProtoMessage, _ bytes: Span<UInt8>, left: Int) throws(WireError) {
        guard left > 0 else { throw .tooDeep }
        var reader = WireReader(slice)
        var seen: Set<Int> = []
        while !reader.isAtEnd {
            let (number, type) = try reader.tag(bytes)
            let index = schema.field(number, of: message)
            guard index >= 0 else {
                if refusesUnknown { throw .unknownField }
                try reader.skip(number, type, bytes, depth: left)
                continue
            }
            path.append(index)
            try value(&reader, schema.fields[index], type, bytes, left: left)
            path.removeLast()
            if message.hasRequired { seen.insert(index) }
        }
        guard message.hasRequired else { return }
        for index in message.fields where schema.fields[index].flags.contains(.required) && !seen.contains(index) {
            path.append(index)
            throw .missing
        }
    }

    private mutating func value(
        _ reader: inout WireReader, _ field: ProtoField, _ type: WireType, _ bytes: Span<UInt8>, left: Int
    ) throws(WireError) {
        if type == .bytes, field.isRepeated, field.kind.isPackable {
            var values = WireReader(try reader.delimited(bytes))
            while !values.isAtEnd { try scalar(&values, field, field.kind.wireType, bytes) }
            return
        }
        guard type == field.kind.wireType else { throw .mistyped }
        guard type == .bytes || type == .groupStart else { return try scalar(&reader, field, type, bytes) }
        let slice = type == .bytes ? try reader.delimited(bytes) : try reader.group(field.number, bytes, depth: left)
        if field.kind.isMessage {
            try message(slice, schema.messages[Int(field.type)], bytes, left: left - 1)
        } else if field.flags.contains(.utf8), !JSONString.isUTF8(bytes.extracting(slice.range)) {
            throw .utf8
        }
    }

    private func scalar(_ reader: inout WireReader, _ field: ProtoField, _ type: WireType, _ bytes: Span<UInt8>) throws(WireError) {
        guard field.kind == .enum, refusesUnknown else { return try reader.skip(field.number, type, bytes, depth: 1) }
        let number = Int32(truncatingIfNeeded: try reader.varint(bytes))
        if schema.value(number, of: schema.enums[Int(field.type)]) < 0 { throw .unknownValue }
    }
}
