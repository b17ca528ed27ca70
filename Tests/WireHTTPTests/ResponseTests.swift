import Exchanges
import Seeded
import Testing
import WireHTTP

/// Heads of answers: as strict as requests, and framed by status and by what was asked.
@Suite struct ResponseTests {
    @Test func aPlainAnswer() {
        let reading = ResponseReading("HTTP/1.1 200 Very Good\r\nA: b\r\nContent-Length: 2\r\n\r\nok")
        #expect(reading.end == .complete(51) && reading.status == 200 && reading.reason == "Very Good")
        #expect(reading.fields == ["A: b", "Content-Length: 2"] && reading.body == .length(2) && reading.persistent)
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK", 200, "OK"), ("HTTP/1.1 200 ", 200, ""), ("HTTP/1.1 200", 200, ""), ("HTTP/1.0 404 No", 404, "No"),
        ("HTTP/1.9 299 ", 299, ""), ("HTTP/1.1 100 Continue", 100, "Continue"), ("HTTP/1.1 599 a\tb é", 599, "a\tb é"),
    ] as [(String, UInt16, String)]) func statusLines(_ line: String, _ status: UInt16, _ reason: String) {
        let reading = ResponseReading(line + "\r\n\r\n")
        #expect(reading.fault == nil && reading.status == status && reading.reason == reason)
    }

    @Test(arguments: [
        "HTTP/2.0 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 OK", "HTTP/1.1 600 OK",
        "HTTP/1.1 000 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 200OK", "HTTP/1.1\t200 OK", "http/1.1 200 OK",
        "HTTP/11 200 OK ", "HTTP/1. 200 OK ", "ICY 200 OK......", "HTTP/1.1 200 O\0K", "HTTP/1.1 200 O\rK", "HTTP/1.1 200 O\u{7f}",
        " HTTP/1.1 200 OK", "\r\nHTTP/1.1 200 OK", "HTTP/1.1 200\nA: b........",
    ]) func statusLinesThatAreRefused(_ line: String) {
        #expect(ResponseReading(line + "\r\n\r\n").fault == .badStatusLine)
        #expect(ResponseReading(line + "\n\n").fault == .badStatusLine)
    }

    /// Garbage is known by its first byte: nobody waits for the rest of it.
    @Test func garbageIsNotWaitedFor() {
        #expect(ResponseReading("X").fault == .badStatusLine)
        #expect(ResponseReading("HTTPS").fault == .badStatusLine)
        #expect(ResponseReading("HTTP").end == .incomplete)
        var limits = HTTP1Limits()
        limits.line = 100
        let endless = "HTTP/1.1 200 " + String(repeating: "a", count: 200)
        #expect(ResponseReading(endless, limits: limits).fault == .badStatusLine)
    }

    @Test func fieldLinesAreHeldToTheSameRules() {
        for (line, fault) in [
            ("A : b", .badFieldName), (" A: b", .obsoleteFolding), ("A: b\u{0}", .badFieldValue), ("A: b\n", .bareLineFeed),
            ("A: b\rc", .badFieldValue), ("Ä: b", .badFieldName),
        ] as [(String, HTTP1Fault)] {
            #expect(ResponseReading("HTTP/1.1 200 OK\r\n\(line)\r\n\r\n").fault == fault)
        }
    }

    /// RFC 9112 section 6.3, rules 1 to 8 for answers.
    @Test func bodiesByStatusAndVerb() {
        let cases: [(String, BodyFraming)] = [
            ("", .untilClose), ("Content-Length: 0\r\n", .none), ("Content-Length: 7\r\n", .length(7)),
            ("Transfer-Encoding: chunked\r\n", .chunked),
        ]
        for status in 100...599 as ClosedRange<UInt16> {
            for verb in Verb.allCases {
                for (lines, framing) in cases {
                    let reading = ResponseReading("HTTP/1.1 \(status) x\r\n\(lines)\r\n", to: verb)
                    let isBare = verb == .head || status < 200 || status == 204 || status == 304
                    let expected: BodyFraming = isBare ? .none : framing
                    if reading.body != expected || reading.fault != nil {
                        Issue.record("\(status) to \(verb) with \(lines): \(reading.body)")
                    }
                }
            }
        }
    }

    @Test func everyPieceIsReadTheSame() {
        let text = Array("HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/5\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n".utf8)
        let whole = ResponseReading(text, known: [text.count])
        #expect(whole.end == .complete(text.count) && whole.body == .chunked && whole.fields.count == 4)
        #expect(ResponseReading(text, known: Array(0...text.count)) == whole)
        for a in 0..<text.count { #expect(ResponseReading(text, known: [a, text.count]) == whole) }
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>) func oneWrongByteIsReadOneWay(_ seed: UInt64) {
        var random = Seeded(state: seed)
        let text = Array("HTTP/1.1 200 OK\r\nContent-Length: 12\r\nConnection: close, x-a\r\nX-A: b\r\nServer:  \r\n\r\n".utf8)
        for _ in 0..<200 {
            var bytes = text
            bytes[random.count(0...(text.count - 1))] = UInt8.random(in: 0...255, using: &random)
            let whole = ResponseReading(bytes, known: [bytes.count])
            let slow = ResponseReading(bytes, known: Array(0...bytes.count))
            #expect((whole.fault == nil) == (slow.fault == nil))
            if whole.fault == nil { #expect(whole == slow) }
        }
    }
}
