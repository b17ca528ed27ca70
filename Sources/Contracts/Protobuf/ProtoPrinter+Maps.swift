import Exchanges

/// Maps: repeated entries of a key and a value, of which the last with a key counts.
extension ProtoPrinter {
    mutating func map(
        _ field: ProtoField, _ run: Range<Int>, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        let entry = schema.messages[Int(field.type)]
        let keyField = schema.fields[entry.fields.lowerBound]
        let valueField = schema.fields[entry.fields.lowerBound &+ 1]
        out.append(UInt8(ascii: "{"))
        var comma = false
        for i in run where scan.found[i].field != Occurrence.dropped {
            let base = try occurrences(i..<i &+ 1, entry, bytes, depth: depth)
            let end = scan.found.count
            var values = base
            while values < end, scan.found[values].index == entry.fields.lowerBound { values &+= 1 }
            if comma { out.append(UInt8(ascii: ",")) }
            comma = true
            try checkReplaced(base..<values, bytes, depth: depth)
            try key(keyField, values > base ? scan.found[values &- 1] : nil, bytes)
            out.append(UInt8(ascii: ":"))
            if values < end || valueField.kind.isMessage {
                do throws(ProtoJSONError) {
                    try value(valueField, values..<end, bytes, depth: depth)
                } catch {
                    let key = values > base ? scan.found[values &- 1] : nil
                    throw error.inside(keyText(keyField, key, bytes))
                }
            } else {
                zero(valueField)
            }
            scan.pop(to: base)
        }
        out.append(UInt8(ascii: "}"))
    }

    private func key(_ field: ProtoField, _ found: Occurrence?, _ bytes: Span<UInt8>) throws(ProtoJSONError) {
        switch field.kind {
        case .string: try string(bytes.extracting((found?.slice ?? .none).range))
        // Quoted already.
        case .int64, .sfixed64, .sint64, .uint64, .fixed64: number(field, found?.bits ?? 0)
        default:
            out.append(UInt8(ascii: "\""))
            number(field, found?.bits ?? 0)
            out.append(UInt8(ascii: "\""))
        }
    }

    /// For errors.
    private func keyText(_ field: ProtoField, _ found: Occurrence?, _ bytes: Span<UInt8>) -> [UInt8] {
        guard let found else { return [] }
        if field.kind == .string { return bytes.extracting(found.slice.range).bytes }
        let text = Buffer(capacity: 32)
        ProtoPrinter(schema, options, text).number(field, found.bits)
        return text.copyReadable().filter { $0 != UInt8(ascii: "\"") }
    }

    // MARK: - Keys used twice

    /// Drops entries whose key comes again later, and those whose value a closed enum does not know.
    mutating func keepLastOfEachKey(
        _ field: ProtoField, _ run: Range<Int>, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        let entry = schema.messages[Int(field.type)]
        let valueField = schema.fields[entry.fields.lowerBound &+ 1]
        let isClosed = valueField.kind == .enum && !valueField.flags.contains(.openEnum)
        guard run.count > 1 || isClosed else { return }
        scan.keys.begin(run.count)
        for i in run.reversed() {
            do throws(WireError) {
                guard let key = try key(of: scan.found[i].slice, entry, isClosed ? valueField : nil, bytes, depth: depth),
                    scan.keys.insert(key, isText: schema.fields[entry.fields.lowerBound].kind == .string, bytes)
                else {
                    try scan.check(scan.found[i], schema, bytes, depth: depth)
                    scan.found[i].field = Occurrence.dropped
                    continue
                }
            } catch {
                throw ProtoJSONError("", error.text.description)
            }
        }
    }

    /// The key's bits, or its place as `Occurrence.slice` has it; nil when the entry does not count.
    private func key(
        of slice: Slice, _ entry: ProtoMessage, _ closed: ProtoField?, _ bytes: Span<UInt8>, depth: Int
    ) throws(WireError) -> Occurrence? {
        let field = schema.fields[entry.fields.lowerBound]
        var key = Occurrence(field: 0, start: 0, bits: 0)
        var isKnown = true
        var reader = WireReader(slice)
        while !reader.isAtEnd {
            let (number, type) = try reader.tag(bytes)
            if number == 1, type == field.kind.wireType {
                switch type {
                case .varint: key.bits = try reader.varint(bytes) & field.kind.mask
                case .fixed32: key.bits = UInt64(try reader.fixed32(bytes))
                case .fixed64: key.bits = try reader.fixed64(bytes)
                default:
                    let text = try reader.delimited(bytes)
                    key.start = text.start
                    key.bits = UInt64(text.count)
                }
                if field.kind == .bool, key.bits != 0 { key.bits = 1 }
            } else if number == 2, type == .varint, let closed {
                let value = Int32(truncatingIfNeeded: try reader.varint(bytes))
                if schema.value(value, of: schema.enums[Int(closed.type)]) < 0 { isKnown = false }
            } else {
                try reader.skip(number, type, bytes, depth: depth)
            }
        }
        return isKnown ? key : nil
    }
}

/// Which keys of one map were met: open addressing, hashed with the process's random seed, so that
/// keys chosen to collide do not.
struct KeySet {
    private var slots: [Occurrence] = []
    private var mask = 0

    /// Forgets all and makes room for `count` keys.
    mutating func begin(_ count: Int) {
        var size = 8
        while size < 2 * count { size *= 2 }
        mask = size - 1
        let free = Occurrence(field: Occurrence.dropped, start: 0, bits: 0)
        slots.removeAll(keepingCapacity: size <= 4096)
        slots.append(contentsOf: repeatElement(free, count: size))
    }

    /// False when the key is there already.
    mutating func insert(_ key: Occurrence, isText: Bool, _ bytes: Span<UInt8>) -> Bool {
        var hasher = Hasher()
        if isText {
            bytes.extracting(key.slice.range).withUnsafeBytes { hasher.combine(bytes: $0) }
        } else {
            hasher.combine(key.bits)
        }
        var at = hasher.finalize() & mask
        while slots[at].field != Occurrence.dropped {
            let other = slots[at]
            let isSame =
                isText
                ? bytes.extracting(other.slice.range).equals(bytes.extracting(key.slice.range))
                : other.bits == key.bits
            if isSame { return false }
            at = (at &+ 1) & mask
        }
        slots[at] = key
        return true
    }
}
