import Exchanges

/// Scalars as ProtoJSON writes them.
extension ProtoPrinter {
    func scalar(_ field: ProtoField, _ found: Occurrence, _ bytes: Span<UInt8>) throws(ProtoJSONError) {
        switch field.kind {
        case .string: try string(bytes.extracting(found.slice.range))
        case .bytes: Base64.append(bytes.extracting(found.slice.range), to: out)
        default: number(field, found.bits)
        }
    }

    /// Everything but strings, bytes and messages, from the bits on the wire.
    func number(_ field: ProtoField, _ bits: UInt64) {
        switch field.kind {
        case .int32, .sfixed32: integer(Int64(Int32(truncatingIfNeeded: bits)))
        case .sint32:
            let bits = UInt32(truncatingIfNeeded: bits)
            integer(Int64(Int32(bitPattern: bits >> 1 ^ (0 &- (bits & 1)))))
        case .uint32, .fixed32: out.append(decimal: bits & 0xFFFF_FFFF)
        case .int64, .sfixed64: quoted(Int64(bitPattern: bits))
        case .sint64: quoted(Int64(bitPattern: bits >> 1 ^ (0 &- (bits & 1))))
        case .uint64, .fixed64:
            out.append(UInt8(ascii: "\""))
            out.append(decimal: bits)
            out.append(UInt8(ascii: "\""))
        case .bool: out.append(bits == 0 ? "false" : "true")
        case .enum: enumeration(Int32(truncatingIfNeeded: bits), field)
        case .double: double(Double(bitPattern: bits))
        case .float: float(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        case .string, .bytes, .message, .group: out.append("null")
        }
    }

    private func integer(_ value: Int64) {
        if value < 0 { out.append(UInt8(ascii: "-")) }
        out.append(decimal: value.magnitude)
    }

    private func quoted(_ value: Int64) {
        out.append(UInt8(ascii: "\""))
        integer(value)
        out.append(UInt8(ascii: "\""))
    }

    func enumeration(_ number: Int32, _ field: ProtoField) {
        let type = schema.enums[Int(field.type)]
        guard !type.isNull else { return out.append("null") }
        let value = options.printsEnumsAsNumbers ? -1 : schema.value(number, of: type)
        guard value >= 0 else { return integer(Int64(number)) }
        schema.text.append(schema.enumValues[value].quoted, to: out)
    }

    // MARK: - Floating point

    func double(_ value: Double) {
        guard isFinite(value) else { return }
        // Whole numbers without a String; `description` is the shortest text that reads back the same.
        if value.magnitude < 9_007_199_254_740_992, value == value.rounded(.towardZero) {
            // With a point: some readers take `-0` for an integer and lose its sign.
            if value == 0, value.sign == .minus { return out.append("-0.0") }
            if value < 0 { out.append(UInt8(ascii: "-")) }
            out.append(decimal: UInt64(value.magnitude))
        } else {
            out.append(value.description)
        }
    }

    private func float(_ value: Float) {
        guard isFinite(Double(value)) else { return }
        if value.magnitude < 16_777_216, value == value.rounded(.towardZero) {
            double(Double(value))
        } else {
            out.append(value.description)
        }
    }

    private func isFinite(_ value: Double) -> Bool {
        if value.isFinite { return true }
        out.append(value.isNaN ? "\"NaN\"" : value < 0 ? "\"-Infinity\"" : "\"Infinity\"")
        return false
    }

    // MARK: - Strings

    /// A string with its quotes: checked to be UTF-8 and escaped on one way.
    func string(_ text: Span<UInt8>) throws(ProtoJSONError) {
        out.append(UInt8(ascii: "\""))
        var plain = 0
        var at = 0
        while at < text.count {
            if at &+ 8 <= text.count,
                JSONString.isPlain(text.bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self))
            {
                at &+= 8
                continue
            }
            let byte = text[at]
            if byte >= 0x80 {
                let n = JSONString.scalarLength(text, at: at)
                guard n > 0 else { throw ProtoJSONError("", "is not UTF-8") }
                at &+= n
            } else if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                if plain < at { out.append(text.extracting(plain..<at)) }
                var json = JSONWriter(out)
                json.escape(byte)
                at &+= 1
                plain = at
            } else {
                at &+= 1
            }
        }
        if plain < at { out.append(text.extracting(plain..<at)) }
        out.append(UInt8(ascii: "\""))
    }
}
