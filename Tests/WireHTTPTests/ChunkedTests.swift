import Exchanges
import Seeded
import Testing
import WireHTTP

/// What a body reader made of some bytes.
struct BodyReading: Equatable {
    var body: [UInt8] = []
    var trailers: [String] = []
    var end = RequestReading.End.incomplete

    var fault: HTTP1Fault? { if case .refused(let fault) = end { fault } else { nil } }

    /// Gives the reader what is known so far, as a connection does: used bytes are dropped between calls.
    init(_ bytes: [UInt8], known: [Int], framing: BodyFraming = .chunked, limits: HTTP1Limits = HTTP1Limits()) {
        var reader = HTTP1BodyReader(framing)
        var dropped = 0
        for count in known {
            var position = 0
            let text = Array(bytes[dropped..<count])
            events: while true {
                let event = reader.next(text.span, at: &position, limits: limits)
                guard position <= text.count else { return }
                switch event {
                case .needMore: break events
                case .data(let slice): body += text[slice.range]
                case .trailer(let field):
                    let name = String(decoding: text[field.nameText.range], as: UTF8.self)
                    trailers.append(name + ": " + String(decoding: text[field.value.range], as: UTF8.self))
                case .end:
                    end = .complete(dropped + position)
                    return
                case .failed(let fault):
                    end = .refused(fault)
                    return
                }
            }
            dropped += position
        }
    }

    init(_ text: String, limits: HTTP1Limits = HTTP1Limits()) {
        let bytes = Array(text.utf8)
        self.init(bytes, known: [bytes.count], limits: limits)
    }
}

@Suite struct ChunkedTests {
    @Test(arguments: 1...50 as ClosedRange<UInt64>) func whatIsEncodedIsDecoded(_ seed: UInt64) {
        var random = Seeded(state: seed)
        for _ in 0..<10 {
            let body = (0..<random.count(0...400)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let trailers = (0..<random.count(0...3)).map { "X-\($0): \(random.count(0...99))" }
            var bytes: [UInt8] = []
            var rest = body[...]
            while !rest.isEmpty {
                let n = random.count(1...max(1, rest.count))
                bytes += size(n, &random) + Array(rest.prefix(n)) + [13, 10]
                rest = rest.dropFirst(n)
            }
            bytes += Array(("0" + ext(&random) + "\r\n" + trailers.map { $0 + "\r\n" }.joined() + "\r\n").utf8)
            let length = bytes.count
            bytes += Array("GET / HTTP/1.1".utf8.prefix(random.count(0...14)))

            for known in [[bytes.count], Array(0...bytes.count), (0..<8).map { _ in random.count(0...bytes.count) }.sorted() + [bytes.count]] {
                let reading = BodyReading(bytes, known: known)
                #expect(reading.body == body && reading.trailers == trailers && reading.end == .complete(length), "seed \(seed)")
            }
        }
    }

    private func size(_ n: Int, _ random: inout Seeded) -> [UInt8] {
        let zeros = String(repeating: "0", count: random.count(0...3))
        let digits = String(n, radix: 16, uppercase: random.chance(2))
        return Array((zeros + digits + ext(&random) + "\r\n").utf8)
    }

    private func ext(_ random: inout Seeded) -> String {
        random.pick(["", "", "", ";a", ";a=b", ";a=b;c", ";a=\"b c;,\\\"\t\"", ";name=tok-en!"])
    }

    /// The gateway's own encoder writes what its decoder reads.
    @Test func theEncoderIsTheDecodersInverse() {
        let out = Buffer(capacity: 16)
        for n in [1, 15, 16, 255, 4096] {
            HTTP1Encoder.chunkSize(n, into: out)
            out.append([UInt8](repeating: 0x61, count: n))
            HTTP1Encoder.crlf(out)
        }
        let trailers = Buffer(capacity: 16)
        trailers.append("X-Sum: 1\r\n" as StaticString)
        HTTP1Encoder.lastChunk(trailers: trailers, into: out)
        let bytes = out.copyReadable()
        let reading = BodyReading(bytes, known: [bytes.count])
        #expect(reading.body.count == 1 + 15 + 16 + 255 + 4096)
        #expect(reading.trailers == ["X-Sum: 1"] && reading.end == .complete(bytes.count))
        out.clear()
        HTTP1Encoder.lastChunk(trailers: nil, into: out)
        #expect(out.withReadable { $0.text } == "0\r\n\r\n")
    }

    @Test(arguments: [
        // Sizes: hexadecimal digits and nothing else.
        ("\r\n", .badChunkSize), (" 5\r\nhello\r\n", .badChunkSize), ("5 \r\nhello\r\n", .badChunkSize), ("5\t\r\n", .badChunkSize),
        ("0x5\r\nhello\r\n", .badChunkSize), ("+5\r\nhello\r\n", .badChunkSize), ("-5\r\nhello\r\n", .badChunkSize),
        ("g\r\n", .badChunkSize), ("5g\r\n", .badChunkSize), ("5\nhello\r\n", .badChunkSize), ("5\r\r\nhello", .badChunkSize),
        ("5\0\r\n", .badChunkSize), ("5,5\r\n", .badChunkSize), ("5_0\r\n", .badChunkSize), ("\u{ff15}\r\n", .badChunkSize),
        ("1234567890123456\r\n", .badChunkSize), ("0000000000000005\r\n", .badChunkSize), ("FFFFFFFFFFFFFFFF\r\n", .badChunkSize),
        // Data ends where it said.
        ("5\r\nhello0\r\n\r\n", .badChunkEnd), ("5\r\nhello\n0\r\n\r\n", .badChunkEnd), ("5\r\nhello\r0\r\n\r\n", .badChunkEnd),
        ("5\r\nhell\r\n0\r\n\r\n", .badChunkEnd), ("5\r\nhelloo\r\n0\r\n\r\n", .badChunkEnd),
        // Extensions: printable, quoted properly, no white space, no line feed.
        ("5;a b\r\n", .badChunkExtension), ("5; a\r\n", .badChunkExtension), ("5;a\nb\r\n", .badChunkExtension),
        ("5;a=\"b\nc\"\r\n", .badChunkExtension), ("5;a=\"b\rc\"\r\n", .badChunkExtension), ("5;a\"b\"\r\n", .badChunkExtension),
        ("5;a=\"b\\\n\"\r\n", .badChunkExtension), ("5;a\0\r\n", .badChunkExtension), ("5;é\r\n", .badChunkExtension),
        ("5;a\rb\r\n", .badChunkSize), ("5;a\n", .badChunkExtension),
        // Trailers obey the field rules.
        ("0\r\nA : b\r\n\r\n", .badTrailer), ("0\r\n A: b\r\n\r\n", .badTrailer), ("0\r\nA: b\n\r\n", .badTrailer),
        ("0\r\nA\r\n\r\n", .badTrailer), ("0\r\nA: b\0\r\n\r\n", .badTrailer), ("0\r\n\n", .badTrailer), ("0\r\n\rX", .badTrailer),
        ("0\n\n", .badChunkSize),
    ] as [(String, HTTP1Fault)]) func isRefused(_ text: String, _ fault: HTTP1Fault) {
        #expect(BodyReading(text).fault == fault)
        let bytes = Array(text.utf8)
        #expect(BodyReading(bytes, known: Array(0...bytes.count)).fault == fault)
    }

    @Test func theLargestSizeIsCountedRight() {
        var decoder = ChunkedDecoder()
        var position = 0
        let text = Array("fffffffffffffff\r\nabc".utf8)
        guard case .data(let slice) = decoder.next(text.span, at: &position, limits: HTTP1Limits()) else {
            Issue.record("no data")
            return
        }
        #expect(slice.count == 3 && decoder.remaining == 0x0fff_ffff_ffff_ffff - 3)
    }

    @Test func extensionsAreBounded() {
        var limits = HTTP1Limits()
        limits.chunkExtension = 10
        #expect(BodyReading("5;123456789\r\nhello\r\n0\r\n\r\n", limits: limits).body == Array("hello".utf8))
        #expect(BodyReading("5;12345678901\r\nhello\r\n0\r\n\r\n", limits: limits).fault == .badChunkExtension)
        #expect(BodyReading("5;12345678901", limits: limits).fault == .badChunkExtension)
        #expect(BodyReading("5;a=\"12345678901", limits: limits).fault == .badChunkExtension)
    }

    @Test func trailersAreBounded() {
        var limits = HTTP1Limits()
        limits.trailers = 40
        limits.fieldCount = 3
        limits.fieldLine = 30
        #expect(BodyReading("0\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", limits: limits).trailers.count == 3)
        #expect(BodyReading("0\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", limits: limits).fault == .trailersTooLarge)
        let line = "A: 4567890123456789\r\n"  // 21 bytes
        #expect(BodyReading("0\r\n\(line)\r\n", limits: limits).trailers.count == 1)
        #expect(BodyReading("0\r\n\(line)\(line)\r\n", limits: limits).fault == .trailersTooLarge)
        #expect(BodyReading("0\r\n\(line)A: 45678901234567890", limits: limits).fault == .trailersTooLarge)
        #expect(BodyReading("0\r\nA: \(String(repeating: "x", count: 40))\r\n\r\n", limits: limits).fault == .badTrailer)
    }

    @Test func onlyUnknownTrailersAreForwarded() {
        for (i, spelling) in FieldName.spellings.enumerated().dropFirst() {
            let field = Field(name: FieldName(rawValue: UInt8(i)), nameText: .none, value: .none)
            #expect(!HTTP1Encoder.isForwardable(trailer: field), "\(spelling)")
        }
        #expect(HTTP1Encoder.isForwardable(trailer: Field(name: .other, nameText: .none, value: .none)))
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>) func oneWrongByteIsReadOneWay(_ seed: UInt64) {
        var random = Seeded(state: seed)
        let text = Array("5;a=\"b\"\r\nhello\r\n00a\r\n0123456789\r\n0\r\nX-A: b\r\n\r\n".utf8)
        for _ in 0..<200 {
            var bytes = text
            bytes[random.count(0...(text.count - 1))] = UInt8.random(in: 0...255, using: &random)
            let whole = BodyReading(bytes, known: [bytes.count])
            let slow = BodyReading(bytes, known: Array(0...bytes.count))
            #expect(whole.end == slow.end, "\(bytes)")
            if whole.fault == nil { #expect(whole == slow) }
        }
    }
}
