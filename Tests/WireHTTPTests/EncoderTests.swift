import Exchanges
import Seeded
import Testing
import WireHTTP

@Suite struct EncoderTests {
    private func written(_ write: (Buffer) -> Void) -> String {
        let out = Buffer(capacity: 1)
        write(out)
        return out.withReadable { $0.text }
    }

    /// Whatever is written as a status line is read as that status.
    @Test func everyStatusLineIsReadAgain() {
        for status in 100...599 as ClosedRange<UInt16> {
            let line = written { HTTP1Encoder.statusLine(status, into: $0) }
            let reading = ResponseReading(line + "\r\n")
            #expect(reading.status == status && reading.fault == nil)
        }
        #expect(written { HTTP1Encoder.statusLine(404, into: $0) } == "HTTP/1.1 404 Not Found\r\n")
        #expect(written { HTTP1Encoder.statusLine(299, into: $0) } == "HTTP/1.1 299 \r\n")
    }

    @Test func numbersAndNames() {
        #expect(written { HTTP1Encoder.contentLength(0, into: $0) } == "Content-Length: 0\r\n")
        #expect(written { HTTP1Encoder.contentLength(.max, into: $0) } == "Content-Length: 18446744073709551615\r\n")
        #expect(written { HTTP1Encoder.chunkedCoding(into: $0) } == "Transfer-Encoding: chunked\r\n")
        #expect(written { HTTP1Encoder.field("A", Array("b".utf8).span, into: $0) } == "A: b\r\n")
        for n in [1, 9, 10, 15, 16, 255, 256, 65535, 65536, Int.max] {
            #expect(written { HTTP1Encoder.chunkSize(n, into: $0) } == String(n, radix: 16) + "\r\n")
        }
    }

    /// A field goes out in one form, whatever white space it came in with.
    @Test(arguments: ["A:b", "A: b", "A:  b", "A:\tb", "A: \tb ", "A:b\t", "A: b \t "]) func fieldsAreCopiedInOneForm(_ line: String) {
        let (fields, bytes) = fields(line)
        #expect(written { HTTP1Encoder.field(fields[0], of: bytes.span, into: $0) } == "A: b\r\n")
    }

    @Test(arguments: ["A:", "A: ", "A:\t", "A:  \t"]) func emptyValuesToo(_ line: String) {
        let (fields, bytes) = fields(line)
        #expect(written { HTTP1Encoder.field(fields[0], of: bytes.span, into: $0) } == "A: \r\n")
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func copiedHeadsAreReadTheSame(_ seed: UInt64) {
        var random = Seeded(state: seed)
        for _ in 0..<20 {
            let lines = (0..<random.count(1...8)).map { i in
                "X-\(i):" + random.pick(["", " ", "\t", "  "]) + random.pick(["", "a", "a: b", "é, \"x\"", "a  b"]) + random.pick(["", " "])
            }
            let (fields, bytes) = fields(lines.joined(separator: "\r\n"))
            let text = written { out in for field in fields { HTTP1Encoder.field(field, of: bytes.span, into: out) } }
            let once = ResponseReading("HTTP/1.1 204 x\r\n\(text)\r\n")
            #expect(once.fields == ResponseReading(bytes, known: [bytes.count]).fields)
        }
    }

    // MARK: - What Connection names

    private func kept(_ lines: String) -> [String] {
        var (fields, bytes) = fields(lines)
        ConnectionFields.dropNamed(from: &fields, in: bytes.span)
        return fields.map { String(decoding: bytes[$0.nameText.range], as: UTF8.self) }
    }

    @Test func namedFieldsAreDropped() {
        #expect(kept("X-A: 1\r\nConnection: x-a\r\nX-B: 2") == ["Connection", "X-B"])
        #expect(kept("Connection: close, X-A\t,,x-b\r\nx-a: 1\r\nX-B: 2\r\nX-AB: 3") == ["Connection", "X-AB"])
        #expect(kept("X-A: 1\r\nX-a: 2\r\nConnection: a\r\nConnection: X-A") == ["Connection", "Connection"])
        #expect(kept("X-A: 1\r\nConnection: \"x-a\", x-a;q=1, x") == ["X-A", "Connection"])
        #expect(kept("X-A: 1") == ["X-A"])
    }

    /// A client cannot have fields removed that the gateway itself reads or sets.
    @Test func protectedFieldsStay() {
        for (i, name) in FieldName.spellings.enumerated().dropFirst() where name.description != "connection" {
            let lines = "Connection: \(name), x-gone\r\n\(name): \(value(FieldName(rawValue: UInt8(i))))\r\nX-Gone: 1"
            #expect(kept(lines) == ["Connection", name.description])
        }
    }

    private func value(_ name: FieldName) -> String {
        name == .contentLength ? "0" : name == .transferEncoding ? "chunked" : name == .expect ? "100-continue" : "1"
    }

    /// Asked before each forwarding: is there anything to look for at all?
    @Test func namingIsNoticed() {
        func names(_ option: String) -> Bool? {
            RequestReading("GET / HTTP/1.1\r\nHost: h\r\nConnection: \(option)\r\n\r\n").flags[4]
        }
        for option in ["close", "keep-alive", "upgrade, keep-alive", "te", "Transfer-Encoding", "keep-alive, proxy-connection", ""] {
            #expect(names(option) == false, "\(option)")
        }
        for option in ["x-a", "close, x-a", "host", "authorization", "keep-alive,x"] { #expect(names(option) == true, "\(option)") }
    }

    private func fields(_ lines: String) -> ([Field], [UInt8]) {
        let bytes = Array("HTTP/1.1 204 x\r\n\(lines)\r\n\r\n".utf8)
        var parser = HTTP1ResponseParser()
        var head = ReplyHead()
        var framing = HTTP1Framing()
        var body = BodyFraming.none
        _ = parser.parse(bytes.span, to: .get, into: &head, framing: &framing, body: &body, limits: HTTP1Limits())
        return (head.fields, bytes)
    }
}
