import Contracts
import Seeded
import Testing

/// Schemas, and texts for them, of somebody hostile: compiled or refused, and checked in bounded time.
@Suite struct HostileSchemaTests {
    private let keywords = [
        #""type":"object""#, #""type":["string","null"]"#, ##""$ref":"#""##, ##""$ref":"#/$defs/a""##, ##""$ref":"#/$defs/a/items""##,
        #""$defs":{"a":@}"#, #""allOf":[@,@]"#, #""anyOf":[@,@]"#, #""oneOf":[@,@]"#, #""items":@"#, #""properties":{"a":@,"b":@}"#,
        #""additionalProperties":@"#, #""required":["a","b"]"#, #""minItems":1"#, #""maxLength":-1"#, #""pattern":"(a|b)*c""#,
        #""pattern":"((a{900}){900}){900}""#, #""enum":[1,"a",null]"#, #""const":{}"#, #""minimum":1e400"#, #""format":"date-time""#,
    ]
    private let texts = ["{}", "[]", #"{"a":{"a":{"b":[1,"a",null]}},"b":"ac"}"#, "1", #""aaac""#, "null", #"[[[["a"]]]]"#, "1e999"]

    private func schema(_ seeded: inout Seeded, depth: Int = 0) -> String {
        if depth > 4 || seeded.chance(6) { return seeded.pick(["true", "false", "{}", "1"]) }
        let parts = (0..<seeded.count(1...3)).map { _ in
            var text = ""
            for character in seeded.pick(keywords) { text += character == "@" ? schema(&seeded, depth: depth + 1) : String(character) }
            return text
        }
        return "{" + parts.joined(separator: ",") + "}"
    }

    @Test func drawnSchemasEnd() {
        var seeded = Seeded(state: 9)
        var compiled = 0
        for _ in 0..<5000 {
            let document = Array(schema(&seeded).utf8)
            guard let schema = try? JSONSchema(document.span) else { continue }
            compiled += 1
            for text in texts {
                let text = Array(text.utf8)
                guard let tape = try? JSONTape(text.span) else { continue }
                let found = schema.violations(tape, text.span)
                #expect(found.count <= 16 && schema.accepts(tape, text.span) == found.isEmpty)
            }
        }
        #expect(compiled > 500)
    }

    /// Each goes on into the value, so no value is checked against many; the compiler must not go as deep as they are many.
    @Test func aLongChainOfReferences() {
        let links = (0..<4000).map { ##""s\##($0)":{"items":{"$ref":"#/$defs/s\##($0 + 1)"}}"## }
        let document = Array(##"{"$ref":"#/$defs/s0","$defs":{\##(links.joined(separator: ",")),"s4000":{"type":"null"}}}"##.utf8)
        #expect(throws: JSONSchema.Malformed.self) { try JSONSchema(document.span) }
    }

    @Test func alternativesOfAlternatives() {
        let levels = (0..<40).map { ##""s\##($0)":{"anyOf":[{"$ref":"#/$defs/s\##($0 + 1)"},{"$ref":"#/$defs/s\##($0 + 1)"}]}"## }
        let document = Array(##"{"$ref":"#/$defs/s0","$defs":{\##(levels.joined(separator: ",")),"s40":{"type":"null"}}}"##.utf8)
        #expect(throws: JSONSchema.Malformed.self) { try JSONSchema(document.span) }
    }
}
