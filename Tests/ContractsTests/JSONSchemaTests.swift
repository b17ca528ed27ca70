import Contracts
import Seeded
import Testing

/// What a schema says of values.
@Suite struct JSONSchemaTests {
    private func violations(_ schema: String, _ value: String, most: Int = 16) throws -> [String] {
        let (schema, value) = (Array(schema.utf8), Array(value.utf8))
        let compiled = try JSONSchema(schema.span)
        let tape = try JSONTape(value.span)
        let found = compiled.violations(tape, value.span, most: most).map { "\($0.pointer) \($0.error)" }
        let isAccepted = compiled.accepts(tape, value.span)
        #expect(isAccepted == found.isEmpty)
        return found
    }

    @Test(arguments: [
        (#"{"type":"integer"}"#, ["1", "-1", "1.0", "1e2", "9223372036854775807"], ["1.5", "\"1\"", "null", "9223372036854775808", "[]"]),
        (#"{"type":"number"}"#, ["1", "1.5", "-0", "1e300"], ["\"1\"", "true"]),
        (#"{"type":["string","null"]}"#, ["\"\"", "null"], ["0", "{}"]),
        (#"{"type":"boolean"}"#, ["true", "false"], ["0"]),
        (#"true"#, ["1", "{}"], []),
        (#"false"#, [], ["1", "{}"]),
        (#"{"enum":["a\n",1,null,true]}"#, [#""a\n""#, #""\u0061\u000A""#, "1", "1.0", "null", "true"], ["\"a\"", "2", "false", "\"1\""]),
        (#"{"const":"x"}"#, ["\"x\""], ["\"y\"", "1"]),
        (#"{"minimum":-3,"maximum":5}"#, ["-3", "5", "4.5", "\"text\""], ["-4", "6", "5.5", "-3.5", "1e300", "99999999999999999999"]),
        (#"{"exclusiveMinimum":0,"exclusiveMaximum":2}"#, ["1", "0.5", "1.5"], ["0", "2", "-1", "3"]),
        (#"{"minLength":2,"maxLength":3}"#, [#""ab""#, #""äöü""#, #""🦊🦊""#, #""\u00e4\u00e4""#, "1"], [#""a""#, #""abcd""#, #""🦊""#]),
        (#"{"format":"date-time"}"#, [#""2026-03-01T09:45:00Z""#, #""2026-03-01T09:45:00.25+01:00""#, "7"], [#""2026-13-01T09:45:00Z""#, #""soon""#, #""2026-03-01""#]),
        (#"{"items":{"type":"integer"},"minItems":1,"maxItems":2}"#, ["[1]", "[1,2]", "{}"], ["[]", "[1,2,3]", "[\"a\"]"]),
        (#"{"properties":{"a":{"type":"integer"}},"required":["a","b"]}"#, [#"{"a":1,"b":2}"#, #"{"b":null,"a":1,"c":1}"#, "[]"], ["{}", #"{"a":1}"#, #"{"a":"1","b":1}"#]),
        (#"{"properties":{"a":true},"additionalProperties":false}"#, ["{}", #"{"a":1}"#, #"{"\u0061":1}"#], [#"{"b":1}"#, #"{"a":1,"aa":2}"#]),
        (#"{"additionalProperties":{"type":"string"}}"#, [#"{"x":"y"}"#], [#"{"x":1}"#]),
        (#"{"oneOf":[{"type":"integer"},{"minimum":5}]}"#, ["1", "5.5", "\"a\""], ["6", "1.5"]),
        (#"{"anyOf":[{"type":"integer"},{"minimum":5}]}"#, ["1", "5.5", "6"], ["1.5"]),
        (#"{"allOf":[{"type":"integer"},{"minimum":5}]}"#, ["6"], ["1", "5.5"]),
        (#"{"not":{"type":"integer"}}"#, ["1.5", "{}"], ["1"]),
        (#"{"multipleOf":5}"#, ["0", "-10", "1e2", "\"7\""], ["7", "2.5"]),
        (#"{"minProperties":1,"maxProperties":2}"#, [#"{"a":1}"#, #"{"a":1,"b":2}"#, "[]"], ["{}", #"{"a":1,"b":2,"c":3}"#]),
        (
            #"{"if":{"properties":{"kind":{"const":"card"}},"required":["kind"]},"then":{"required":["card"]},"else":{"required":["iban"]}}"#,
            [#"{"kind":"card","card":1}"#, #"{"kind":"x","iban":1}"#, #"{"iban":1}"#], [#"{"kind":"card","iban":1}"#, "{}"]
        ),
        (#"{"if":{"type":"integer"},"then":{"minimum":3}}"#, ["3", "\"a\""], ["2"]),
        (#"{"then":{"type":"integer"},"else":false}"#, ["\"a\"", "1"], []),
        (##"{"$defs":{"n":{"type":"integer"}},"properties":{"a":{"$ref":"#/$defs/n","minimum":3}}}"##, [#"{"a":3}"#], [#"{"a":2}"#, #"{"a":"3"}"#]),
        (##"{"$defs":{"a/b~":{"type":"integer"}},"$ref":"#/$defs/a~1b~0"}"##, ["1"], ["\"1\""]),
        (##"{"properties":{"next":{"$ref":"#"},"v":{"type":"integer"}},"required":["v"]}"##, [#"{"v":1,"next":{"v":2,"next":{"v":3}}}"#], [#"{"v":1,"next":{"v":2,"next":{}}}"#]),
    ] as [(String, [String], [String])])
    func saysWhatFits(_ schema: String, _ good: [String], _ bad: [String]) throws {
        for value in good { #expect(try violations(schema, value) == [], "\(value)") }
        for value in bad { #expect(try violations(schema, value) != [], "\(value)") }
    }

    @Test func saysWhereAndWhat() throws {
        let schema = """
            {"type":"object","additionalProperties":false,"required":["id","lines"],"properties":{
              "id":{"type":"string","maxLength":3},"a/b":{"type":"null"},
              "lines":{"type":"array","items":{"type":"object","required":["n"],"properties":{"n":{"type":"integer","minimum":1,"maximum":9}}}}}}
            """
        #expect(
            try violations(schema, #"{"id":"long","lines":[{"n":1},{"n":0},{},7],"x":1,"a/b":0}"#) == [
                "/id is too long", "/lines/1/n must be from 1 to 9", "/lines/2/n is required",
                "/lines/3 must be of type object", "/x unknown member", "/a~1b must be of type null",
            ])
        #expect(try violations(schema, "{}") == ["/id is required", "/lines is required"])
        #expect(try violations(schema, "[]") == [" must be of type object"])
        let many = "[" + Array(repeating: "\"\"", count: 5000).joined(separator: ",") + "]"
        #expect(try violations(#"{"items":{"type":"integer"}}"#, many, most: 4).count == 4)
    }

    /// A value as deep as it may be, against alternatives of alternatives: 2^60 ways to look at it.
    @Test(arguments: ["anyOf", "oneOf"])
    func comesToAnEnd(_ keyword: String) throws {
        let schema = ##"{"$defs":{"a":{"K":[{"properties":{"x":{"$ref":"#/$defs/a"}},"required":["y"]},{"properties":{"x":{"$ref":"#/$defs/a"}},"required":["z"]}]}},"not":{"$ref":"#/$defs/a"}}"##
        let value = String(repeating: #"{"x":"#, count: 60) + "1" + String(repeating: "}", count: 60)
        let found = try violations(schema.split(separator: "K").joined(separator: keyword), value)
        #expect(found == [" takes too long to check"])
    }

    /// What is not known is never ignored; each with its place.
    @Test(arguments: [
        (#"{"tpye":"string"}"#, "unknown keyword 'tpye'", 1),
        (#"{"properties":{"a":{"uniqueItems":true}}}"#, "'uniqueItems' is not supported, and what is not checked is not promised: say it in other words", 20),
        (#"{"multipleOf":0}"#, "must be more than 0", 14),
        (##"{"not":{"$ref":"#"}}"##, "this schema refers to itself without going into the value", 0),
        (#"{"type":"text"}"#, "not the name of a type", 8),
        (#"{"minimum":1.5}"#, "must be an integer of 64 bits", 11),
        (#"{"minLength":-1}"#, "must not be negative", 13),
        (#"{"minLength":3,"maxLength":2}"#, "is less than the minimum", 27),
        (#"{"format":"email"}"#, "the only format known is date-time", 10),
        (#"{"$ref":"other.json"}"#, "only references into this document (#/$defs/...) are known", 8),
        (##"{"$ref":"#/$defs/x"}"##, "'#/$defs/x' is not in this document", 8),
        (##"{"$ref":"#"}"##, "this schema refers to itself without going into the value", 0),
        (##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##, "this schema refers to itself without going into the value", 14),
        (#"{"pattern":"(a"}"#, "the pattern cannot be used: a ( without its )", 11),
        (#"{"pattern":"(?=a)"}"#, "the pattern cannot be used: look-around and names are not known", 11),
        (#"{"pattern":"a{1000}{1000}"}"#, "the pattern cannot be used: lazy or repeated repetitions are not known", 11),
        (#"{"pattern":"((a{1000}){1000}){1000}"}"#, "the pattern cannot be used: it is too large", 11),
        (#"{"enum":[1.5]}"#, "must be an integer of 64 bits", 9),
        (#"{"oneOf":[]}"#, "needs at least one schema", 9),
        (#"{"items":7}"#, "a schema is an object, true or false", 9),
        (#"{"type":}"#, "unexpected character", 8),
        ("", "the text is empty", 0),
    ])
    func refusesWhatItDoesNotKnow(_ schema: String, _ message: String, _ offset: Int) {
        let text = Array(schema.utf8)
        #expect(throws: JSONSchema.Malformed(message, at: offset)) { _ = try JSONSchema(text.span) }
    }

    @Test func exponentialReferencesAreRefused() {
        var definitions = #""d0":{"type":"integer"}"#
        for i in 1...40 { definitions += ##","d\##(i)":{"allOf":[{"$ref":"#/$defs/d\##(i - 1)"},{"$ref":"#/$defs/d\##(i - 1)"}]}"## }
        let text = Array(##"{"$defs":{\##(definitions)},"$ref":"#/$defs/d40"}"##.utf8)
        #expect(throws: JSONSchema.Malformed.self) { _ = try JSONSchema(text.span) }
    }

    @Test(arguments: [
        ("^[0-9]+$", ["0", "123"], ["", "1a", "a1", " 1"]),
        ("^-?[0-9]+$", ["-1", "1"], ["--1", "-", ""]),
        (#"^[^\u0000-\u001F\u007F-\u009F]+$"#, ["a", "käse", "🦊"], ["", "a\u{1}", "\u{7F}", "\u{85}x"]),
        (#"^[^\u0000-\u001F\u007F-\u009F]*$"#, ["", "a\u{A0}"], ["\n"]),
        ("a+b", ["xaab", "ab"], ["ba", ""]),
        ("^(ab|c){2,3}$", ["abab", "cc", "abcab"], ["ab", "cccc", "abx"]),
        (#"^\d{4}-\d\d$"#, ["2026-11"], ["226-11", "2026-1", "2026-111"]),
        (#"^-?(0|[1-9][0-9]*)(\.[0-9]{1,9})?$"#, ["0", "-12.5", "10.123456789"], ["01", "1.", "1.1234567890", ".5"]),
        ("^$", [""], ["a"]), ("", ["", "a"], []), ("^a|b$", ["ax", "xb"], ["xa", "bx"]),
        (#"^\w+@\w+\.[a-z]+$"#, ["a@b.c"], ["a@b", "@b.c"]), (".", ["x"], ["", "\n"]), (#"[\]\-a]"#, ["]", "-", "a"], ["b"]),
        ("^(a|b*)+$", ["", "abba"], ["c"]),
    ] as [(String, [String], [String])])
    func patterns(_ pattern: String, _ good: [String], _ bad: [String]) throws {
        var schema = JSONWriter<[UInt8]>([])
        schema.beginObject()
        schema.name("pattern")
        schema.string(pattern)
        schema.endObject()
        func fits(_ text: String) throws -> Bool {
            var value = JSONWriter<[UInt8]>([])
            value.string(text)
            let tape = try JSONTape(value.sink.span)
            return try JSONSchema(schema.sink.span).accepts(tape, value.sink.span)
        }
        for text in good { #expect(try fits(text), "\(text)") }
        for text in bad { #expect(try !fits(text), "\(text)") }
    }

    /// What backtracking takes longer than the universe for.
    @Test func noTextTakesLong() throws {
        let schema = try JSONSchema(Array(#"{"pattern":"^(a+)+(a|aa)*b{0,50}$"}"#.utf8).span)
        let value = Array(("\"" + String(repeating: "a", count: 20_000) + "!\"").utf8)
        let tape = try JSONTape(value.span)
        let start = ContinuousClock.now
        let isAccepted = schema.accepts(tape, value.span)
        #expect(!isAccepted)
        #expect(.now - start < .seconds(20))
    }
}
