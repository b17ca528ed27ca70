import Exchanges

/// Prints one message as JSON. Each message is first scanned, which orders its fields, then printed.
struct ProtoPrinter: ~Copyable {
    var scan = MessageScan()
    let schema: ProtoSchema
    let options: ProtoJSONOptions
    let out: Buffer
    /// Bytes that may stand in `out`.
    private let room: Int

    init(_ schema: ProtoSchema, _ options: ProtoJSONOptions, _ out: Buffer) {
        self.schema = schema
        self.options = options
        self.out = out
        room = out.count + options.output
    }

    mutating func whole(_ bytes: Span<UInt8>, _ type: Int) throws(ProtoJSONError) {
        let pieces = push(Slice(0, bytes.count))
        try message(type, pieces, bytes, depth: options.depth)
    }

    /// Prints the value of one field.
    mutating func field(_ path: ProtoFieldPath, _ bytes: Span<UInt8>) throws(ProtoJSONError) {
        var pieces = push(Slice(0, bytes.count))
        for level in 0..<path.count {
            let index = path.step(level)
            let field = schema.fields[index]
            let type = level == 0 ? path.type : Int(schema.fields[path.step(level - 1)].type)
            let base = try occurrences(pieces, schema.messages[type], bytes, depth: options.depth - level)
            pieces = base..<base
            for i in base..<scan.found.count where scan.found[i].index == index {
                pieces = (pieces.isEmpty ? i : pieces.lowerBound)..<i + 1
            }
            guard level == path.count - 1 else { continue }
            let depth = options.depth - level
            if field.isMap {
                try keepLastOfEachKey(field, pieces, bytes, depth: depth)
                try map(field, pieces, bytes, depth: depth)
            } else if field.isRepeated {
                try list(field, pieces, bytes, depth: depth)
            } else if !pieces.isEmpty {
                try value(field, pieces, bytes, depth: depth)
            } else if field.hasPresence {
                out.append("null")
            } else {
                zero(field)
            }
        }
    }

    /// Puts a slice on the stack, to be scanned as a message.
    mutating func push(_ slice: Slice) -> Range<Int> {
        scan.found.append(Occurrence(field: Occurrence.dropped, start: slice.start, bits: UInt64(slice.count)))
        return scan.found.count - 1..<scan.found.count
    }

    /// Scans `pieces` of the stack as one message; the answer is where its occurrences begin.
    mutating func occurrences(
        _ pieces: Range<Int>, _ message: ProtoMessage, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) -> Int {
        guard depth > 0 else { throw ProtoJSONError("", "is nested too deeply") }
        try checkRoom()
        do throws(WireError) {
            return try scan.scan(pieces: pieces, message, schema, bytes, depth: depth)
        } catch {
            throw ProtoJSONError("", error.text.description)
        }
    }

    /// Called where little input makes much output.
    @inline(__always) private func checkRoom() throws(ProtoJSONError) {
        guard out.count <= room else { throw ProtoJSONError("", "is longer than \(options.output) bytes as JSON") }
    }

    // MARK: - Messages

    /// Prints the message that `pieces` of the stack are together.
    mutating func message(
        _ type: Int, _ pieces: Range<Int>, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        let message = schema.messages[type]
        guard message.wellKnown == .none else { return try wellKnown(message, pieces, bytes, depth: depth) }
        let base = try occurrences(pieces, message, bytes, depth: depth)
        out.append(UInt8(ascii: "{"))
        var comma = false
        try fields(message, base, &comma, bytes, depth: depth)
        out.append(UInt8(ascii: "}"))
        scan.pop(to: base)
    }

    /// Prints the members of an object whose occurrences begin at `base`.
    mutating func fields(
        _ message: ProtoMessage, _ base: Int, _ comma: inout Bool, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        let end = scan.found.count
        var at = base
        var next = message.fields.lowerBound
        while at < end {
            let index = scan.found[at].index
            var after = at &+ 1
            while after < end, scan.found[after].index == index { after &+= 1 }
            if options.printsDefaults { absent(next..<index, &comma) }
            next = index &+ 1
            do throws(ProtoJSONError) {
                try member(schema.fields[index], at..<after, &comma, bytes, depth: depth)
            } catch {
                throw error.inside(schema.text.copy(schema.fields[index].jsonName))
            }
            at = after
        }
        if options.printsDefaults { absent(next..<message.fields.upperBound, &comma) }
    }

    /// Fields that hold their default and cannot tell it from being absent.
    private func absent(_ fields: Range<Int>, _ comma: inout Bool) {
        for index in fields {
            let field = schema.fields[index]
            guard !field.hasPresence, !field.flags.contains(.isExtension) else { continue }
            name(field, &comma)
            if field.isMap {
                out.append("{}")
            } else if field.isRepeated {
                out.append("[]")
            } else {
                zero(field)
            }
        }
    }

    /// The default of a field that is no list and no message.
    func zero(_ field: ProtoField) {
        switch field.kind {
        case .string, .bytes: out.append("\"\"")
        case .enum: enumeration(schema.enums[Int(field.type)].firstNumber, field)
        default: number(field, 0)
        }
    }

    @inline(__always) private func name(_ field: ProtoField, _ comma: inout Bool) {
        if comma { out.append(UInt8(ascii: ",")) }
        comma = true
        schema.text.append(options.usesOriginalNames ? field.originalMember : field.member, to: out)
    }

    // MARK: - One field

    /// Prints name and value of a field, `run` of the stack holding its occurrences.
    private mutating func member(
        _ field: ProtoField, _ run: Range<Int>, _ comma: inout Bool, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        if field.isMap {
            try keepLastOfEachKey(field, run, bytes, depth: depth)
            guard options.printsDefaults || run.contains(where: { scan.found[$0].field != Occurrence.dropped }) else {
                return
            }
            name(field, &comma)
            try map(field, run, bytes, depth: depth)
        } else if field.isRepeated {
            guard options.printsDefaults || hasElements(field, run, bytes) else { return }
            name(field, &comma)
            try list(field, run, bytes, depth: depth)
        } else {
            if !field.hasPresence, !options.printsDefaults, scan.found[run.upperBound - 1].bits == 0 {
                return try checkReplaced(run, bytes, depth: depth)
            }
            name(field, &comma)
            try value(field, run, bytes, depth: depth)
        }
    }

    /// Prints the value of a singular field: the last one counts, messages merge.
    mutating func value(
        _ field: ProtoField, _ run: Range<Int>, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        if field.kind.isMessage {
            try message(Int(field.type), run, bytes, depth: depth - 1)
        } else {
            try checkReplaced(run, bytes, depth: depth)
            try scalar(field, scan.found[run.upperBound - 1], bytes)
        }
    }

    /// See `MessageScan.check`.
    mutating func checkReplaced(_ run: Range<Int>, _ bytes: Span<UInt8>, depth: Int) throws(ProtoJSONError) {
        guard run.count > 1 else { return }
        do throws(WireError) {
            for i in run.dropLast() { try scan.check(scan.found[i], schema, bytes, depth: depth) }
        } catch {
            throw ProtoJSONError("", error.text.description)
        }
    }

    private func hasElements(_ field: ProtoField, _ run: Range<Int>, _ bytes: Span<UInt8>) -> Bool {
        for i in run {
            let found = scan.found[i]
            if !found.isPacked { return true }
            guard found.bits > 0 else { continue }
            if field.kind != .enum || field.flags.contains(.openEnum) { return true }
            // Of a closed enum the unknown numbers do not count.
            var reader = WireReader(found.slice)
            while !reader.isAtEnd {
                // What is not readable is reported by `list`.
                guard let bits = try? reader.varint(bytes) else { return true }
                if isKnown(bits, field) { return true }
            }
        }
        return false
    }

    private func isKnown(_ bits: UInt64, _ field: ProtoField) -> Bool {
        schema.value(Int32(truncatingIfNeeded: bits), of: schema.enums[Int(field.type)]) >= 0
    }

    mutating func list(
        _ field: ProtoField, _ run: Range<Int>, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        out.append(UInt8(ascii: "["))
        var count = 0
        for i in run {
            let found = scan.found[i]
            if found.isPacked {
                try packed(field, found.slice, &count, bytes)
                continue
            }
            if count > 0 { out.append(UInt8(ascii: ",")) }
            do throws(ProtoJSONError) {
                try value(field, i..<i &+ 1, bytes, depth: depth)
            } catch {
                throw error.inside(Array(String(count).utf8))
            }
            count &+= 1
        }
        out.append(UInt8(ascii: "]"))
    }

    private func packed(
        _ field: ProtoField, _ slice: Slice, _ count: inout Int, _ bytes: Span<UInt8>
    ) throws(ProtoJSONError) {
        var reader = WireReader(slice)
        let isClosed = field.kind == .enum && !field.flags.contains(.openEnum)
        do throws(WireError) {
            while !reader.isAtEnd {
                let bits: UInt64
                switch field.kind.wireType {
                case .fixed32: bits = UInt64(try reader.fixed32(bytes))
                case .fixed64: bits = try reader.fixed64(bytes)
                default: bits = try reader.varint(bytes)
                }
                if isClosed, !isKnown(bits, field) { continue }
                if count > 0 { out.append(UInt8(ascii: ",")) }
                number(field, bits)
                count &+= 1
                if count & 1023 == 0, out.count > room { break }
            }
        } catch {
            throw ProtoJSONError("/\(count)", error.text.description)
        }
        try checkRoom()
    }
}

extension ProtoJSONError {
    /// The same error, seen from the object or list around it.
    func inside(_ step: [UInt8]) -> ProtoJSONError {
        var longer = JSONError.pointer("", step)
        if longer.utf8.count + pointer.utf8.count < 256 { longer += pointer }
        return ProtoJSONError(longer, text)
    }
}
