import Contracts
import Exchanges
import ProtoSets
import Testing

/// The sample schema and one transcoder over it.
private struct Shop: ~Copyable {
    let schema: ProtoSchema
    var transcoder = ProtoTranscoder()
    var options = ProtoJSONOptions()

    init() throws { schema = try ProtoSchema([ProtoDescriptorSet(name: "samples", bytes: Samples.set)]) }

    mutating func json(_ type: String, _ message: [UInt8]) -> String {
        let out = Buffer(capacity: 8)
        do throws(ProtoJSONError) {
            try transcoder.appendJSON(message: message.span, type: schema.message(named: type) ?? -1, schema, options: options, into: out)
            return String(decoding: out.copyReadable(), as: UTF8.self)
        } catch {
            return "\(out.count == 0 ? "" : "left something: ")\(error.pointer): \(error.text)"
        }
    }

    mutating func message(_ type: String, _ json: String) -> Result<[UInt8], ProtoJSONError> {
        let out = Buffer(capacity: 8)
        do throws(ProtoJSONError) {
            try transcoder.appendMessage(
                json: json.utf8Span.span, type: schema.message(named: type) ?? -1, schema, options: options, into: out)
            return .success(out.copyReadable())
        } catch {
            return .failure(out.isEmpty ? error : ProtoJSONError(error.pointer, "left something"))
        }
    }

    /// There and back.
    mutating func round(_ json: String, _ type: String = "shop.Order") -> String {
        switch message(type, json) {
        case .success(let bytes): self.json(type, bytes)
        case .failure(let error): "\(error.pointer): \(error.text)"
        }
    }
}

@Suite struct ProtoJSONTests {
    @Test func writesAnOrder() throws {
        var shop = try Shop()
        let json = #"{"userId":"u","items":[{"productId":"p","quantity":2},{}],"total":"9007199254740993","state":"PAID","labels":{"a":1},"note":"","weights":[0.5,1],"gift":true}"#
        let bytes = try shop.message("shop.Order", json).get()
        let expected = proto { order in
            order.string(1, "u")
            order.message(2) {
                $0.string(1, "p")
                $0.varint(2, 2)
            }
            order.message(2) { _ in }
            order.varint(3, 9_007_199_254_740_993)
            order.varint(4, 1)
            order.message(6) {
                $0.string(1, "a")
                $0.varint(2, 1)
            }
            order.string(9, "")
            order.bytes(10, [0, 0, 0, 0, 0, 0, 0xE0, 0x3F, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F])
            order.varint(18, 1)
        }
        #expect(bytes == expected)
        #expect(shop.json("shop.Order", bytes) == json)
    }

    @Test func longValuesGetLongLengths() throws {
        var shop = try Shop()
        for count in [0, 1, 126, 127, 128, 129, 255, 256, 16_383, 16_384, 40_000] {
            let text = String(repeating: "x", count: count)
            // Escaped, so that its length is not known in advance; inside a message, whose length is not either.
            let json = #"{"first":{"productId":""# + text + #"\n"},"parent":{"parent":{"userId":""# + text + #""}}}"#
            let bytes = try shop.message("shop.Order", json).get()
            let expected = proto { order in
                order.message(5) { $0.string(1, text + "\n") }
                order.message(19) { $0.message(19) { if count > 0 { $0.string(1, text) } } }
            }
            #expect(bytes == expected, "\(count)")
            // White space makes every estimate too large.
            let wide = json.replacing(",", with: "," + String(repeating: " ", count: 70_000)).replacing("{", with: "{" + String(repeating: " ", count: 300))
            #expect(try shop.message("shop.Order", wide).get() == expected, "\(count)")
        }
    }

    @Test(arguments: [
        (#"{"placed":"2026-01-31T23:59:59.5+01:00"}"#, #"{"placed":"2026-01-31T22:59:59.500Z"}"#),
        (#"{"placed":"0001-01-01T00:00:00Z"}"#, #"{"placed":"0001-01-01T00:00:00Z"}"#),
        (#"{"placed":"9999-12-31T23:59:59.999999999Z"}"#, #"{"placed":"9999-12-31T23:59:59.999999999Z"}"#),
        (#"{"placed":"2000-02-29T12:00:00.000001Z"}"#, #"{"placed":"2000-02-29T12:00:00.000001Z"}"#),
        (#"{"wait":"-0.5s"}"#, #"{"wait":"-0.500s"}"#), (#"{"wait":"315576000000s"}"#, #"{"wait":"315576000000s"}"#),
        (#"{"mask":"userId,items.productId"}"#, #"{"mask":"userId,items.productId"}"#),
        (#"{"extra":{"a":[1,null,{"b":"c"}],"d":true}}"#, #"{"extra":{"a":[1,null,{"b":"c"}],"d":true}}"#),
        (#"{"limit":"0"}"#, #"{"limit":"0"}"#), (#"{"limit":null}"#, "{}"), (#"{"value":null}"#, #"{"value":null}"#),
        (#"{"any":{"quantity":2,"@type":"x/shop.Item"}}"#, #"{"any":{"@type":"x/shop.Item","quantity":2}}"#),
        (#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#, #"{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#),
        (#"{"user_id":"a","total":1e3,"state":2,"raw":"_-8"}"#, #"{"userId":"a","total":"1000","state":"SENT","raw":"/+8="}"#),
        (#"{"state":"SHIPPED","far":"18446744073709551615"}"#, #"{"state":"SENT","far":"18446744073709551615"}"#),
        (#"{"state":77,"rate":"NaN","weights":["Infinity",-0.0,1e300]}"#, #"{"state":77,"weights":["Infinity",-0.0,1e+300],"rate":"NaN"}"#),
        (#"{"userId":null,"items":null,"gift":false,"total":0}"#, "{}"),
        (#"{"codes":[-1,"9223372036854775807",-9223372036854775808]}"#, #"{"codes":["-1","9223372036854775807","-9223372036854775808"]}"#),
        (#"{"card":"a\u00e9\ud83d\ude00\"\\\u0001"}"#, #"{"card":"aé😀\"\\\u0001"}"#),
    ])
    func readsAndPrints(_ json: String, _ expected: String) throws {
        var shop = try Shop()
        #expect(shop.round(json) == expected)
    }

    @Test(arguments: [
        ("[]", "", "must be an object"), (#"{"nope":1}"#, "/nope", "is no field of shop.Order"),
        (#"{"items":[{"quantity":1},{"quantity":"x"}]}"#, "/items/1/quantity", "must be an integer from -2147483648 to 2147483647"),
        (#"{"items":[null]}"#, "/items/0", "must not be null in a list"), (#"{"items":{}}"#, "/items", "must be a list"),
        (#"{"total":1.5}"#, "/total", "must be an integer from -9223372036854775808 to 9223372036854775807"),
        (#"{"far":-1}"#, "/far", "must be an integer from 0 to 18446744073709551615"),
        (#"{"state":"NOPE"}"#, "/state", "must be a value of shop.State"),
        (#"{"state":true}"#, "/state", "must be a value of shop.State"), (#"{"gift":"true"}"#, "/gift", "must be true or false"),
        (#"{"userId":1}"#, "/userId", "must be a string"), (#"{"raw":"a"}"#, "/raw", "must be base64"),
        (#"{"raw":"a=b="}"#, "/raw", "must be base64"), (#"{"raw":"YQ="}"#, "/raw", "must be base64"),
        (#"{"labels":{"a/b":"x"}}"#, "/labels/a~1b", "must be an integer from -2147483648 to 2147483647"),
        (#"{"card":"1","voucher":{}}"#, "/voucher", "is one of several fields of which only one may be set"),
        (#"{"userId":"a","user_id":"b"}"#, "/user_id", "is given twice"),
        (#"{"userId":"a","userId":"b"}"#, "/userId", "member name used twice, at byte 14"),
        (#"{"placed":"2026-02-30T00:00:00Z"}"#, "/placed", #"must be a time like "2026-01-31T23:59:59.5Z""#),
        (#"{"wait":"1.0000000001s"}"#, "/wait", #"must be a duration like "1.5s""#),
        (#"{"wait":"315576000001s"}"#, "/wait", #"must be a duration like "1.5s""#),
        (#"{"any":{"quantity":2}}"#, "/any", "needs an @type"), (#"{"rate":1e39}"#, "/rate", #"must be a number that fits in 32 bits, "NaN", "Infinity" or "-Infinity""#),
        (#"{"any":{"@type":"x/none"}}"#, "/any/@type", "is no type this gateway knows"),
        (#"{"parent":{"items":[{"nope":{}}]}}"#, "/parent/items/0/nope", "is no field of shop.Item"),
        (#"{"weights":[1,1e400]}"#, "/weights/1", #"must be a number, "NaN", "Infinity" or "-Infinity""#),
        (#"{"userId":"a"#, "/userId", "the text ends too early, at byte 12"),
    ])
    func refuses(_ json: String, _ pointer: String, _ text: String) throws {
        var shop = try Shop()
        #expect(shop.message("shop.Order", json) == .failure(ProtoJSONError(pointer, text)))
    }

    @Test func mergesWhatCameInPieces() throws {
        var shop = try Shop()
        let bytes = proto { order in
            order.varint(18, 0)
            order.message(5) { $0.string(1, "old") }
            order.message(2) { $0.varint(2, 1) }
            order.string(7, "card")
            order.message(5) { $0.varint(2, 7) }
            order.message(8) { $0.varint(2, 1) }
            order.message(8) { $0.string(1, "v") }
            order.varint(18, 1)
            order.message(2) { $0.varint(2, 2) }
            order.message(5) { $0.string(1, "new") }
            for (key, value) in [("a", 1), ("b", 2), ("a", 3)] {
                order.message(6) {
                    $0.varint(2, value)
                    $0.string(1, key)
                }
            }
            order.bytes(21, [1, 2])
            order.varint(21, 3)
        }
        #expect(
            shop.json("shop.Order", bytes)
                == #"{"items":[{"quantity":1},{"quantity":2}],"first":{"productId":"new","quantity":7},"labels":{"b":2,"a":3},"voucher":{"productId":"v","quantity":1},"gift":true,"codes":["-1","1","-2"]}"#)
    }

    @Test func manyKeysOfWhichTheLastCounts() throws {
        var shop = try Shop()
        let bytes = proto { order in
            for i in 0..<3000 {
                order.message(6) {
                    $0.string(1, "k\(i % 1000)")
                    $0.varint(2, i)
                }
            }
        }
        let value = try JSONValue(shop.json("shop.Order", bytes).utf8Span.span)
        guard case .object(let members)? = value["labels"] else {
            Issue.record("no labels")
            return
        }
        #expect(members.count == 1000)
        #expect(members.first?.value == .number("2000"))
    }

    @Test(arguments: [
        ([0x0A, 0x05, 0x61], ": the message ends too early"), ([0x08], ": the message ends too early"),
        ([0x0A, 0x01, 0xFF], "/userId: is not UTF-8"), ([0x00, 0x01], ": not a field's tag"), ([0x0F, 0x01], ": not a field's tag"),
        ([0x18] + [UInt8](repeating: 0x80, count: 10) + [0x01], ": a number is longer than ten bytes, or a length than five"),
        ([0x12, 0x02, 0x10, 0x80], "/items/0: the message ends too early"), ([0x1C], ": a group ends that did not begin, or the other way round"),
        ([0x5A, 0x02, 0x10, 0xFF], "/placed: the message ends too early"), ([0x52, 0x01, 0x00], "/weights/0: the message ends too early"),
    ] as [([UInt8], String)])
    func refusesMalformedMessages(_ bytes: [UInt8], _ expected: String) throws {
        var shop = try Shop()
        #expect(shop.json("shop.Order", bytes) == expected)
    }

    @Test func skipsWhatIsUnknown() throws {
        var shop = try Shop()
        let bytes = proto { order in
            order.varint(500, 1)
            order.tag(501, 3)
            order.string(1, "in a group")
            order.tag(2, 3)
            order.tag(2, 4)
            order.tag(501, 4)
            order.varint(1, 5)  // a string's number, another wire type
            order.string(7, "c")
        }
        #expect(shop.json("shop.Order", bytes) == #"{"card":"c"}"#)
    }

    @Test func boundsDepthBothWays() throws {
        var shop = try Shop()
        shop.options.depth = 10
        func nested(_ levels: Int) -> [UInt8] { (1..<levels).reduce([]) { inner, _ in proto { $0.bytes(19, inner) } } }
        func text(_ levels: Int) -> String {
            String(repeating: #"{"parent":"#, count: levels - 1) + "{}" + String(repeating: "}", count: levels - 1)
        }
        #expect(shop.json("shop.Order", nested(10)) == text(10))
        #expect(shop.json("shop.Order", nested(11)).hasSuffix("is nested too deeply"))
        #expect(try shop.message("shop.Order", text(10)).get() == nested(10))
        #expect((try? shop.message("shop.Order", text(11)).get()) == nil)
        let groups = [UInt8](repeating: 0xA3, count: 0) + (0..<100).flatMap { _ in proto { $0.tag(500, 3) } }
        #expect(shop.json("shop.Order", groups) == ": nested too deeply")
        shop.options.depth = 64
        let list = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(shop.message("google.protobuf.Value", list) != .success([]))
        #expect((try? shop.message("google.protobuf.Value", list).get()) == nil)
    }

    @Test func boundsWhatIsWritten() throws {
        var shop = try Shop()
        shop.options.output = 10_000
        shop.options.printsDefaults = true
        #expect(shop.json("shop.Order", proto { order in for _ in 0..<1000 { order.message(2) { _ in } } }).hasSuffix("is longer than 10000 bytes as JSON"))
        #expect(shop.json("shop.Order", proto { $0.bytes(21, [UInt8](repeating: 1, count: 20_000)) }).hasSuffix("is longer than 10000 bytes as JSON"))
        #expect(shop.json("shop.Order", proto { $0.bytes(21, [UInt8](repeating: 1, count: 100)) }).hasSuffix("}"))
    }

    @Test func obeysOptions() throws {
        var shop = try Shop()
        shop.options.printsDefaults = true
        #expect(shop.json("shop.Item", []) == #"{"productId":"","quantity":0}"#)
        let all = shop.json("shop.Order", [])
        #expect(all.hasPrefix(#"{"userId":"","items":[],"total":"0","state":"NEW","labels":{},"weights":[]"#))
        #expect(!all.contains("note") && !all.contains("first") && !all.contains("card"))
        shop.options.usesOriginalNames = true
        shop.options.printsEnumsAsNumbers = true
        #expect(shop.json("shop.Order", proto { $0.varint(4, 1) }).contains(#""user_id":"","items":[],"total":"0","state":1"#))
        shop.options = ProtoJSONOptions()
        shop.options.ignoresUnknown = true
        #expect(try shop.message("shop.Order", #"{"nope":[{}],"state":"NOPE","gift":true}"#).get() == proto { $0.varint(18, 1) })
    }
}
