internal import CNghttp2
public import Exchanges

/// Fields to send, gathered in one text and handed to the encoder as pointers into it. Used again and
/// again; one a worker is enough, because handing over copies.
public final class HTTP2FieldBlock {
    private struct Entry {
        var name: Slice
        var value: Slice
        var isIndexed: Bool
    }

    private let text = Buffer(capacity: 2048)
    private var entries: [Entry] = []
    private var pairs: [nghttp2_nv] = []

    public init() {}

    /// Bytes of all names and values.
    public var count: Int { text.count }

    public func clear() {
        text.clear()
        entries.removeAll(keepingCapacity: true)
    }

    /// - Parameter name: lower case.
    public func add(_ name: StaticString, _ value: borrowing Span<UInt8>) {
        let text = text
        let start = text.count
        text.append(name)
        let middle = text.count
        text.append(value)
        entries.append(Entry(name: Slice(start, middle), value: Slice(middle, text.count), isIndexed: true))
    }

    public func add(_ name: StaticString, _ value: StaticString) {
        let text = text
        let start = text.count
        text.append(name)
        let middle = text.count
        text.append(value)
        entries.append(Entry(name: Slice(start, middle), value: Slice(middle, text.count), isIndexed: true))
    }

    /// A received field, its name in lower case.
    public func add(_ field: Field, of source: borrowing Span<UInt8>) {
        let text = text
        let start = text.count
        let name = Int(field.nameText.count)
        text.append(field.nameText, of: source)
        text.append(field.value, of: source)
        text.withMutableReadable { text in
            for i in start..<(start &+ name) { text[i] = text[i].asciiLowercased }
        }
        entries.append(
            Entry(
                name: Slice(start, start &+ name), value: Slice(start &+ name, text.count),
                isIndexed: !Self.differing.contains(field.name)))
    }

    /// - Parameters:
    ///   - name: lower case.
    ///   - number: its number, where it has one.
    public func add(_ name: StaticString, _ number: FieldName, _ value: borrowing Span<UInt8>) {
        add(name, value)
        if Self.differing.contains(number) { entries[entries.count - 1].isIndexed = false }
    }

    /// Begins a field whose value is put together: append it to the buffer, then `finish`.
    public func begin(_ name: StaticString, _ number: FieldName) -> Buffer {
        let text = text
        let start = text.count
        text.append(name)
        entries.append(
            Entry(
                name: Slice(start, text.count), value: Slice(text.count, text.count),
                isIndexed: !Self.differing.contains(number)))
        return text
    }

    public func finish() {
        let last = entries.count - 1
        entries[last].value = Slice(Int(entries[last].value.start), text.count)
    }

    /// `content-length`.
    public func add(contentLength: UInt64) {
        begin("content-length", .contentLength).append(decimal: contentLength)
        finish()
    }

    /// `:status`.
    public func add(status: UInt16) {
        let start = text.count
        text.append(":status" as StaticString)
        let middle = text.count
        text.append(decimal: UInt64(status))
        entries.append(Entry(name: Slice(start, middle), value: Slice(middle, text.count), isIndexed: true))
    }

    /// Fields as `write` writes them: whole HTTP/1 lines. Names become lower case here, and what belongs
    /// to an HTTP/1 connection alone must not be among them.
    public func add(lines write: (Buffer) -> Void) {
        let from = text.count
        write(text)
        text.withMutableReadable { text in
            var at = from
            while at < text.count {
                let start = at
                while at < text.count && text[at] != 0x3a {
                    text[at] = text[at].asciiLowercased
                    at &+= 1
                }
                let nameEnd = at
                at &+= 1
                while at < text.count && text[at] == 0x20 { at &+= 1 }
                let valueStart = at
                at = text.span.firstIndex(of: 0x0d, from: at)
                guard at &+ 1 < text.count else { return }
                let name = FieldName.intern(text.span.extracting(start..<nameEnd))
                entries.append(
                    Entry(
                        name: Slice(start, nameEnd), value: Slice(valueStart, at),
                        isIndexed: !Self.differing.contains(name)))
                at &+= 2
            }
        }
    }

    /// Fields that differ from message to message: in the table they would only push out what repeats.
    private static let differing = FieldNameSet(
        .correlationID, .xCorrelationID, .traceparent, .tracestate, .contentLength, .xRequestID, .idempotencyKey,
        .grpcTimeout, .xForwardedFor, .forwarded, .location)

    /// The fields as the encoder wants them, for the length of the call.
    func withPairs<R>(_ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
        pairs.removeAll(keepingCapacity: true)
        return text.withUnsafeReadable { memory in
            // The encoder only reads; its structure has no const.
            let base = UnsafeMutablePointer(mutating: memory.bindMemory(to: UInt8.self).baseAddress)
            for entry in entries {
                pairs.append(
                    nghttp2_nv(
                        name: base.map { $0 + Int(entry.name.start) }, value: base.map { $0 + Int(entry.value.start) },
                        namelen: Int(entry.name.count), valuelen: Int(entry.value.count),
                        flags: entry.isIndexed ? 0 : UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)))
            }
            return pairs.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
        }
    }
}
