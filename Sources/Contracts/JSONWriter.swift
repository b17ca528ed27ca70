public import Exchanges

/// Where JSON text goes: a worker's `Buffer`, or an array that may leave the worker.
public protocol JSONSink {
    mutating func append(_ byte: UInt8)
    mutating func append(_ text: StaticString)
    mutating func append(_ bytes: borrowing Span<UInt8>)
}

extension Buffer: JSONSink {}

extension [UInt8]: JSONSink {
    @inlinable public mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(contentsOf: $0) }
    }
    @inlinable public mutating func append(_ bytes: borrowing Span<UInt8>) {
        bytes.withUnsafeBufferPointer { append(contentsOf: $0) }
    }
}

/// Writes compact JSON, commas included. The caller keeps begin and end in pairs.
public struct JSONWriter<Sink: JSONSink> {
    public var sink: Sink
    @usableFromInline var comma = false

    @inlinable public init(_ sink: Sink) { self.sink = sink }

    @inlinable public mutating func beginObject() { begin(UInt8(ascii: "{")) }
    @inlinable public mutating func endObject() { end(UInt8(ascii: "}")) }
    @inlinable public mutating func beginArray() { begin(UInt8(ascii: "[")) }
    @inlinable public mutating func endArray() { end(UInt8(ascii: "]")) }

    /// A member name from the code: it needs no escaping, and none is done.
    @inlinable public mutating func name(_ name: StaticString) {
        separate()
        sink.append(UInt8(ascii: "\""))
        sink.append(name)
        sink.append("\":")
        comma = false
    }

    public mutating func name(_ name: String) {
        string(name)
        sink.append(UInt8(ascii: ":"))
        comma = false
    }

    @inlinable public mutating func null() { word("null") }
    @inlinable public mutating func bool(_ value: Bool) { word(value ? "true" : "false") }

    @inlinable public mutating func integer<I: BinaryInteger>(_ value: I) {
        separate()
        var rest = value.magnitude
        if value < 0 { sink.append(UInt8(ascii: "-")) }
        var divisor: I.Magnitude = 1
        while rest / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            sink.append(48 &+ UInt8(truncatingIfNeeded: rest / divisor))
            rest %= divisor
            divisor /= 10
        }
        comma = true
    }

    /// A number that is already JSON text.
    public mutating func number(text: String) {
        separate()
        sink.append(text.utf8Span.span)
        comma = true
    }

    public mutating func string(_ text: String) { string(utf8: text.utf8Span.span) }

    /// A string from bytes that are valid UTF-8. Escapes what RFC 8259 demands and no more.
    @inlinable public mutating func string(utf8 text: Span<UInt8>) {
        separate()
        sink.append(UInt8(ascii: "\""))
        var plain = 0
        var at = 0
        while at < text.count {
            let byte = text[at]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                if plain < at { sink.append(text.extracting(plain..<at)) }
                escape(byte)
                plain = at &+ 1
            }
            at &+= 1
        }
        if plain < at { sink.append(text.extracting(plain..<at)) }
        sink.append(UInt8(ascii: "\""))
        comma = true
    }

    @inlinable public mutating func string(utf8 text: [UInt8]) { string(utf8: text.span) }

    @usableFromInline mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): sink.append("\\\"")
        case UInt8(ascii: "\\"): sink.append("\\\\")
        case 0x08: sink.append("\\b")
        case 0x09: sink.append("\\t")
        case 0x0A: sink.append("\\n")
        case 0x0C: sink.append("\\f")
        case 0x0D: sink.append("\\r")
        default:
            sink.append("\\u00")
            sink.append(48 &+ byte >> 4)
            let nibble = byte & 15
            sink.append(nibble < 10 ? 48 &+ nibble : 87 &+ nibble)
        }
    }

    @inlinable mutating func separate() {
        if comma { sink.append(UInt8(ascii: ",")) }
    }

    @inlinable mutating func begin(_ bracket: UInt8) {
        separate()
        sink.append(bracket)
        comma = false
    }

    @inlinable mutating func end(_ bracket: UInt8) {
        sink.append(bracket)
        comma = true
    }

    @inlinable mutating func word(_ word: StaticString) {
        separate()
        sink.append(word)
        comma = true
    }
}
