import Exchanges
import WireHTTP

/// Where the fields of a message are written: lines of HTTP/1, or the block an HTTP/2 encoder takes.
/// Code that says which fields a message has is written once, for both; it is specialised for each.
protocol FieldSink {
    /// A received field.
    func write(_ field: Field, of text: borrowing Span<UInt8>)
    /// A received field, as one of several: neighbours may leave in one piece. Follow with `finish` when all have been seen.
    func write(_ field: Field, of text: borrowing Span<UInt8>, joining run: inout LineRun)
    func finish(_ run: LineRun, of text: borrowing Span<UInt8>)
    /// A field of our own. - Parameters: `number`: its number where it has one; `title` and `lower`: its two spellings.
    func write(_ number: FieldName, _ title: StaticString, _ lower: StaticString, _ value: borrowing Span<UInt8>)
    /// Begins a field of our own whose value is put together: append it to `text`, then `finish`.
    func begin(_ number: FieldName, _ title: StaticString, _ lower: StaticString)
    var text: Buffer { get }
    func finish()
    func writeDate(of worker: Worker)
    /// Whole lines, for what is rare: they are taken apart again where that is needed.
    func writeLines(_ lines: (Buffer) -> Void)
}

/// Lines of a received head that stand side by side and go on just as they are.
struct LineRun {
    private var start = 0
    private var end = 0

    /// - Returns: false = its line does not follow what is here, or is not written as the gateway writes lines.
    @inline(__always) mutating func take(_ field: Field, of text: borrowing Span<UInt8>) -> Bool {
        let from = Int(field.nameText.start)
        let valueEnd = field.value.end
        let nameEnd = field.nameText.end
        guard end == 0 || end == from, Int(field.value.start) &- nameEnd == 2, text[nameEnd] == 0x3a, text[nameEnd &+ 1] == 0x20,
            valueEnd &+ 2 <= text.count, text[valueEnd] == 0x0d, text[valueEnd &+ 1] == 0x0a
        else { return false }
        if end == 0 { start = from }
        end = valueEnd &+ 2
        return true
    }

    var isEmpty: Bool { end == 0 }
    var range: Range<Int> { start..<end }
}

/// Fields as lines.
struct FieldLines: FieldSink {
    let out: Buffer
    var text: Buffer { out }

    @inline(__always) func write(_ field: Field, of text: borrowing Span<UInt8>) {
        HTTP1Encoder.field(field, of: text, into: out)
    }

    @inline(__always) func write(_ field: Field, of text: borrowing Span<UInt8>, joining run: inout LineRun) {
        if run.take(field, of: text) { return }
        finish(run, of: text)
        run = LineRun()
        if !run.take(field, of: text) { write(field, of: text) }
    }

    @inline(__always) func finish(_ run: LineRun, of text: borrowing Span<UInt8>) {
        if !run.isEmpty { out.append(text.extracting(run.range)) }
    }

    @inline(__always)
    func write(_ number: FieldName, _ title: StaticString, _ lower: StaticString, _ value: borrowing Span<UInt8>) {
        HTTP1Encoder.field(title, value, into: out)
    }

    @inline(__always) func begin(_ number: FieldName, _ title: StaticString, _ lower: StaticString) {
        out.append(title)
        out.append(": " as StaticString)
    }

    @inline(__always) func finish() { HTTP1Encoder.crlf(out) }

    @inline(__always) func writeDate(of worker: Worker) { worker.dateField(into: out) }
    @inline(__always) func writeLines(_ lines: (Buffer) -> Void) { lines(out) }
}

/// Fields for an encoder.
struct FieldEntries: FieldSink {
    let block: HTTP2FieldBlock
    let text: Buffer

    init(block: HTTP2FieldBlock) {
        self.block = block
        text = block.text
    }

    @inline(__always) func write(_ field: Field, of text: borrowing Span<UInt8>) { block.add(field, of: text) }
    @inline(__always) func write(_ field: Field, of text: borrowing Span<UInt8>, joining run: inout LineRun) { block.add(field, of: text) }
    @inline(__always) func finish(_ run: LineRun, of text: borrowing Span<UInt8>) {}

    @inline(__always)
    func write(_ number: FieldName, _ title: StaticString, _ lower: StaticString, _ value: borrowing Span<UInt8>) {
        block.add(lower, number, value)
    }

    @inline(__always) func begin(_ number: FieldName, _ title: StaticString, _ lower: StaticString) {
        block.begin(lower, number)
    }

    @inline(__always) func finish() { block.finish() }

    @inline(__always) func writeDate(of worker: Worker) { worker.dateField(into: block) }
    @inline(__always) func writeLines(_ lines: (Buffer) -> Void) { block.add(lines: lines) }
}
