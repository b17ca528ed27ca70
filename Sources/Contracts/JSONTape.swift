public import Exchanges

/// A JSON text, checked and indexed: one plain entry per value and member name, in text order.
///
/// No tree: the values stay where they are in the text, which the caller keeps and hands to the
/// accessors again. Entry 0 is the document; the first child of a container is at `index + 1`, the
/// next sibling at `entry.next`. An object's children alternate name, value.
public struct JSONTape: Sendable {
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        case null, `true`, `false`, number, string, array, object
    }

    public struct Entry: Sendable, BitwiseCopyable {
        public internal(set) var kind: Kind
        /// A string that contains `\`.
        public internal(set) var escaped: Bool
        /// The value's text; a string's without its quotes, a container's from bracket to bracket.
        public internal(set) var text: Slice
        /// The index after this value and all inside it.
        public internal(set) var next: UInt32
    }

    public internal(set) var entries: [Entry]

    /// Reads one JSON text. Strict: RFC 8259 syntax, valid UTF-8, no duplicate member names (compared
    /// after unescaping), whole surrogate pairs, nothing but white space after the value.
    public init(_ text: Span<UInt8>, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        var parser = JSONParser(limits: limits)
        parser.entries.reserveCapacity(min(text.count / 4 + 4, 64))
        try parser.parse(text)
        entries = parser.entries
    }

    @inlinable public subscript(_ i: Int) -> Entry { entries[i] }

    @inlinable public func next(_ i: Int) -> Int { Int(entries[i].next) }

    /// Is the string (or name) at `i` equal to `other`, after unescaping?
    public func string(_ i: Int, equals other: StaticString, in text: Span<UInt8>) -> Bool {
        let entry = entries[i]
        let raw = text.extracting(entry.text.range)
        return entry.escaped ? JSONString.unescaped(raw).span.equals(other) : raw.equals(other)
    }

    /// The unescaped bytes of the string (or name) at `i`: valid UTF-8.
    public func string(_ i: Int, in text: Span<UInt8>) -> [UInt8] {
        let entry = entries[i]
        let raw = text.extracting(entry.text.range)
        return entry.escaped ? JSONString.unescaped(raw) : raw.bytes
    }

    /// The value of the member `name` of the object at `i`, or nil.
    public func member(_ name: StaticString, of i: Int, in text: Span<UInt8>) -> Int? {
        guard entries[i].kind == .object else { return nil }
        let end = next(i)
        var at = i + 1
        while at < end {
            if string(at, equals: name, in: text) { return at + 1 }
            at = next(at + 1)
        }
        return nil
    }

    /// The exact integer at `i` as proto JSON writes them: a number, or a string holding one.
    /// `1.0` and `1e2` are integers; `1.5` and what does not fit are nil.
    public func integer(_ i: Int, in text: Span<UInt8>) -> Int64? {
        let entry = entries[i]
        switch entry.kind {
        case .number: return JSONNumber.integer(text.extracting(entry.text.range))
        case .string:
            let digits = string(i, in: text)
            guard JSONNumber.isNumber(digits.span) else { return nil }
            return JSONNumber.integer(digits.span)
        default: return nil
        }
    }
}
