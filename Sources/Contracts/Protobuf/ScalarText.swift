import Exchanges

/// Scalars read from text: a JSON number or string, a map's key, a path capture or query parameter.
enum ScalarText {
    /// The bits the wire has for `text`: numbers, booleans and enums. nil when it stands for no value of the field.
    static func bits(_ text: Span<UInt8>, _ field: ProtoField, _ schema: ProtoSchema) -> UInt64? {
        switch field.kind {
        case .int32, .sfixed32, .sint32:
            guard let value = integer(text), let value = Int32(exactly: value) else { return nil }
            if field.kind == .sint32 { return UInt64(UInt32(bitPattern: value << 1 ^ value >> 31)) }
            return UInt64(bitPattern: Int64(value))
        case .int64, .sfixed64: return integer(text).map { UInt64(bitPattern: $0) }
        case .sint64: return integer(text).map { UInt64(bitPattern: $0 << 1 ^ $0 >> 63) }
        case .uint32, .fixed32:
            guard let value = unsigned(text), value <= 0xFFFF_FFFF else { return nil }
            return value
        case .uint64, .fixed64: return unsigned(text)
        case .bool: return text.equals("true") ? 1 : text.equals("false") ? 0 : nil
        case .double: return double(text).map(\.bitPattern)
        case .float:
            guard let value = double(text) else { return nil }
            let narrow = Float(value)
            return narrow.isInfinite && value.isFinite ? nil : UInt64(narrow.bitPattern)
        case .enum: return enumeration(text, schema.enums[Int(field.type)], schema)
        case .string, .bytes, .message, .group: return nil
        }
    }

    /// What `bits` accepts, for errors.
    static func rule(_ field: ProtoField, _ schema: ProtoSchema) -> String {
        switch field.kind {
        case .int32, .sfixed32, .sint32: "must be an integer from \(Int32.min) to \(Int32.max)"
        case .int64, .sfixed64, .sint64: "must be an integer from \(Int64.min) to \(Int64.max)"
        case .uint32, .fixed32: "must be an integer from 0 to \(UInt32.max)"
        case .uint64, .fixed64: "must be an integer from 0 to \(UInt64.max)"
        case .bool: "must be true or false"
        case .double: "must be a number, \"NaN\", \"Infinity\" or \"-Infinity\""
        case .float: "must be a number that fits in 32 bits, \"NaN\", \"Infinity\" or \"-Infinity\""
        case .enum: "must be a value of \(schema.string(schema.enums[Int(field.type)].name))"
        case .string: "must be a string"
        case .bytes: "must be base64"
        case .message, .group: "must be an object"
        }
    }

    private static func integer(_ text: Span<UInt8>) -> Int64? {
        // Nearly all of them: digits and nothing else.
        if let value = text.decimal, text.count == 1 || text[0] != UInt8(ascii: "0") { return Int64(value) }
        return JSONNumber.isNumber(text) ? JSONNumber.integer(text) : nil
    }

    private static func unsigned(_ text: Span<UInt8>) -> UInt64? {
        if let value = text.decimal, text.count == 1 || text[0] != UInt8(ascii: "0") { return UInt64(value) }
        return JSONNumber.isNumber(text) ? JSONNumber.unsigned(text) : nil
    }

    static func double(_ text: Span<UInt8>) -> Double? {
        if JSONNumber.isNumber(text) { return JSONNumber.double(text) }
        if text.equals("NaN") { return .nan }
        if text.equals("Infinity") { return .infinity }
        return text.equals("-Infinity") ? -.infinity : nil
    }

    /// By name, or by number when there is no such name; a closed enum takes known numbers only.
    private static func enumeration(_ text: Span<UInt8>, _ type: ProtoEnum, _ schema: ProtoSchema) -> UInt64? {
        let found = schema.table.find(text, in: type.names, schema.text)
        if found >= 0 { return UInt64(bitPattern: Int64(schema.enumValues[Int(found)].number)) }
        guard let value = integer(text), let number = Int32(exactly: value),
            type.isOpen || schema.value(number, of: type) >= 0
        else { return nil }
        return UInt64(bitPattern: Int64(number))
    }
}
