public import Exchanges

/// Fields from path captures and query parameters, appended to a message: protobuf merges what follows
/// each other, so a nested field is written as its own small message around the value.
extension ProtoSchema {
    /// Appends the field at `path` with the value that `value` stands for. A later value of a single field replaces
    /// an earlier one, values of a repeated field add up. When it throws, `out` is as it was.
    public func appendField(_ path: ProtoFieldPath, text value: Span<UInt8>, into out: Buffer) throws(ProtoJSONError) {
        let before = out.count
        do throws(ProtoJSONError) {
            try append(path, level: 0, value, WireWriter(out: out))
        } catch {
            out.dropLast(out.count - before)
            throw error
        }
    }

    private func append(
        _ path: ProtoFieldPath, level: Int, _ value: Span<UInt8>, _ wire: WireWriter
    ) throws(ProtoJSONError) {
        let field = fields[path.step(level)]
        if level == path.count - 1 { return try append(field, path, value, wire) }
        if field.kind == .group {
            wire.tag(field.number, .groupStart)
            try append(path, level: level + 1, value, wire)
            wire.tag(field.number, .groupEnd)
        } else {
            wire.tag(field.number, .bytes)
            let opened = wire.open(estimate: value.count)
            try append(path, level: level + 1, value, wire)
            wire.close(opened)
        }
    }

    /// Zeros are written too: they must replace what an earlier part of the message set.
    private func append(
        _ field: ProtoField, _ path: ProtoFieldPath, _ value: Span<UInt8>, _ wire: WireWriter
    ) throws(ProtoJSONError) {
        switch field.kind {
        case .string:
            guard JSONString.isUTF8(value) else { throw ProtoJSONError(pointer(path), "is not UTF-8") }
            wire.tag(field.number, .bytes)
            wire.bytes(value)
        case .bytes:
            wire.tag(field.number, .bytes)
            let opened = wire.open(estimate: value.count / 4 * 3)
            guard Base64.decode(value, to: wire.out) else { throw ProtoJSONError(pointer(path), "must be base64") }
            wire.close(opened)
        case .message where !field.isMap: try append(message: field, path, value, wire)
        case .message, .group: throw ProtoJSONError(pointer(path), "cannot be given as text")
        default:
            guard let bits = ScalarText.bits(value, field, self) else {
                throw ProtoJSONError(pointer(path), ScalarText.rule(field, self))
            }
            wire.tag(field.number, field.kind.wireType)
            wire.bits(bits, field.kind)
        }
    }

    private func append(
        message field: ProtoField, _ path: ProtoFieldPath, _ value: Span<UInt8>, _ wire: WireWriter
    ) throws(ProtoJSONError) {
        let type = messages[Int(field.type)]
        guard type.wellKnown == .wrapper || type.wellKnown.isText else {
            throw ProtoJSONError(pointer(path), "cannot be given as text")
        }
        wire.tag(field.number, .bytes)
        let opened = wire.open(estimate: value.count)
        if type.wellKnown == .wrapper {
            try append(fields[type.fields.lowerBound], path, value, wire)
        } else {
            guard wire.text(value, type.wellKnown, omitsZero: false) else {
                throw ProtoJSONError(pointer(path), type.wellKnown.rule)
            }
        }
        wire.close(opened)
    }
}
