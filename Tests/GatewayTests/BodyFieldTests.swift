import Exchanges
import Testing

@testable import Gateway

/// The owner in a JSON body: what one reader could take for something else than another is nobody.
@Suite struct BodyFieldTests {
    private func value(_ path: String, _ json: String) -> String? {
        let body = Buffer(capacity: 256)
        body.append(Array(json.utf8))
        return BodyField.json(path).value(in: body, nil).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        (#"{"userId":"ann"}"#, "ann"), (#"{"user_id":"ann"}"#, "ann"), (#"{"x":[{"userId":"b"}],"userId":"ann"}"#, "ann"),
        (#"{"\u0075serId":"a\u006en"}"#, "ann"), (#"{"userId":7}"#, "7"),
        (#"{}"#, nil), (#"{"userId":null}"#, nil), (#"{"userId":["ann"]}"#, nil), (#"{"userId":{"userId":"ann"}}"#, nil),
        (#"{"userId":true}"#, nil), (#"["userId","ann"]"#, nil), (#""ann""#, nil), ("", nil), (#"{"userId":"ann""#, nil),
        // Twice, or nearly.
        (#"{"userId":"ann","userId":"bob"}"#, nil), (#"{"userId":"ann","user_id":"bob"}"#, nil),
        (#"{"userId":"ann","USERID":"bob"}"#, nil), (#"{"UserId":"bob","userId":"ann"}"#, nil), (#"{"UserID":"ann"}"#, nil),
        (#"{"user_Id":"ann"}"#, nil), (#"{"userId":"ann","\u0055serId":"bob"}"#, nil),
    ])
    func whoTheBodyNames(_ json: String, _ expected: String?) {
        #expect(value("user_id", json) == expected)
        #expect(value("userId", json) == expected)
    }

    @Test func deeperFieldsAreFoundOnTheirWay() {
        #expect(value("order.user", #"{"order":{"user":"ann"}}"#) == "ann")
        #expect(value("order.user", #"{"order":{"user":"ann"},"Order":{"user":"bob"}}"#) == nil)
        #expect(value("order.user", #"{"order":[{"user":"ann"}]}"#) == nil)
        #expect(value("order.user", #"{"user":"ann"}"#) == nil)
    }
}
