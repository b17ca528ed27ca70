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

    /// Every key is read back from its quoted form, and from its bare one where it has one.
    @Test func everyKeyIsReadBack() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let length = Int.random(in: 1...255, using: &random)
            let made = String(decoding: (0..<length).map { _ in UInt8.random(in: 0x20...0x7e, using: &random) }, as: UTF8.self)
            let quoted = "\"" + made.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
            #expect(key(quoted) == made)
            if made.first != "\"" { #expect(key(made) == (made.contains(" ") ? "!" : made)) }
        }
    }

    /// Whatever comes is no key or one of 1 to 255 printable characters, and in its quoted form the same.
    @Test func whateverComesIsOneKeyOrNone() {
        var random = SystemRandomNumberGenerator()
        let favourites: [UInt8] = [0x22, 0x5c, 0x20, 0x61, 0x7e, 0x7f, 0x1f, 0x80, 0x2c, 0x3b]
        for _ in 0..<2000 {
            let length = Int.random(in: 0...(Bool.random() ? 8 : 260), using: &random)
            let bytes = (0..<length).map { _ in favourites.randomElement(using: &random) ?? 0x61 }
            let isMostlyPlain = Bool.random(using: &random)
            let text = String(decoding: bytes.map { isMostlyPlain && $0 != 0x22 ? 0x61 : $0 & 0x7f }, as: UTF8.self)
            guard let found = key(text), found != "!" else { continue }
            #expect((1...255).contains(found.utf8.count) && found.utf8.allSatisfy { (0x20...0x7e).contains($0) })
            let quoted = "\"" + found.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
            #expect(key(quoted) == found)
        }
    }

    @Test func isGivenOnce() {
        #expect(key() == nil)
        #expect(key("a", "a") == "!" && key("a", "") == "!")
    }
}
