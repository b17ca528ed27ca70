import Contracts
import OpenAPI
import Testing

/// Which changes of a description break its clients.
@Suite struct APIChangesTests {
    private static let description = """
        {"openapi":"3.1.0","paths":{
          "/orders/{id}":{"post":{
            "parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string"}},
              {"name":"Idempotency-Key","in":"header","required":false,"schema":{"type":"string","maxLength":255}},
              {"name":"limit","in":"query","required":false,"schema":{"type":"integer","minimum":1,"maximum":100}}],
            "requestBody":{"required":false,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Order"}}}},
            "responses":{
              "202":{"description":"","headers":{"ETag":{"schema":{"type":"string"}}},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Accepted"}}}},
              "400":{"description":""}}}},
          "/live":{"get":{"responses":{"200":{"description":""}}}},
          "/mine":{"get":{"security":[{"bearer":[]},{"certificate":[]}],"responses":{"200":{"description":""}}}}},
        "components":{"schemas":{
          "Order":{"type":"object","additionalProperties":false,"required":["item"],"properties":{
            "item":{"type":"string","minLength":1,"maxLength":10},"colour":{"enum":["red","green"]},
            "size":{"type":["integer","null"]},"lines":{"type":"array","maxItems":5,"items":{"type":"integer"}},
            "parent":{"$ref":"#/components/schemas/Order"},"note":{"type":"string"},
            "zip":{"oneOf":[{"type":"integer"},{"type":"string","pattern":"^[0-9]+$"}]}}},
          "Accepted":{"type":"object","required":["version"],"properties":{
            "version":{"type":"integer","minimum":0},"state":{"enum":["open","closed"]},"who":{"type":"string"},
            "next":{"$ref":"#/components/schemas/Accepted"}}}}}}
        """

    private static func document(_ text: String) throws -> JSONValue { try JSONValue(Array(text.utf8).span) }

    /// What is broken when `piece` of the description becomes `other`.
    private static func changes(_ piece: String, _ other: String) throws -> [String] {
        let parts = description.split(separator: piece, omittingEmptySubsequences: false)
        try #require(parts.count == 2, "\(piece) is there \(parts.count - 1) times")
        let changed = parts.joined(separator: other)
        return APIChanges.breaking(from: try document(description), to: try document(changed)).map { "\($0.pointer): \($0.text)" }
    }

    @Test(arguments: [
        (#""/live":{"get""#, #""/alive":{"get""#, "/paths/~1live: path removed; old clients ask for it: keep its route"),
        (#""/live":{"get""#, #""/live":{"put""#, "/paths/~1live/get: method removed; old clients use it: keep its route"),
        (
            #""Idempotency-Key","in":"header","required":false"#, #""Idempotency-Key","in":"header","required":true"#,
            "/paths/~1orders~1{id}/post: header parameter 'Idempotency-Key' became required; old clients do not send it: make it optional"
        ),
        (
            #"{"name":"limit","in":"query","required":false"#, #"{"name":"page","in":"query","required":false"#,
            "/paths/~1orders~1{id}/post: query parameter 'limit' removed; what old clients say by it is no longer heard: keep it"
        ),
        (
            #"[{"name":"id""#, #"[{"name":"shop","in":"query","required":true,"schema":{}},{"name":"id""#,
            "/paths/~1orders~1{id}/post: query parameter 'shop' became required; old clients do not send it: make it optional"
        ),
        (#""maximum":100"#, #""maximum":99"#, "/paths/~1orders~1{id}/post: query parameter 'limit' 'maximum' is narrower; old clients send what is beyond: take it back"),
        (#""maxLength":255"#, #""maxLength":64"#, "/paths/~1orders~1{id}/post: header parameter 'Idempotency-Key' 'maxLength' is narrower; old clients send what is beyond: take it back"),
        (
            #""required":true,"schema":{"type":"string"}"#, #""required":true,"schema":{"type":"integer"}"#,
            "/paths/~1orders~1{id}/post: parameter 'id' type changed from string to integer; old clients know the first: take it back, or use another name"
        ),
        (#""requestBody":{"required":false"#, #""requestBody":{"required":true"#, "/paths/~1orders~1{id}/post: requestBody became required; old clients do not send it: make it optional"),
        (
            ##""content":{"application/json":{"schema":{"$ref":"#/components/schemas/Order"}}"##,
            ##""content":{"application/xml":{"schema":{"$ref":"#/components/schemas/Order"}}"##,
            "/paths/~1orders~1{id}/post: requestBody no longer takes application/json; old clients send it: keep it"
        ),
        (#""required":["item"]"#, #""required":["item","note"]"#, "/paths/~1orders~1{id}/post: requestBody property 'note' became required; old clients do not send it: make it optional"),
        (#","note":{"type":"string"}"#, "", "/paths/~1orders~1{id}/post: requestBody property 'note' removed; old clients send it: keep it"),
        (
            #""note":{"type":"string"}"#, #""note":{"type":"integer"}"#,
            "/paths/~1orders~1{id}/post: requestBody property 'note' type changed from string to integer; old clients know the first: take it back, or use another name"
        ),
        (
            #""size":{"type":["integer","null"]}"#, #""size":{"type":"integer"}"#,
            "/paths/~1orders~1{id}/post: requestBody property 'size' type changed from integer or null to integer; old clients know the first: take it back, or use another name"
        ),
        (#""enum":["red","green"]"#, #""enum":["red"]"#, "/paths/~1orders~1{id}/post: requestBody property 'colour' no longer takes green; old clients send it: keep it"),
        (#""note":{"type":"string"}"#, #""note":{"type":"string","enum":["a"]}"#, "/paths/~1orders~1{id}/post: requestBody property 'note' takes listed values only; old clients know others: take it back"),
        (#""minLength":1"#, #""minLength":2"#, "/paths/~1orders~1{id}/post: requestBody property 'item' 'minLength' is narrower; old clients send what is beyond: take it back"),
        (#""maxItems":5"#, #""maxItems":4"#, "/paths/~1orders~1{id}/post: requestBody property 'lines' 'maxItems' is narrower; old clients send what is beyond: take it back"),
        (
            #""items":{"type":"integer"}"#, #""items":{"type":"boolean"}"#,
            "/paths/~1orders~1{id}/post: requestBody property 'lines.[]' type changed from integer to boolean; old clients know the first: take it back, or use another name"
        ),
        (#""note":{"type":"string"}"#, #""note":{"type":"string","pattern":"^a"}"#, "/paths/~1orders~1{id}/post: requestBody property 'note' 'pattern' changed; old clients know the first: take it back"),
        (
            #""oneOf":[{"type":"integer"},{"#, #""oneOf":[{"#,
            "/paths/~1orders~1{id}/post: requestBody property 'zip' no longer takes one of its alternatives; old clients know the others: take it back"
        ),
        (#""note":{"type":"string"}"#, #""note":false"#, "/paths/~1orders~1{id}/post: requestBody property 'note' is refused now; old clients send it: keep it"),
        (#","who":{"type":"string"}"#, "", "/paths/~1orders~1{id}/post: response 202 property 'who' removed; old clients read it: keep it"),
        (#""required":["version"],"#, "", "/paths/~1orders~1{id}/post: response 202 property 'version' is no longer always there; old clients read it: keep it"),
        (
            #""who":{"type":"string"}"#, #""who":{"type":["string","null"]}"#,
            "/paths/~1orders~1{id}/post: response 202 property 'who' type changed from string to null or string; old clients know the first: take it back, or use another name"
        ),
        (#""enum":["open","closed"]"#, #""enum":["open","closed","lost"]"#, "/paths/~1orders~1{id}/post: response 202 property 'state' may now be lost; old clients do not know it: take it back"),
        (#","minimum":0"#, "", "/paths/~1orders~1{id}/post: response 202 property 'version' 'minimum' is wider; old clients do not expect what is beyond: take it back"),
        (#""202":{"#, #""201":{"#, "/paths/~1orders~1{id}/post: response 202 removed; old clients wait for it: keep it"),
        (#""headers":{"ETag":{"schema":{"type":"string"}}},"#, "", "/paths/~1orders~1{id}/post: response 202 header 'ETag' removed; old clients read it: keep it"),
        (
            #""/live":{"get":{"#, #""/live":{"get":{"security":[{"bearer":[]}],"#,
            "/paths/~1live/get: a credential became required; old clients have none: make it optional"
        ),
        (#",{"certificate":[]}"#, "", "/paths/~1mine/get: the credential 'certificate' is no longer enough; old clients have that: keep it"),
        (
            #"[{"bearer":[]},{"certificate":[]}]"#, #"[{"bearer":[],"certificate":[]}]"#,
            "/paths/~1mine/get: the credential 'bearer' is no longer enough; old clients have that: keep it\n"
                + "/paths/~1mine/get: the credential 'certificate' is no longer enough; old clients have that: keep it"
        ),
    ] as [(String, String, String)])
    func breaks(_ piece: String, _ other: String, _ expected: String) throws {
        #expect(try Self.changes(piece, other).joined(separator: "\n") == expected)
    }

    @Test(arguments: [
        (#""/live":{"get""#, #""/new":{"get":{"responses":{}}},"/live":{"get""#),
        (#""/live":{"get""#, #""/live":{"put":{"responses":{}},"get""#),
        (#""/orders/{id}""#, #""/orders/{orderId}""#),
        (#"[{"name":"id""#, #"[{"name":"shop","in":"query","required":false,"schema":{}},{"name":"id""#),
        (#""name":"Idempotency-Key""#, #""name":"idempotency-key""#),
        (#""maximum":100"#, #""maximum":1000"#),
        (#""note":{"type":"string"}"#, #""note":{"type":"string"},"more":{"type":"string"}"#),
        (#""note":{"type":"string"}"#, #""note":{"type":["string","null"],"description":"for people"}"#),
        (#""enum":["red","green"]"#, #""enum":["red","green","blue"]"#),
        (#""type":"object","additionalProperties":false,"required":["item"]"#, #""type":"object","required":[]"#),
        (#""maxItems":5,"#, ""),
        (#""oneOf":[{"type":"integer"},{"#, #""oneOf":[{"type":"number"},{"type":"null"},{"#),
        (#""who":{"type":"string"}"#, #""who":{"type":"string","maxLength":10},"when":{"type":"string"}"#),
        (#""enum":["open","closed"]"#, #""enum":["open"]"#),
        (#""required":["version"]"#, #""required":["version","state"]"#),
        (#""400":{"description":""}"#, #""503":{"description":""}"#),
        (#""/mine":{"get":{"security":[{"bearer":[]},{"certificate":[]}],"#, #""/mine":{"get":{"#),
    ])
    func breaksNobody(_ piece: String, _ other: String) throws {
        #expect(try Self.changes(piece, other) == [])
    }

    /// A body's schema, then and now: every keyword that says what may be there.
    @Test(arguments: [
        (#"{}"#, #"{"uniqueItems":true}"#, "'uniqueItems' changed"), (#"{"uniqueItems":true}"#, #"{"uniqueItems":false}"#, ""),
        (#"{}"#, #"{"contains":{"type":"null"}}"#, "'contains' changed"), (#"{"contains":true}"#, #"{}"#, ""),
        (#"{}"#, #"{"minContains":0}"#, "'minContains' changed"), (#"{}"#, #"{"maxContains":3}"#, "'maxContains' changed"),
        (#"{}"#, #"{"prefixItems":[{"type":"null"}]}"#, "'prefixItems' changed"), (#"{"prefixItems":[true],"items":false}"#, #"{"items":false}"#, "'prefixItems' changed"),
        (#"{"patternProperties":{"^x":true},"additionalProperties":false}"#, #"{"additionalProperties":false}"#, "'patternProperties' changed"),
        (#"{}"#, #"{"propertyNames":{"maxLength":3}}"#, "'propertyNames' changed"), (#"{"propertyNames":{"maxLength":3}}"#, #"{}"#, ""),
        (#"{}"#, #"{"dependentRequired":{"a":["b"]}}"#, "'dependentRequired' changed"),
        (#"{}"#, #"{"dependentSchemas":{"a":false}}"#, "'dependentSchemas' changed"),
        (#"{}"#, #"{"unevaluatedProperties":false}"#, "'unevaluatedProperties' changed"), (#"{}"#, #"{"unevaluatedItems":true}"#, ""),
        (##"{"$id":"a","$ref":"#x","$defs":{"x":{"$anchor":"x","type":"integer"}}}"##, ##"{"$id":"a","$ref":"#x","$defs":{"x":{"$anchor":"x","type":"null"}}}"##, "changed"),
        (##"{"$id":"a","$ref":"#x","$defs":{"x":{"$anchor":"x"}}}"##, ##"{"$id":"a","$ref":"#x","$defs":{"x":{"$anchor":"x"}}}"##, ""),
    ] as [(String, String, String)])
    func knowsEveryKeyword(_ old: String, _ new: String, _ expected: String) throws {
        func description(_ schema: String) throws -> JSONValue {
            try Self.document(#"{"paths":{"/a":{"put":{"requestBody":{"content":{"a/b":{"schema":\#(schema)}}}}}}}"#)
        }
        let found = APIChanges.breaking(from: try description(old), to: try description(new)).map(\.text)
        if expected.isEmpty {
            #expect(found == [])
        } else {
            #expect(found.count == 1 && found.first?.hasPrefix("requestBody \(expected); ") == true, "\(found)")
        }
    }

    /// References that lead nowhere, or to themselves, and alternatives of alternatives come to an end.
    @Test(arguments: [
        ##"{"$ref":"#/components/schemas/A"}"##, ##"{"$ref":"#/nowhere"}"##, ##"{"$ref":"other.json"}"##,
        ##"{"anyOf":[{"$ref":"#/components/schemas/A"},{"anyOf":[{"$ref":"#/components/schemas/A"},{"type":"null"}]}]}"##,
        ##"{"properties":{"a":{"$ref":"#/components/schemas/A"},"b":{"items":{"$ref":"#/components/schemas/A"}}}}"##,
    ])
    func comesToAnEnd(_ schema: String) throws {
        func description(_ type: String) throws -> JSONValue {
            try Self.document(
                #"{"paths":{"/a":{"put":{"requestBody":{"content":{"a/b":{"schema":\#(schema)}}}}}},"components":{"schemas":{"A":\#(schema),"T":{"type":"\#(type)"}}}}"#)
        }
        _ = APIChanges.breaking(from: try description("string"), to: try description("null"))
    }
}
