import Exchanges
import Pipeline
import Testing

@testable import Gateway

/// The owner in a JSON body: what one reader could take for something else than another is nobody.
@Suite struct BodyFieldTests {
    private func reading(_ path: String, _ json: String) -> BodyField.Reading {
        let body = Buffer(capacity: 256)
        body.append(Array(json.utf8))
        return BodyField.json(path).reading(of: body, nil)
    }

    private func value(_ path: String, _ json: String) -> String? {
        guard case .value(let value) = reading(path, json) else { return nil }
        return String(decoding: value, as: UTF8.self)
    }

    @Test(arguments: [
        (#"{}"#, true), (#"{"userId":null}"#, true), (#"{"x":{"userId":"ann"}}"#, true),
        (#"{"userId":["ann"]}"#, false), (#"{"USERID":"ann"}"#, false), (#"{"userId":"a","userId":"b"}"#, false),
        ("{\"u\u{17f}erId\":\"ann\"}", false), ("", false), ("[]", false), (#"{"userId":"ann""#, false), ("userId=ann", false),
    ])
    func whatIsNotThereIsNotWhatCannotBeRead(_ json: String, isAbsent: Bool) {
        switch reading("userId", json) {
        case .value: Issue.record("there is no value")
        case .absent: #expect(isAbsent)
        case .unclear: #expect(!isAbsent)
        }
        if case .unclear = reading("kind", "{\"\u{212a}ind\":\"x\"}") {} else { Issue.record("the Kelvin sign is a K") }
    }

    @Test(arguments: [
        ("application/json", true), ("Application/JSON;charset=UTF-8", true), ("application/json ; charset=\"utf-8\"", true),
        ("application/vnd.shop+json; version=1", true), ("application/jsonp", false), ("application/+json", false), ("text/json", false),
        ("application/json; charset=utf-16", false), ("application/json;charset=utf-8;charset=utf-7", false),
        ("application/json, text/plain", false), ("application/x-www-form-urlencoded", false), ("", false),
    ])
    func whatIsJSONForOthersToo(_ type: String, _ isJSON: Bool) { #expect(Exchange.isJSON(Array(type.utf8).span) == isJSON) }

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
