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
        #""patternProperties":{"a|b":@,"^b":@}"#, #""prefixItems":[@,@]"#, #""contains":@"#, #""minContains":0"#, #""maxContains":1"#,
        #""dependentRequired":{"a":["b"]}"#, #""dependentSchemas":{"a":@}"#, #""propertyNames":@"#, #""unevaluatedProperties":@"#,
        #""unevaluatedItems":@"#, #""uniqueItems":true"#, #""enum":[[1,1.5],{"a":[null]},1e2]"#, #""not":@"#, #""if":@,"then":@,"else":@"#,
        #""$anchor":"x""#, #""$dynamicAnchor":"y""#, ##""$ref":"#x""##, ##""$dynamicRef":"#y""##, #""$id":"z""#, #""$ref":"z""#, #""multipleOf":0.1"#,
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

    /// One body, made to keep a schema busy: 200 kB at most, and every one of these was quadratic or worse when somebody
    /// looked at each pair, or at each alternative of each alternative.
    private static let towers: [(schema: String, value: String)] = [
        // 20,000 items of which none equals another, and two large objects that differ in the last member.
        (#"{"uniqueItems":true}"#, "[" + (0..<20_000).map { "\($0)" }.joined(separator: ",") + ",0]"),
        (#"{"uniqueItems":true}"#, "[" + [0, 1].map { last in "{" + (0..<8000).map { "\"m\($0)\":1" }.joined(separator: ",") + ",\"z\":\(last)}" }.joined(separator: ",") + ",0,0]"),
        // Each list within looks at all its items again.
        (##"{"uniqueItems":true,"contains":{"$ref":"#"},"items":{"$ref":"#"},"type":["array","integer"]}"##, String(repeating: "[0,", count: 60) + "7,7" + String(repeating: "]", count: 60)),
        (##"{"contains":{"$ref":"#"},"unevaluatedItems":{"not":{"$ref":"#"}},"type":"array"}"##, String(repeating: "[", count: 60) + String(repeating: "]", count: 60)),
        (##"{"anyOf":[{"items":{"$ref":"#"},"minItems":1},{"items":{"$ref":"#"},"maxItems":1},{"contains":{"$ref":"#"}}],"type":"array"}"##, String(repeating: "[", count: 60) + "1" + String(repeating: "]", count: 60)),
        (##"{"dependentSchemas":{"a":{"properties":{"a":{"$ref":"#"}}}},"patternProperties":{"a":{"$ref":"#"}},"additionalProperties":false}"##, String(repeating: #"{"a":"#, count: 60) + "{\"b\":1}" + String(repeating: "}", count: 60)),
        (##"{"unevaluatedProperties":{"$ref":"#"},"anyOf":[{"properties":{"a":{"$ref":"#"}}},{"patternProperties":{"^a":{"$ref":"#"}}}],"type":"object"}"##, String(repeating: #"{"a":"#, count: 60) + "1" + String(repeating: "}", count: 60)),
        // Patterns with everything on its way, against many names.
        (#"{"patternProperties":{"(a|aa)*(b|a?a?a?){30}c":true},"additionalProperties":false}"#, "{" + (0..<300).map { "\"" + String(repeating: "a", count: 400) + "\($0)\":1" }.joined(separator: ",") + "}"),
        (#"{"multipleOf":0.000000000000000007}"#, String(repeating: "9", count: 200_000)),
    ]

    @Test(arguments: Self.towers.indices)
    func towersComeToAnEnd(_ i: Int) throws {
        let (document, text) = (Array(Self.towers[i].schema.utf8), Array(Self.towers[i].value.utf8))
        let schema = try JSONSchema(document.span)
        let tape = try JSONTape(text.span)
        let found = schema.violations(tape, text.span)
        #expect(found.count >= 1 && found.count <= 16)
    }

    /// Anchors, and what they lead to, in every scope: the compiler tells schemas apart by scope.
    @Test func scopesWithinScopes() {
        let links = (0..<200).map { i in
            ##"{"$id":"r\##(i)","$ref":"r\##(i + 1)","$defs":{"x":{"$dynamicAnchor":"n\##(i % 7)","items":{"$dynamicRef":"#n\##(i % 7)"}}}}"##
        }
        let document = Array(##"{"$id":"https://example.com/top","$defs":{"all":{"prefixItems":[\##(links.joined(separator: ",")),{"$id":"r200"}]}},"$ref":"r0"}"##.utf8)
        #expect(throws: JSONSchema.Malformed.self) { try JSONSchema(document.span) }
    }

    @Test func manySchemasInARowForOneValue() throws {
        func document(_ count: Int) -> [UInt8] {
            let links = (0..<count).map { ##""s\##($0)":{"$ref":"#/$defs/s\##($0 + 1)"}"## }
            return Array(##"{"$ref":"#/$defs/s0","$defs":{\##(links.joined(separator: ",")),"s\##(count)":{"type":"null"}}}"##.utf8)
        }
        _ = try JSONSchema(document(30).span)
        #expect(throws: JSONSchema.Malformed("more than 32 schemas in a row apply to one value because of each other", at: 0)) {
            _ = try JSONSchema(document(31).span)
        }
    }
}
