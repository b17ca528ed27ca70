import Exchanges

/// Reads one `field-line CRLF` (RFC 9112 section 5), strictly: no folding, no space before the
/// colon, no bare CR or LF, no control characters.
enum HTTP1FieldLine {
    /// One byte, so that it comes back in a register; the field itself goes to its place directly.
    enum Result: Equatable {
        case needMore
        /// The blank line that ends a section.
        case end
        case field
        case failed(HTTP1Fault)
    }

    /// - Parameters:
    ///   - position: the line's start; moved behind the line with `.field` and `.end`.
    ///   - field: set with `.field`.
    static func parse(
        _ text: borrowing Span<UInt8>, at position: inout Int, longest: Int, into field: inout Field
    ) -> Result {
        let start = position
        let end = text.count
        guard start < end else { return .needMore }
        switch text[start] {
        case 0x0d:
            guard start &+ 1 < end else { return .needMore }
            guard text[start &+ 1] == 0x0a else { return .failed(.badFieldName) }
            position = start &+ 2
            return .end
        case 0x0a: return .failed(.bareLineFeed)
        case 0x20, 0x09: return .failed(.obsoleteFolding)
        default: break
        }
        // A name the gateway knows is a token by that; only others are looked at byte by byte. A colon
        // beyond this line makes a name with a line end in it, which is no token.
        var at = text.firstIndex(of: 0x3a, from: start)
        var name = FieldName.other
        if at < end && at > start { name = FieldName.intern(text.extracting(start..<at)) }
        if name == .other {
            at = start
            while at < end && ByteClass.isToken(text[at]) { at &+= 1 }
            if at == end { return at &- start > longest ? .failed(.fieldTooLong) : .needMore }
            guard text[at] == 0x3a, at > start else {
                return .failed(text[at] == 0x0a ? .bareLineFeed : .badFieldName)
            }
        }
        let nameEnd = at
        at &+= 1
        while at < end && (text[at] == 0x20 || text[at] == 0x09) { at &+= 1 }
        let valueStart = at
        while true {
            at = text.firstControl(from: at, below: 0x20)
            guard at < end else { return at &- start > longest ? .failed(.fieldTooLong) : .needMore }
            if text[at] != 0x09 { break }
            at &+= 1
        }
        guard at &- start <= longest else { return .failed(.fieldTooLong) }
        switch text[at] {
        case 0x0d:
            guard at &+ 1 < end else { return .needMore }
            guard text[at &+ 1] == 0x0a else { return .failed(.badFieldValue) }
        case 0x0a: return .failed(.bareLineFeed)
        default: return .failed(.badFieldValue)
        }
        var valueEnd = at
        while valueEnd > valueStart && (text[valueEnd &- 1] == 0x20 || text[valueEnd &- 1] == 0x09) { valueEnd &-= 1 }
        field = Field(name: name, nameText: Slice(start, nameEnd), value: Slice(valueStart, valueEnd))
        position = at &+ 2
        return .field
    }
}

/// Reads field lines up to the blank line, into a growing list, within bounds. Shared by both heads.
struct HTTP1FieldSection {
    private var lineStart = 0

    init(at start: Int) { lineStart = start }

    mutating func parse(
        _ text: borrowing Span<UInt8>, into fields: inout [Field], framing: inout HTTP1Framing, limits: HTTP1Limits
    ) -> HTTP1Progress {
        var field = Field(name: .other, nameText: .none, value: .none)
        while true {
            switch HTTP1FieldLine.parse(text, at: &lineStart, longest: limits.fieldLine, into: &field) {
            case .field:
                guard fields.count < limits.fieldCount else { return .failed(.tooManyFields) }
                guard lineStart <= limits.head else { return .failed(.headTooLarge) }
                fields.append(field)
                if let fault = framing.note(field, in: text) { return .failed(fault) }
            case .end: return lineStart > limits.head ? .failed(.headTooLarge) : .complete(lineStart)
            case .needMore: return text.count > limits.head ? .failed(.headTooLarge) : .needMore
            case .failed(let fault): return .failed(fault)
            }
        }
    }
}
