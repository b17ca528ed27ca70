import Exchanges

/// Messages with a JSON form of their own. Their field numbers are fixed (`WellKnownType.shape`).
extension ProtoEncoder {
    mutating func wellKnown(
        _ node: Int, _ message: ProtoMessage, _ json: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        switch message.wellKnown {
        case .none: break
        case .timestamp, .duration, .fieldMask: try textual(node, message.wellKnown, json)
        case .any: try any(node, json, depth: depth)
        case .struct: try map(node, schema.fields[message.fields.lowerBound], json, depth: depth)
        case .listValue:
            guard kind(node) == .array else { throw fail(node, json, "must be a list") }
            try value(node, schema.fields[message.fields.lowerBound], json, depth: depth)
        case .value: try anyValue(node, message, json, depth: depth)
        case .wrapper: _ = try single(node, schema.fields[message.fields.lowerBound], json, omitsZero: true, depth: depth)
        }
    }

    private func textual(_ node: Int, _ type: WellKnownType, _ json: Span<UInt8>) throws(ProtoJSONError) {
        let entry = scratch.entries[node]
        guard entry.kind == .string else { throw fail(node, json, type.rule) }
        let raw = json.extracting(entry.text.range)
        let isRead = entry.escaped ? wire.text(string(node, json).span, type) : wire.text(raw, type)
        guard isRead else { throw fail(node, json, type.rule) }
    }

    private mutating func anyValue(
        _ node: Int, _ message: ProtoMessage, _ json: Span<UInt8>, depth: Int
    ) throws(ProtoJSONError) {
        let first = message.fields.lowerBound
        let place =
            switch kind(node) {
            case .null: 0
            case .number: 1
            case .string: 2
            case .true, .false: 3
            case .object: 4
            case .array: 5
            }
        // As a list field `values` would also be the field of a ListValue; a Value's fields are single.
        _ = try single(node, schema.fields[first + place], json, depth: depth)
    }

    /// `{"@type": …}` with the message's own members, or with `value` when it has a form of its own.
    private mutating func any(_ node: Int, _ json: Span<UInt8>, depth: Int) throws(ProtoJSONError) {
        guard kind(node) == .object else { throw fail(node, json, "must be an object") }
        let end = next(node)
        guard node + 1 < end else { return }
        var url = -1
        var content = -1
        var other = -1
        var at = node + 1
        while at < end {
            if isNamed(at, "@type", json) {
                url = at + 1
            } else if isNamed(at, "value", json) {
                content = at + 1
            } else {
                other = at
            }
            at = next(at + 1)
        }
        guard url >= 0, kind(url) == .string else { throw fail(node, json, "needs an @type") }
        guard let type = schema.message(inAny: string(url, json).span) else {
            throw fail(url, json, "is no type this gateway knows")
        }
        let message = schema.messages[type]
        wire.tag(1, .bytes)
        text(url, json)
        wire.tag(2, .bytes)
        let opened = wire.open(estimate: size(node) / 2)
        if message.wellKnown == .none {
            guard depth > 1 else { throw fail(node, json, "is nested too deeply") }
            try members(node, message, json, isAny: true, depth: depth - 1)
        } else {
            guard content >= 0 else { throw fail(node, json, "needs a value") }
            guard other < 0 || options.ignoresUnknown else { throw fail(other, json, "stands beside @type and value") }
            try self.message(content, type, json, depth: depth - 1)
        }
        wire.close(opened)
    }
}

extension WellKnownType {
    /// What a string of this type must be, for errors.
    var rule: String {
        switch self {
        case .timestamp: "must be a time like \"2026-01-31T23:59:59.5Z\""
        case .duration: "must be a duration like \"1.5s\""
        default: "must be a string of field paths with commas between them"
        }
    }
}

extension WireWriter {
    /// The fields of a Timestamp, Duration or FieldMask from its JSON string; false when it is none.
    func text(_ text: Span<UInt8>, _ type: WellKnownType, omitsZero: Bool = true) -> Bool {
        switch type {
        case .timestamp, .duration:
            guard let moment = type == .timestamp ? TimeText.timestamp(text) : TimeText.duration(text) else { return false }
            if moment.seconds != 0 || !omitsZero {
                tag(1, .varint)
                varint(UInt64(bitPattern: moment.seconds))
            }
            if moment.nanos != 0 || !omitsZero {
                tag(2, .varint)
                varint(UInt64(bitPattern: Int64(moment.nanos)))
            }
            return true
        case .fieldMask:
            guard text.count > 0 else { return true }
            var start = 0
            for at in 0...text.count where at == text.count || text[at] == UInt8(ascii: ",") {
                tag(1, .bytes)
                let opened = open(estimate: at - start)
                guard FieldMaskText.append(snakeCaseOf: text.extracting(start..<at), to: out) else { return false }
                close(opened)
                start = at + 1
            }
            return true
        default: return false
        }
    }
}
