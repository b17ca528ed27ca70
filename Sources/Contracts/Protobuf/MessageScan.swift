import Exchanges

/// One value of a known field, where it stands in the message.
struct Occurrence: BitwiseCopyable {
    /// In `ProtoSchema.fields`; `packed` is added when the value holds many, `dropped` when it does not count.
    var field: UInt32
    /// Offset of the value: later occurrences have larger ones.
    var start: UInt32
    /// A scalar's bits as the wire has them; bytes of a length-delimited value or group.
    var bits: UInt64

    static let packed: UInt32 = 1 << 31
    static let dropped = UInt32.max

    var index: Int { Int(field & ~Self.packed) }
    var isPacked: Bool { field & Self.packed != 0 }
    var slice: Slice { Slice(start: start, count: UInt32(truncatingIfNeeded: bits)) }
}

/// The first pass over a message: finds the values of known fields and leaves them in order of field
/// number, so that the second pass can print them in one go. A message that came in several pieces is
/// scanned piece by piece: that is how protobuf merges.
///
/// One stack serves all levels: what a message pushes it also pops.
struct MessageScan: ~Copyable {
    var found: [Occurrence] = []
    var keys = KeySet()
    /// For each real oneof of the message being scanned: its set member, and where that began.
    private var oneofs: [(field: Int32, from: UInt32)] = []

    /// Scans `pieces` of `found` (already on the stack) as one message of type `message`.
    /// - Returns: where its occurrences begin on the stack.
    mutating func scan(
        pieces: Range<Int>, _ message: ProtoMessage, _ schema: ProtoSchema, _ bytes: Span<UInt8>, depth: Int
    ) throws(WireError) -> Int {
        let base = begin(message)
        var isOrdered = true
        for i in pieces {
            try scan(found[i].slice, base, message, schema, bytes, depth: depth, &isOrdered)
        }
        if !isOrdered { try order(base, message, schema, bytes, depth: depth) }
        return base
    }

    /// Scans one slice as a whole message.
    mutating func scan(
        _ slice: Slice, _ message: ProtoMessage, _ schema: ProtoSchema, _ bytes: Span<UInt8>, depth: Int
    ) throws(WireError) -> Int {
        let base = begin(message)
        var isOrdered = true
        try scan(slice, base, message, schema, bytes, depth: depth, &isOrdered)
        if !isOrdered { try order(base, message, schema, bytes, depth: depth) }
        return base
    }

    /// Forgets everything from `base` on.
    mutating func pop(to base: Int) { found.removeLast(found.count - base) }

    /// After an error, or between messages: forgets all, and gives back storage one large message needed.
    mutating func reset() {
        if found.capacity > 16_384 { found = [] }
        found.removeAll(keepingCapacity: true)
        oneofs.removeAll(keepingCapacity: true)
    }

    private mutating func begin(_ message: ProtoMessage) -> Int {
        if message.oneofCount > 0 {
            oneofs.removeAll(keepingCapacity: true)
            for _ in 0..<message.oneofCount { oneofs.append((-1, 0)) }
        }
        return found.count
    }

    private mutating func scan(
        _ slice: Slice, _ base: Int, _ message: ProtoMessage, _ schema: ProtoSchema, _ bytes: Span<UInt8>, depth: Int,
        _ isOrdered: inout Bool
    ) throws(WireError) {
        var reader = WireReader(slice)
        var last: UInt32 = found.count > base ? found[found.count - 1].field & ~Occurrence.packed : 0
        while !reader.isAtEnd {
            let (number, type) = try reader.tag(bytes)
            let index = schema.field(number, of: message)
            guard index >= 0 else {
                try reader.skip(number, type, bytes, depth: depth)
                continue
            }
            let field = schema.fields[index]
            var value = Occurrence(field: UInt32(truncatingIfNeeded: index), start: UInt32(truncatingIfNeeded: reader.at), bits: 0)
            switch type {
            case field.kind.wireType:
                switch type {
                case .varint: value.bits = try reader.varint(bytes) & field.kind.mask
                case .fixed32: value.bits = UInt64(try reader.fixed32(bytes))
                case .fixed64: value.bits = try reader.fixed64(bytes)
                case .bytes, .groupStart, .groupEnd:
                    let slice = type == .bytes ? try reader.delimited(bytes) : try reader.group(number, bytes, depth: depth)
                    value.start = slice.start
                    value.bits = UInt64(slice.count)
                }
                // An unknown number of a closed enum is an unknown field.
                if field.kind == .enum, !field.flags.contains(.openEnum),
                    schema.value(Int32(truncatingIfNeeded: value.bits), of: schema.enums[Int(field.type)]) < 0
                {
                    continue
                }
            case .bytes where field.isRepeated && field.kind.isPackable:
                let slice = try reader.delimited(bytes)
                value.start = slice.start
                value.bits = UInt64(slice.count)
                value.field |= Occurrence.packed
            default:
                try reader.skip(number, type, bytes, depth: depth)
                continue
            }
            if value.field & ~Occurrence.packed < last { isOrdered = false }
            last = value.field & ~Occurrence.packed
            if field.oneof >= 0, oneofs[Int(field.oneof)].field != Int32(index) {
                // Another member is set: what stood in the oneof before no longer counts.
                if oneofs[Int(field.oneof)].field >= 0 { isOrdered = false }
                oneofs[Int(field.oneof)] = (Int32(index), value.start)
            }
            found.append(value)
        }
    }

    /// The slow part, for what an encoder rarely writes: members of a oneof that another replaced go,
    /// the others are sorted by field, occurrences of one field staying in their order.
    private mutating func order(
        _ base: Int, _ message: ProtoMessage, _ schema: ProtoSchema, _ bytes: Span<UInt8>, depth: Int
    ) throws(WireError) {
        if message.oneofCount > 0 {
            var kept = base
            var replaced: [Occurrence] = []
            for i in base..<found.count {
                let oneof = schema.fields[found[i].index].oneof
                if oneof >= 0, found[i].start < oneofs[Int(oneof)].from {
                    replaced.append(found[i])
                } else {
                    found[kept] = found[i]
                    kept += 1
                }
            }
            pop(to: kept)
            for value in replaced { try check(value, schema, bytes, depth: depth - 1) }
        }
        found[base...].sort { (left: Occurrence, right: Occurrence) -> Bool in
            left.index == right.index ? left.start < right.start : left.index < right.index
        }
    }

    /// A value that another replaced is not printed, but a message is refused for what is wrong in it.
    mutating func check(
        _ value: Occurrence, _ schema: ProtoSchema, _ bytes: Span<UInt8>, depth: Int
    ) throws(WireError) {
        let field = schema.fields[value.index]
        if field.flags.contains(.utf8) {
            guard JSONString.isUTF8(bytes.extracting(value.slice.range)) else { throw .utf8 }
        } else if field.kind.isMessage {
            guard depth > 0 else { throw .tooDeep }
            let base = try scan(value.slice, schema.messages[Int(field.type)], schema, bytes, depth: depth)
            for i in base..<found.count { try check(found[i], schema, bytes, depth: depth - 1) }
            pop(to: base)
        } else if value.isPacked {
            var reader = WireReader(value.slice)
            while !reader.isAtEnd { try reader.skip(field.number, field.kind.wireType, bytes, depth: 1) }
        }
    }
}
