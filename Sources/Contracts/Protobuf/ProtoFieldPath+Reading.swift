public import Exchanges

/// One field read out of an encoded message, without decoding the rest: for sharding and for flags.
extension ProtoSchema {
    /// The place in `message` of the string or bytes field at `path`; nil when it is absent, of another kind or
    /// repeated, or when the message is malformed. The last occurrence counts, as in every protobuf reader.
    public func field(_ path: ProtoFieldPath, of message: Span<UInt8>) -> Slice? {
        let kind = fields[path.last].kind
        guard kind == .string || kind == .bytes else { return nil }
        return last(path, of: message)?.slice
    }

    /// The value of the integer, boolean or enum field at `path`; nil as for `field(_:of:)`. Unsigned numbers above
    /// `Int64.max` come with their bits.
    public func integer(_ path: ProtoFieldPath, of message: Span<UInt8>) -> Int64? {
        let field = fields[path.last]
        guard field.kind.isPackable, field.kind != .double, field.kind != .float, let found = last(path, of: message)
        else { return nil }
        switch field.kind {
        case .int32, .sfixed32, .enum: return Int64(Int32(truncatingIfNeeded: found.bits))
        case .sint32, .sint64: return Int64(bitPattern: found.bits >> 1 ^ (0 &- (found.bits & 1)))
        case .bool: return found.bits == 0 ? 0 : 1
        default: return Int64(bitPattern: found.bits)
        }
    }

    /// Is the message well-formed as far as the path leads through it? What is not absent but out of reach here may
    /// be within reach of another reader: some nest deeper, some forgive more.
    public func canRead(_ path: ProtoFieldPath, in message: Span<UInt8>) -> Bool {
        guard message.count < Int(UInt32.max) else { return false }
        var found: Occurrence?
        do throws(WireError) {
            try last(path, level: 0, Slice(0, message.count), message, &found)
            return true
        } catch {
            return false
        }
    }

    func last(_ path: ProtoFieldPath, of message: Span<UInt8>) -> Occurrence? {
        guard !fields[path.last].isRepeated, message.count < Int(UInt32.max) else { return nil }
        var found: Occurrence?
        do throws(WireError) {
            try last(path, level: 0, Slice(0, message.count), message, &found)
        } catch {
            return nil
        }
        return found
    }

    /// Goes through one message (or one piece of it), leaving in `found` the last occurrence so far.
    private func last(
        _ path: ProtoFieldPath, level: Int, _ slice: Slice, _ bytes: Span<UInt8>, _ found: inout Occurrence?
    ) throws(WireError) {
        let field = fields[path.step(level)]
        var reader = WireReader(slice)
        while !reader.isAtEnd {
            let (number, type) = try reader.tag(bytes)
            guard number == field.number, type == field.kind.wireType else {
                let start = reader.at
                try reader.skip(number, type, bytes, depth: 64)
                if field.oneof >= 0, replaces(number, type, WireReader(start, slice.end), field, path, level, bytes) { found = nil }
                continue
            }
            var value = Occurrence(field: 0, start: UInt32(truncatingIfNeeded: reader.at), bits: 0)
            switch type {
            case .varint: value.bits = try reader.varint(bytes) & field.kind.mask
            case .fixed32: value.bits = UInt64(try reader.fixed32(bytes))
            case .fixed64: value.bits = try reader.fixed64(bytes)
            case .bytes, .groupStart, .groupEnd:
                let slice = type == .bytes ? try reader.delimited(bytes) : try reader.group(number, bytes, depth: 64)
                value.start = slice.start
                value.bits = UInt64(slice.count)
            }
            if level < path.count - 1 {
                try last(path, level: level + 1, value.slice, bytes, &found)
            } else if isKnown(value.bits, field) {
                found = value
            }
        }
    }

    /// Does a closed enum know the number? Other fields know every value.
    private func isKnown(_ bits: UInt64, _ field: ProtoField) -> Bool {
        guard field.kind == .enum, !field.flags.contains(.openEnum) else { return true }
        return value(Int32(truncatingIfNeeded: bits), of: enums[Int(field.type)]) >= 0
    }

    /// Is it another member of the field's oneof?
    private func replaces(
        _ number: UInt32, _ type: WireType, _ reader: WireReader, _ field: ProtoField, _ path: ProtoFieldPath,
        _ level: Int, _ bytes: Span<UInt8>
    ) -> Bool {
        let inside = level == 0 ? path.type : Int(fields[path.step(level - 1)].type)
        let index = self.field(number, of: messages[inside])
        guard index >= 0, index != path.step(level) else { return false }
        let other = fields[index]
        guard other.oneof == field.oneof, other.kind.wireType == type else { return false }
        guard other.kind == .enum else { return true }
        var reader = reader
        return isKnown((try? reader.varint(bytes)) ?? 0, other)
    }
}
