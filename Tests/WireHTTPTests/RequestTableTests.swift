import Exchanges
import Testing
import WireHTTP

/// Heads whose reading is known, good and bad, with the exact fault.
@Suite struct RequestTableTests {
    @Test func aPlainRequest() {
        let reading = RequestReading("GET /a/b?c=d HTTP/1.1\r\nHost: shop.example:8080\r\nX-A:  1\t\r\nAccept:\r\n\r\nrest")
        #expect(reading.end == .complete(69))
        #expect(reading.method == "GET" && reading.verb == .get && reading.target == "/a/b?c=d")
        #expect(reading.path == "/a/b" && reading.query == "c=d" && reading.authority == "shop.example:8080")
        #expect(reading.fields == ["1 Host: shop.example:8080", "0 X-A: 1", "26 Accept: "])
        #expect(reading.body == .none && reading.minor == 1 && reading.persistent)
    }

    @Test func verbsAreCaseSensitive() {
        for verb in Verb.allCases {
            guard let token = verb.token, verb != .connect else { continue }
            #expect(RequestReading("\(token) / HTTP/1.1\r\nHost: h\r\n\r\n").verb == verb)
            #expect(RequestReading("\(token.lowercased()) / HTTP/1.1\r\nHost: h\r\n\r\n").verb == .other)
        }
        #expect(RequestReading("M-SEARCH / HTTP/1.1\r\nHost: h\r\n\r\n").verb == .other)
        #expect(RequestReading("PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n").method == "PROPFIND")
    }

    @Test(arguments: [
        // One empty line before a request is ignored; two are not.
        ("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", nil), ("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", .badMethod),
        ("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", .badRequestLine), ("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", .badMethod),
        // The request line: one space, one form.
        ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", .badRequestLine), ("GET /  HTTP/1.1\r\nHost: h\r\n\r\n", .badRequestLine),
        (" GET / HTTP/1.1\r\nHost: h\r\n\r\n", .badMethod), ("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", .badMethod),
        ("GET /\tHTTP/1.1\r\nHost: h\r\n\r\n", .badRequestLine), ("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", .badRequestLine),
        ("GET /\r\nHost: h\r\n\r\n", .badRequestLine), ("GET\r\nHost: h\r\n\r\n", .badMethod),
        ("G@T / HTTP/1.1\r\nHost: h\r\n\r\n", .badMethod), ("G\0T / HTTP/1.1\r\nHost: h\r\n\r\n", .badMethod),
        ("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", .badRequestLine), ("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n", .badRequestLine),
        ("GET /a\u{7f} HTTP/1.1\r\nHost: h\r\n\r\n", .badRequestLine), ("GET / http/1.1\r\nHost: h\r\n\r\n", .badRequestLine),
        ("GET / HTTP/1.1\nHost: h\r\n\r\n", .bareLineFeed), ("GET / HTTP/1.1\rHost: h\r\n\r\n", .badRequestLine),
        ("GET / HTTP/1,1\r\nHost: h\r\n\r\n", .badRequestLine), ("GET / HTTP/11\r\nHost: h\r\n\r\n", .badRequestLine),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", .badVersion), ("GET / HTTP/0.9\r\nHost: h\r\n\r\n", .badVersion),
        ("GET / HTTP/1.2\r\nHost: h\r\n\r\n", nil), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .badVersion),
        (String(repeating: "A", count: 32) + " / HTTP/1.1\r\nHost: h\r\n\r\n", nil),
        (String(repeating: "A", count: 33) + " / HTTP/1.1\r\nHost: h\r\n\r\n", .badMethod),
        // Field lines.
        ("GET / HTTP/1.1\r\nHost: h\r\nA : b\r\n\r\n", .badFieldName), ("GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n", .badFieldName),
        ("GET / HTTP/1.1\r\nHost: h\r\nA\r\n\r\n", .badFieldName), ("GET / HTTP/1.1\r\nHost: h\r\nA\t: b\r\n\r\n", .badFieldName),
        ("GET / HTTP/1.1\r\nHost: h\r\nÄ: b\r\n\r\n", .badFieldName), ("GET / HTTP/1.1\r\nHost: h\r\nA\0: b\r\n\r\n", .badFieldName),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", .badFieldName), ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length : 0\r\n\r\n", .badFieldName),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer\rEncoding: chunked\r\n\r\n", .badFieldName),
        ("GET / HTTP/1.1\r\nHost: h\r\n A: b\r\n\r\n", .obsoleteFolding), ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\tc\r\n\r\n", .obsoleteFolding),
        ("GET / HTTP/1.1\r\n Host: h\r\n\r\n", .obsoleteFolding),
        ("GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", .bareLineFeed), ("GET / HTTP/1.1\r\nHost: h\r\nA: b\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: h\r\n\nA: b\r\n\r\n", .bareLineFeed), ("GET / HTTP/1.1\r\nHost: h\r\nA\n: b\r\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", .badFieldValue), ("GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n", .badFieldValue),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\u{7f}\r\n\r\n", .badFieldValue), ("GET / HTTP/1.1\r\nHost: h\r\nA: \u{1b}[0m\r\n\r\n", .badFieldValue),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\r\r\n\r\n", .badFieldValue), ("GET / HTTP/1.1\r\nHost: h\r\n\rA: b\r\n\r\n", .badFieldName),
        ("GET / HTTP/1.1\r\nHost: h\r\nA: b\tc é\r\n\r\n", nil), ("GET / HTTP/1.1\r\nHost: h\r\nA:b\r\n\r\n", nil),
        ("GET / HTTP/1.1\r\nHost: h\r\n!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n", nil),
        // Expectations.
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n\r\n", nil),
        ("GET / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\n\r\n", .unknownExpectation),
        ("GET / HTTP/1.0\r\nHost: h\r\nExpect: tea\r\n\r\n", nil),
    ] as [(String, HTTP1Fault?)]) func isReadAs(_ text: String, _ fault: HTTP1Fault?) {
        let reading = RequestReading(text)
        #expect(reading.fault == fault)
        #expect((reading.length != nil) == (fault == nil))
        // The same bytes one at a time: never accepted here and refused there.
        let slow = RequestReading(byteByByte: Array(text.utf8))
        #expect((slow.fault == nil) == (fault == nil))
        if fault == nil { #expect(slow == reading) }
    }

    @Test func whatIsCutShortIsWaitedFor() {
        let whole = Array("\r\nPOST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n".utf8)
        for n in 0..<whole.count { #expect(RequestReading(Array(whole.prefix(n))).end == .incomplete) }
        #expect(RequestReading(whole).end == .complete(whole.count))
    }

    @Test func everyByteValueInEveryPlace() {
        // (field value, field name, target): which bytes may stand there.
        let tokens = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
        for byte in UInt8.min...UInt8.max {
            let value = Array("GET / HTTP/1.1\r\nHost: h\r\nA: x".utf8) + [byte] + Array("y\r\n\r\n".utf8)
            let isText = byte == 9 || (byte >= 0x20 && byte != 0x7f)
            #expect((RequestReading(value).length != nil) == isText, "value \(byte)")
            let name = Array("GET / HTTP/1.1\r\nHost: h\r\nX".utf8) + [byte] + Array("Y: b\r\n\r\n".utf8)
            // A colon ends the name, and what follows is its value.
            #expect((RequestReading(name).length != nil) == (tokens.contains(byte) || byte == 0x3a), "name \(byte)")
            let method = Array("X".utf8) + [byte] + Array("Y / HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
            #expect((RequestReading(method).length != nil) == tokens.contains(byte), "method \(byte)")
            let target = Array("GET /x".utf8) + [byte] + Array("y HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
            let isTarget = byte > 0x20 && byte < 0x7f && !Array("#\\\"<>".utf8).contains(byte)
            #expect((RequestReading(target).length != nil) == isTarget, "target \(byte)")
        }
    }

    @Test func faultsHaveTheirStatusAndLabel() {
        #expect(Set(HTTP1Fault.allCases.map(\.label.description)).count == HTTP1Fault.allCases.count)
        let special: [HTTP1Fault: UInt16] = [
            .lineTooLong: 414, .fieldTooLong: 431, .tooManyFields: 431, .headTooLarge: 431, .trailersTooLarge: 431,
            .unknownTransferCoding: 501, .connectUnsupported: 501, .unknownExpectation: 417, .badVersion: 505,
        ]
        for fault in HTTP1Fault.allCases { #expect(fault.status == special[fault] ?? 400) }
    }
}
