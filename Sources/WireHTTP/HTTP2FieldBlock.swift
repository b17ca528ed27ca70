internal import CNghttp2
public import Exchanges

/// Fields to send, gathered in one text and handed to the encoder as pointers into it. Used again and
/// again; one a worker is enough, because handing over copies.
public final class HTTP2FieldBlock {
    private struct Entry {
        /// A name that is a constant of the program: the engine need neither copy it nor look at its case. Nil = it
        /// stands in `text`.
        var constant: UnsafePointer<UInt8>?
        /// With a constant only the length says something.
        var name: Slice
        var value: Slice
        var isIndexed: Bool
    }

    /// Values, and names that are no constants, one behind the other. Append to it between `begin` and `finish`, and
    /// nowhere else.
    public let text = Buffer(capacity: 2048)
    /// Where names and values stand in `text`, and room for as many pairs. Plain memory: arrays would ask at every
    /// step whether somebody else has them too.
    private var entries: UnsafeMutablePointer<Entry>
    private var pairs: UnsafeMutablePointer<nghttp2_nv>
    private var room = 32
    private var used = 0
    /// Bytes of the names that are constants.
    private var constants = 0

    public init() {
        entries = .allocate(capacity: room)
        pairs = .allocate(capacity: room)
    }

    deinit {
        entries.deallocate()
        pairs.deallocate()
    }

    /// Bytes of all names and values.
    public var count: Int { text.count &+ constants }

    public func clear() {
        text.clear()
        used = 0
        constants = 0
    }

    /// The field with this name whose value stands in `text` from `start` to `end`.
    @inline(__always)
    private func note(_ name: StaticString, _ start: Int, _ end: Int, isIndexed: Bool) {
        constants &+= name.utf8CodeUnitCount
        note(Entry(constant: name.utf8Start, name: Slice(0, name.utf8CodeUnitCount), value: Slice(start, end), isIndexed: isIndexed))
    }

    @inline(__always)
    private func note(_ start: Int, _ nameEnd: Int, _ valueStart: Int, _ end: Int, isIndexed: Bool) {
        note(Entry(constant: nil, name: Slice(start, nameEnd), value: Slice(valueStart, end), isIndexed: isIndexed))
    }

    @inline(__always)
    private func note(_ entry: Entry) {
        if used == room { grow() }
        entries[used] = entry
        used &+= 1
    }

    @inline(never) private func grow() {
        let more = UnsafeMutablePointer<Entry>.allocate(capacity: room * 2)
        more.update(from: entries, count: used)
        entries.deallocate()
        entries = more
        pairs.deallocate()
        room *= 2
        pairs = .allocate(capacity: room)
    }

    /// - Parameter name: lower case.
    public func add(_ name: StaticString, _ value: borrowing Span<UInt8>) { add(name, value, isIndexed: true) }

    @inline(__always) private func add(_ name: StaticString, _ value: borrowing Span<UInt8>, isIndexed: Bool) {
        let text = text
        let start = text.count
        text.append(value)
        note(name, start, text.count, isIndexed: isIndexed)
    }

    public func add(_ name: StaticString, _ value: StaticString) {
        let text = text
        let start = text.count
        text.append(value)
        note(name, start, text.count, isIndexed: true)
    }

    /// A received field, its name in lower case.
    public func add(_ field: Field, of source: borrowing Span<UInt8>) {
        if field.name != .other {
            return add(
                FieldName.spellings[Int(field.name.rawValue)], source.extracting(field.value.range),
                isIndexed: !Self.differing.contains(field.name))
        }
        let text = text
        let start = text.count
        text.append(lowercasing: source.extracting(field.nameText.range))
        let middle = text.count
        text.append(field.value, of: source)
        note(start, middle, middle, text.count, isIndexed: true)
    }

    /// - Parameters:
    ///   - name: lower case.
    ///   - number: its number, where it has one.
    public func add(_ name: StaticString, _ number: FieldName, _ value: borrowing Span<UInt8>) {
        add(name, value, isIndexed: !Self.differing.contains(number))
    }

    /// Begins a field whose value is put together: append it to `text`, then `finish`.
    public func begin(_ name: StaticString, _ number: FieldName) {
        note(name, text.count, text.count, isIndexed: !Self.differing.contains(number))
    }

    public func finish() {
        precondition(used > 0)
        let start = Int(entries[used &- 1].value.start)
        entries[used &- 1].value = Slice(start, text.count)
    }

    /// `content-length`.
    public func add(contentLength: UInt64) {
        begin("content-length", .contentLength)
        text.append(decimal: contentLength)
        finish()
    }

    /// `:status`.
    public func add(status: UInt16) {
        let start = text.count
        text.append(decimal: UInt64(status))
        note(":status", start, text.count, isIndexed: true)
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
                let number = FieldName.intern(text.span.extracting(start..<nameEnd))
                note(start, nameEnd, valueStart, at, isIndexed: !Self.differing.contains(number))
                at &+= 2
            }
        }
    }

    /// Fields that differ from message to message: in the table they would only push out what repeats.
    private static let differing = FieldNameSet(
        .correlationID, .xCorrelationID, .traceparent, .tracestate, .contentLength, .xRequestID, .idempotencyKey,
        .grpcTimeout, .xForwardedFor, .forwarded, .location, .rateLimit)

    /// The fields as the encoder wants them, for the length of the call.
    /// - Parameter introduces: fields that differ go into the table this once, so that their names are in it.
    func withPairs<R>(introduces: Bool = false, _ body: (UnsafePointer<nghttp2_nv>?, Int) -> R) -> R {
        text.withUnsafeReadable { memory in
            // The encoder only reads; its structure has no const.
            guard let base = UnsafeMutablePointer(mutating: memory.bindMemory(to: UInt8.self).baseAddress) else {
                return body(nil, 0)
            }
            for i in 0..<used {
                let entry = entries[i]
                precondition(entry.value.end <= memory.count && (entry.constant != nil || entry.name.end <= memory.count))
                let flags = (entry.isIndexed || introduces ? 0 : NGHTTP2_NV_FLAG_NO_INDEX.rawValue) | (entry.constant == nil ? 0 : NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue)
                pairs[i] = nghttp2_nv(
                    name: UnsafeMutablePointer(mutating: entry.constant) ?? base + Int(entry.name.start), value: base + Int(entry.value.start),
                    namelen: Int(entry.name.count), valuelen: Int(entry.value.count), flags: UInt8(flags))
            }
            return body(pairs, used)
        }
    }
}
