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
        (#"{"type":"integer"}"#, ["1", "-1", "1.0", "1e2", "9223372036854775807", "9223372036854775808", "-1e300"], ["1.5", "\"1\"", "null", "1e-3", "[]"]),
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

    /// Each keyword says where it is violated. What fits and what does not is in Tests/Conformance/schemas/cases.txt.
    @Test(arguments: [
        (#"{"prefixItems":[true,{"type":"null"}],"items":false}"#, "[1,2,3]", ["/1 must be of type null", "/2 must not be here"]),
        (#"{"contains":{"type":"null"},"minContains":2}"#, "[null]", [" has too few of the items it must contain"]),
        (#"{"contains":{"type":"null"},"maxContains":1}"#, "[null,null]", [" has too many of some items"]),
        (#"{"properties":{"a":{"uniqueItems":true}}}"#, #"{"a":[[1],2,[1.0]]}"#, ["/a/2 is there already"]),
        (#"{"patternProperties":{"^a":{"type":"null"}}}"#, #"{"ab":1,"b":1}"#, ["/ab must be of type null"]),
        (#"{"propertyNames":{"maxLength":1}}"#, #"{"a":1,"b/c":2}"#, ["/b~1c has a name that is not allowed"]),
        (#"{"dependentRequired":{"a":["b","c"]}}"#, #"{"a":1,"c":1}"#, ["/b is required with 'a'"]),
        (#"{"dependentSchemas":{"a":{"required":["d"]}}}"#, #"{"a":1}"#, ["/d is required"]),
        (#"{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}"#, #"{"a":1,"b":1}"#, ["/b unknown member"]),
        (#"{"prefixItems":[true],"unevaluatedItems":false}"#, "[1,2]", ["/1 an item that nothing allows"]),
        (#"{"unevaluatedItems":{"type":"null"}}"#, "[null,1]", ["/1 must be of type null"]),
        (#"{"minimum":1.5,"maximum":9}"#, "1", [" must be from 1.5 to 9"]),
        (#"{"exclusiveMinimum":0}"#, "0", [" must be more than 0"]),
        (#"{"minimum":1,"exclusiveMaximum":5}"#, "5", [" must be at least 1 and less than 5"]),
        (#"{"format":"uuid"}"#, #""x""#, [" must be a UUID"]),
    ] as [(String, String, [String])])
    func everyKeywordSaysWhere(_ schema: String, _ value: String, _ expected: [String]) throws {
        #expect(try violations(schema, value) == expected)
    }

    /// A member that is missing where it is not told apart from others: 1,000 of them are fine, 1,001 are not.
    @Test func asManyMembersAsThereMayBe() throws {
        func schema(_ count: Int) -> String {
            let names = (0..<count).map { "\"m\(($0 * 7919) % count)\"" }
            return #"{"properties":{"# + names.map { $0 + #":{"type":"integer"}"# }.joined(separator: ",") + #"},"required":["# + names.joined(separator: ",") + "]}"
        }
        let value = "{" + (0..<1000).filter { $0 != 333 }.map { "\"m\($0)\":\($0)" }.joined(separator: ",") + "}"
        #expect(try violations(schema(1000), value) == ["/m333 is required"])
        #expect(throws: JSONSchema.Malformed.self) { _ = try JSONSchema(Array(schema(1001).utf8).span) }
    }

    @Test(arguments: [
        ("date-time", ["2026-03-01T09:45:00Z", "2026-03-01t09:45:00.5z", "2016-12-31T23:59:60Z", "1990-12-31T15:59:60-08:00"], ["2026-02-29T09:45:00Z", "2026-03-01 09:45:00Z", "2026-03-01T09:45:00", "2026-03-01T24:00:00Z", "2026-03-01T09:45:60Z", "2026-03-01T09:45:00+1:00"]),
        ("date", ["2024-02-29"], ["2023-02-29", "2024-2-29", "2024-13-01", "20240229", ""]),
        ("time", ["09:45:00Z", "23:59:59.999+23:59"], ["09:45Z", "09:45:00", "24:00:00Z", "09:45:00.Z"]),
        ("duration", ["P1D", "PT0S", "P1Y2M3DT4H5M6S", "P4W"], ["P", "PT", "P1DT", "1D", "P1Y2D", "P2W1D", "PT1D", "P1S"]),
        ("email", ["a@b.c", "a.b+c@d-e.example", "x@[127.0.0.1]", "x@[IPv6:::1]"], ["a", "@b", "a@", ".a@b", "a..b@c", "a@b c", "a@-b"]),
        ("hostname", ["a", "a-b.example", "1.example"], ["", "-a", "a-", "a..b", ".a", "a_b", "a."]),
        ("ipv4", ["0.0.0.0", "255.255.255.255"], ["256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ", ""]),
        ("ipv6", ["::", "::1", "1:2:3:4:5:6:7:8", "fe80::1", "::ffff:1.2.3.4", "1::8"], [":", "1:2:3:4:5:6:7", "1::2::3", "12345::", "1:2:3:4:5:6:7::8:9", "::1%eth0", "1:"]),
        ("uri", ["https://a.example/b?c#d", "urn:a:b", "http://[::1]:80/", "mailto:a@b"], ["/a", "a", "http://a b", "http://a/%zz", "http://[x]/", "a:b#c#d", ""]),
        ("uri-reference", ["", "/a?b", "#c", "../x", "//a/b"], ["a\\b", "1:2", "a b"]),
        ("uuid", ["2EB8AA08-aa98-11ea-b4aa-73b441d16380"], ["2eb8aa08-aa98-11ea-b4aa-73b441d1638", "2eb8aa08aa98-11ea-b4aa-73b441d16380-", "2eb8aa08-aa98-11ea-b4ga-73b441d16380"]),
        ("json-pointer", ["", "/", "/a~0b/~1"], ["a", "/~", "/~2"]),
        ("relative-json-pointer", ["0", "1/a", "12#"], ["", "-1", "01", "/a", "1#a"]),
    ] as [(String, [String], [String])])
    func formats(_ format: String, _ good: [String], _ bad: [String]) throws {
        for text in good { #expect(try violations("{\"format\":\"\(format)\"}", "\"\(text)\"") == [], "\(text)") }
        for text in bad { #expect(try violations("{\"format\":\"\(format)\"}", "\"\(text)\"").count == 1, "\(text)") }
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
        (#"{"tpye":"string"}"#, "unknown keyword 'tpye': for a remark of your own call it 'x-tpye'", 1),
        (#"{"items":[true]}"#, "in draft 2020-12 a list of schemas is 'prefixItems'", 9),
        (#"{"definitions":{}}"#, "'definitions' is of an older draft: use '$defs'", 1),
        (#"{"dependencies":{}}"#, "'dependencies' is of an older draft: use 'dependentRequired' or 'dependentSchemas'", 1),
        (##"{"$recursiveRef":"#"}"##, "'$recursiveRef' is of an older draft: use '$dynamicRef' and '$dynamicAnchor'", 1),
        (#"{"nullable":true}"#, "'nullable' is of OpenAPI 3.0: list \"null\" in 'type'", 1),
        (#"{"xml":{}}"#, "'xml' is OpenAPI's, not JSON Schema's: take it out, or call it 'x-xml'", 1),
        (#"{"multipleOf":0}"#, "must be a number more than 0 of at most 18 digits", 14),
        (#"{"multipleOf":1.234567890123456789}"#, "must be a number more than 0 of at most 18 digits", 14),
        (##"{"not":{"$ref":"#"}}"##, "this schema refers to itself without going into the value", 0),
        (##"{"dependentSchemas":{"a":{"$ref":"#"}}}"##, "this schema refers to itself without going into the value", 0),
        (#"{"type":"text"}"#, "not the name of a type", 8),
        (#"{"minimum":"1"}"#, "must be a number", 11),
        (#"{"minLength":-1}"#, "must not be negative", 13),
        (#"{"minContains":0.5}"#, "must be an integer of 64 bits", 15),
        (#"{"uniqueItems":1}"#, "must be true or false", 15),
        (#"{"required":["a","a"]}"#, "listed twice", 17),
        (#"{"dependentRequired":{"a":[1]}}"#, "a name must be text", 27),
        (#"{"format":"idn-email"}"#, "this format is not known, and what is not checked is not promised: use 'pattern', or one of date, date-time, duration, email, hostname, ipv4, ipv6, json-pointer, relative-json-pointer, time, uri, uri-reference, uuid", 10),
        (#"{"$ref":"other.json"}"#, "'other.json' is not in this document, and others are not read: put that schema into its $defs, with its $id", 8),
        (##"{"$ref":"#/$defs/x"}"##, "'#/$defs/x' is not in this document", 8),
        (##"{"$dynamicRef":"#x"}"##, "'#x' is not in this document", 15),
        (##"{"$ref":"#"}"##, "this schema refers to itself without going into the value", 0),
        (##"{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}},"$ref":"#/$defs/a"}"##, "this schema refers to itself without going into the value", 14),
        (##"{"$id":"a#b"}"##, "an '$id' has no fragment: '$anchor' names places", 7),
        (#"{"$anchor":"1"}"#, "an anchor begins with a letter or _, and has letters, digits, - _ and .", 11),
        (#"{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}"#, "another schema has this anchor", 45),
        (#"{"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}}"#, "another schema has this '$id'", 37),
        (#"{"pattern":"(a"}"#, "the pattern cannot be used: a ( without its )", 11),
        (#"{"patternProperties":{"(?=a)":true}}"#, "the pattern cannot be used: look-around and names are not known", 22),
        (#"{"pattern":"a{1000}{1000}"}"#, "the pattern cannot be used: lazy or repeated repetitions are not known", 11),
        (#"{"pattern":"((a{1000}){1000}){1000}"}"#, "the pattern cannot be used: it is too large", 11),
        (#"{"oneOf":[]}"#, "needs at least one schema", 9),
        (#"{"prefixItems":[]}"#, "needs at least one schema", 15),
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
