import Exchanges
import WireHTTP

/// The head of an answer that the gateway makes and hands on as if an origin had sent it: fields, and the text
/// they point into.
final class ReplyLines {
    private var head = ReplyHead()
    private let text = Buffer(capacity: 256)

    init(status: UInt16) { head.status = status }

    func add(_ number: FieldName, _ name: StaticString, _ value: StaticString) {
        add(number, name) { $0.append(value) }
    }

    /// - Parameter value: appends it.
    func add(_ number: FieldName, _ name: StaticString, _ value: (Buffer) -> Void) {
        let start = text.count
        text.append(name)
        let middle = text.count
        value(text)
        head.fields.append(Field(name: number, nameText: Slice(start, middle), value: Slice(middle, text.count)))
    }

    /// A field of another head.
    func add(_ field: Field, of source: borrowing Span<UInt8>) {
        let start = text.count
        text.append(field.nameText, of: source)
        let middle = text.count
        text.append(field.value, of: source)
        head.fields.append(Field(name: field.name, nameText: Slice(start, middle), value: Slice(middle, text.count)))
    }

    /// Whole lines, `name: value` and CRLF each.
    func add(lines: [UInt8]) {
        var start = 0
        while let end = lines[start...].firstIndex(of: 0x0d), let colon = lines[start..<end].firstIndex(of: 0x3a) {
            let name = text.count
            text.append(Array(lines[start..<colon]))
            let value = text.count
            text.append(Array(lines[min(colon + 2, end)..<end]))
            let number = FieldName.intern(lines.span.extracting(start..<colon))
            head.fields.append(Field(name: number, nameText: Slice(name, value), value: Slice(value, text.count)))
            start = min(end + 2, lines.count)
        }
    }

    func withHead(_ body: (borrowing ReplyHead, borrowing Span<UInt8>) -> Void) {
        text.withReadable { body(head, $0) }
    }
}
