import Exchanges

/// Messages with a JSON form of their own.
extension ProtoPrinter {
    mutating func wellKnown(
        _ message: ProtoMessage, _ pieces: Range<Int>, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        let base = try occurrences(pieces, message, bytes, depth: depth)
        let first = message.fields.lowerBound
        switch message.wellKnown {
        case .none: break
        case .timestamp:
            guard TimeText.append(timestamp: moment(base, first), to: out) else {
                throw ProtoJSONError("", "is no timestamp from the year 1 to 9999")
            }
        case .duration:
            guard TimeText.append(duration: moment(base, first), to: out) else {
                throw ProtoJSONError("", "is no duration within 315576000000 seconds and of one sign")
            }
        case .fieldMask: try fieldMask(base, bytes)
        case .any: try any(base, first, bytes, depth: depth)
        case .struct: try self.struct(base, schema.fields[first], bytes, depth: depth)
        case .listValue: try list(schema.fields[first], base..<scan.found.count, bytes, depth: depth)
        case .value: try anyValue(base, first, bytes, depth: depth)
        case .wrapper:
            let field = schema.fields[first]
            if scan.found.count > base {
                try value(field, base..<scan.found.count, bytes, depth: depth)
            } else {
                zero(field)
            }
        }
        scan.pop(to: base)
    }

    /// The last value of a field among the occurrences from `base` on.
    private func last(_ index: Int, from base: Int) -> Occurrence? {
        var at = scan.found.count
        while at > base {
            at &-= 1
            if scan.found[at].index == index { return scan.found[at] }
        }
        return nil
    }

    private func moment(_ base: Int, _ first: Int) -> TimeText.Moment {
        TimeText.Moment(
            seconds: Int64(bitPattern: last(first, from: base)?.bits ?? 0),
            nanos: Int32(truncatingIfNeeded: last(first + 1, from: base)?.bits ?? 0))
    }

    /// Paths in lowerCamelCase with commas between them.
    private func fieldMask(_ base: Int, _ bytes: Span<UInt8>) throws(ProtoJSONError) {
        out.append(UInt8(ascii: "\""))
        for i in base..<scan.found.count {
            if i > base { out.append(UInt8(ascii: ",")) }
            let path = bytes.extracting(scan.found[i].slice.range)
            guard FieldMaskText.append(camelCaseOf: path, to: out) else {
                throw ProtoJSONError("", "holds a path that has no JSON form")
            }
        }
        out.append(UInt8(ascii: "\""))
    }

    private mutating func `struct`(
        _ base: Int, _ field: ProtoField, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        let run = base..<scan.found.count
        try keepLastOfEachKey(field, run, bytes, depth: depth)
        try map(field, run, bytes, depth: depth)
    }

    private mutating func anyValue(
        _ base: Int, _ first: Int, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        guard let set = scan.found.last, scan.found.count > base else { return out.append("null") }
        let field = schema.fields[set.index]
        if field.kind == .double, !Double(bitPattern: set.bits).isFinite {
            throw ProtoJSONError("", "is a number that JSON does not have")
        }
        try value(field, base..<scan.found.count, bytes, depth: depth)
    }

    /// `{"@type": …}` with the message's own members, or with `value` when it has a form of its own.
    private mutating func any(
        _ base: Int, _ first: Int, _ bytes: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        var urls = base
        while urls < scan.found.count, scan.found[urls].index == first { urls += 1 }
        try checkReplaced(base..<urls, bytes, depth: depth)
        let url = urls > base ? scan.found[urls - 1].slice : .none
        let content = last(first + 1, from: base)?.slice ?? .none
        guard !(url.isEmpty && content.isEmpty) else { return out.append("{}") }
        guard let type = schema.message(inAny: bytes.extracting(url.range)) else {
            throw ProtoJSONError("/@type", "is no type this gateway knows")
        }
        out.append("{\"@type\":")
        try string(bytes.extracting(url.range))
        let pieces = push(content)
        let message = schema.messages[type]
        if message.wellKnown == .none {
            let inner = try occurrences(pieces, message, bytes, depth: depth - 1)
            var comma = true
            try fields(message, inner, &comma, bytes, depth: depth - 1)
        } else {
            out.append(",\"value\":")
            do throws(ProtoJSONError) {
                try wellKnown(message, pieces, bytes, depth: depth - 1)
            } catch {
                throw error.inside(Array("value".utf8))
            }
        }
        out.append(UInt8(ascii: "}"))
    }
}

extension ProtoSchema {
    /// The type an Any's type URL names: what follows the last slash.
    func message(inAny url: Span<UInt8>) -> Int? {
        var start = url.count
        while start > 0, url[start - 1] != UInt8(ascii: "/") { start -= 1 }
        return message(named: url.extracting(start..<url.count))
    }
}

/// google.protobuf.FieldMask's paths: `user.display_name` in the message, `user.displayName` in JSON.
enum FieldMaskText {
    /// False when the path is not in lower case or not UTF-8; what is written then does not count.
    static func append(camelCaseOf path: Span<UInt8>, to out: Buffer) -> Bool {
        guard JSONString.isUTF8(path) else { return false }
        var raise = false
        for i in 0..<path.count {
            let byte = path[i]
            if byte &- 65 < 26 { return false }
            if raise {
                guard byte &- 97 < 26 else { return false }
                out.append(byte & 0xDF)
                raise = false
            } else if byte == UInt8(ascii: "_") {
                raise = true
            } else if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                var json = JSONWriter(out)
                json.escape(byte)
            } else {
                out.append(byte)
            }
        }
        return !raise
    }

    /// False when a path holds an underscore.
    static func append(snakeCaseOf path: Span<UInt8>, to out: Buffer) -> Bool {
        for i in 0..<path.count {
            let byte = path[i]
            if byte == UInt8(ascii: "_") { return false }
            if byte &- 65 < 26 {
                out.append(UInt8(ascii: "_"))
                out.append(byte | 0x20)
            } else {
                out.append(byte)
            }
        }
        return true
    }
}
