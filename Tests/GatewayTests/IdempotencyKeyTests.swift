import Exchanges
import Testing

@testable import Gateway

@Suite struct IdempotencyKeyTests {
    /// The key of fields with these values; nil = there is none, `!` = malformed.
    private func key(_ values: String...) -> String? {
        var head = Head()
        var text: [UInt8] = []
        for value in values {
            let start = text.count
            text += Array(value.utf8)
            head.fields.append(Field(name: .idempotencyKey, nameText: .none, value: Slice(start, text.count)))
        }
        switch IdempotencyKey.read(head, in: text.span) {
        case .none: return nil
        case .malformed: return "!"
        case .plain(let place): return String(decoding: text[place], as: UTF8.self)
        case .unescaped(let key): return String(decoding: key, as: UTF8.self)
        }
    }

    private static let long = String(repeating: "k", count: 255)

    @Test(arguments: [
        ("abc", "abc"), ("\"abc\"", "abc"), ("\"a\\\"b\\\\c\"", "a\"b\\c"), ("\"a b\"", "a b"), ("a\"b", "a\"b"), ("a\\b", "a\\b"), ("~!", "~!"),
        (long, long), ("\"\(long)\"", long), ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("\"\\\\" + String(repeating: "k", count: 254) + "\"", "\\" + String(repeating: "k", count: 254)),
    ])
    func quotedAndBareAreTheSame(_ field: String, _ expected: String) { #expect(key(field) == expected) }

    @Test(arguments: [
        "", "\"\"", "\"", "\"abc", "abc def", "\"a\"b\"", "\"a\\\"", "\"a\\b\"", "\"abc\";x=1", "a\tb", "\"a\tb\"", "schlüssel", "\"ü\"", "a\u{7f}",
        long + "k", "\"\(long)k\"", "\"\\\\\(long)\"", "\"abc\" ", "a, b",
    ])
    func anythingElseIsMalformed(_ field: String) { #expect(key(field) == "!") }

    @Test func isGivenOnce() {
        #expect(key() == nil)
        #expect(key("a", "a") == "!" && key("a", "") == "!")
    }
}
