import Contracts
import Exchanges
import ProtoSets
import Testing

@Suite struct ProtoFieldPathTests {
    let schema: ProtoSchema
    let order: Int

    init() throws {
        schema = try ProtoSchema([ProtoDescriptorSet(name: "samples", bytes: Samples.set)])
        order = try #require(schema.message(named: "shop.Order"))
    }

    private func json(_ message: Buffer) throws -> String {
        var transcoder = ProtoTranscoder()
        let out = Buffer(capacity: 8)
        let bytes = message.copyReadable()
        try transcoder.appendJSON(message: bytes.span, type: order, schema, into: out)
        return String(decoding: out.copyReadable(), as: UTF8.self)
    }

    /// What stays of an empty message after `texts` were appended one after the other.
    private func appended(_ texts: [(String, String)], to message: [UInt8] = []) throws -> String {
        let out = Buffer(capacity: 8)
        out.append(message)
        for (name, text) in texts { try schema.appendField(schema.path(name, in: order), text: text.utf8Span.span, into: out) }
        return try json(out)
    }

    private func error(_ name: String, _ text: String) -> ProtoJSONError? {
        let out = Buffer(capacity: 8)
        out.append("x")
        do throws(ProtoJSONError) {
            try schema.appendField(schema.path(name, in: order), text: text.utf8Span.span, into: out)
            return nil
        } catch {
            #expect(out.count == 1)
            return error
        }
    }

    @Test func appendsText() throws {
        #expect(try appended([("user_id", "a b"), ("first.productId", "p"), ("first.quantity", "-3")]) == #"{"userId":"a b","first":{"productId":"p","quantity":-3}}"#)
        #expect(try appended([("weights", "1"), ("codes", "-5"), ("weights", "2.5")]) == #"{"weights":[1,2.5],"codes":["-5"]}"#)
        #expect(try appended([("state", "PAID"), ("gift", "true"), ("raw", "YQ"), ("far", "18446744073709551615")]) == #"{"state":"PAID","raw":"YQ==","gift":true,"far":"18446744073709551615"}"#)
        #expect(
            try appended([("placed", "2026-01-31T00:00:00Z"), ("wait", "1.5s"), ("mask", "userId"), ("limit", "12")])
                == #"{"placed":"2026-01-31T00:00:00Z","wait":"1.500s","mask":"userId","limit":"12"}"#)
        #expect(try appended([("parent.parent.first.product_id", "deep")]) == #"{"parent":{"parent":{"first":{"productId":"deep"}}}}"#)
    }

    @Test func replacesWhatAMessageHolds() throws {
        let message = proto { order in
            order.varint(3, 5)
            order.message(5) {
                $0.string(1, "p")
                $0.varint(2, 9)
            }
            order.message(11) { $0.varint(1, 7) }
            order.message(16) { $0.varint(1, 7) }
            order.string(7, "card")
        }
        let replaced = try appended(
            [("total", "0"), ("first.quantity", "0"), ("placed", "1970-01-01T00:00:00Z"), ("limit", "0"), ("voucher.quantity", "1")], to: message)
        #expect(replaced == #"{"first":{"productId":"p"},"voucher":{"quantity":1},"placed":"1970-01-01T00:00:00Z","limit":"0"}"#)
    }

    @Test func namesWhatIsWrong() {
        #expect(error("nope", "1") == ProtoJSONError("/nope", "is no field of shop.Order"))
        #expect(error("first.nope", "1") == ProtoJSONError("/first/nope", "is no field of shop.Item"))
        #expect(error("items.quantity", "1") == ProtoJSONError("/items", "is no single message, so it has no fields"))
        #expect(error("user_id.x", "1") == ProtoJSONError("/user_id", "is no single message, so it has no fields"))
        #expect(error("", "1") == ProtoJSONError("/", "is no field of shop.Order"))
        #expect(error("first.", "1") == ProtoJSONError("/first/", "is no field of shop.Item"))
        #expect(error(String(repeating: "parent.", count: 16) + "gift", "true")?.text == "has too many parts")
        #expect(error("first.quantity", "x") == ProtoJSONError("/first/quantity", "must be an integer from -2147483648 to 2147483647"))
        #expect(error("first", "{}") == ProtoJSONError("/first", "cannot be given as text"))
        #expect(error("labels", "a") == ProtoJSONError("/labels", "cannot be given as text"))
        #expect(error("state", "NOPE") == ProtoJSONError("/state", "must be a value of shop.State"))
        #expect(error("limit", "1.5")?.pointer == "/limit")
        #expect(error("placed", "today")?.pointer == "/placed")
    }

    @Test func writesAndPrintsOneField() throws {
        var transcoder = ProtoTranscoder()
        let out = Buffer(capacity: 8)
        let body = #"[{"quantity":1},{"quantity":2}]"#
        try transcoder.appendField(schema.path("items", in: order), json: body.utf8Span.span, schema, into: out)
        try transcoder.appendField(schema.path("parent.first", in: order), json: #"{"productId":"p"}"#.utf8Span.span, schema, into: out)
        #expect(try json(out) == #"{"items":[{"quantity":1},{"quantity":2}],"parent":{"first":{"productId":"p"}}}"#)
        let message = out.copyReadable()
        for (name, expected) in [
            ("items", body), ("parent.first", #"{"productId":"p"}"#), ("parent.first.product_id", "\"p\""), ("first", "null"),
            ("first.quantity", "0"), ("total", "\"0\""), ("state", "\"NEW\""), ("note", "null"), ("labels", "{}"), ("weights", "[]"),
        ] {
            out.clear()
            try transcoder.appendJSON(field: schema.path(name, in: order), of: message.span, schema, into: out)
            #expect(String(decoding: out.copyReadable(), as: UTF8.self) == expected, "\(name)")
        }
        do throws(ProtoJSONError) {
            out.clear()
            try transcoder.appendField(try schema.path("items", in: order), json: #"[{"quantity":"x"}]"#.utf8Span.span, schema, into: out)
            Issue.record("accepted")
        } catch {
            #expect(error.pointer == "/0/quantity")
            #expect(out.isEmpty)
        }
    }

    @Test func readsOneField() throws {
        let message = proto { order in
            order.string(1, "first")
            order.message(5) { $0.string(1, "p") }
            order.message(5) { $0.varint(2, -4) }
            order.string(1, "user")
            order.string(7, "card")
            order.message(8) { $0.string(1, "v") }
            order.varint(4, 2)
        }
        func text(_ name: String) throws -> String? {
            schema.field(try schema.path(name, in: order), of: message.span).map { String(decoding: message[$0.range], as: UTF8.self) }
        }
        #expect(try text("user_id") == "user")
        #expect(try text("first.product_id") == "p")
        #expect(try text("voucher.product_id") == "v")
        #expect(try text("card") == nil)  // the voucher came later
        #expect(try text("parent.user_id") == nil)
        #expect(try text("total") == nil)
        func number(_ name: String) throws -> Int64? { schema.integer(try schema.path(name, in: order), of: message.span) }
        #expect(try number("first.quantity") == -4)
        #expect(try number("state") == 2)
        #expect(try number("user_id") == nil)
        let cut = Array(message.dropLast())
        let found = schema.field(try schema.path("user_id", in: order), of: cut.span)
        #expect(found == nil)
    }
}
