import Exchanges
import Seeded
import Testing
import WireHTTP

/// Generated requests: however the bytes arrive, they are read the same way.
@Suite struct RequestPropertyTests {
    @Test(arguments: 1...60 as ClosedRange<UInt64>) func piecesDoNotMatter(_ seed: UInt64) {
        var random = Seeded(state: seed)
        for _ in 0..<20 {
            var generator = RequestGenerator()
            let bytes = generator.request(&random)
            let whole = RequestReading(bytes)
            let text = String(decoding: bytes, as: UTF8.self).debugDescription
            guard let length = whole.length else {
                Issue.record("seed \(seed): \(whole.end) for \(text)")
                continue
            }
            #expect(length == generator.headLength, "\(text)")
            #expect(whole.fields.count == generator.fieldCount && whole.body == generator.body, "\(text)")
            #expect(RequestReading(byteByByte: bytes) == whole, "\(text)")
            for _ in 0..<5 {
                var known = (0..<6).map { _ in random.count(0...bytes.count) }.sorted()
                known.append(bytes.count)
                #expect(RequestReading(bytes, known: known) == whole, "\(known) of \(text)")
            }
        }
    }

    /// One byte changed, added or lost: refused or read, but the same in one piece and byte by byte.
    @Test(arguments: 1...60 as ClosedRange<UInt64>) func oneWrongByteIsReadOneWay(_ seed: UInt64) {
        var random = Seeded(state: seed &+ 1000)
        let interesting: [UInt8] = [0, 9, 10, 13, 32, 0x2c, 0x2e, 0x2f, 0x3a, 0x3b, 0x40, 0x7f, 0x80, 0xff]
        for _ in 0..<100 {
            var generator = RequestGenerator()
            var bytes = generator.request(&random)
            let i = random.count(0...(generator.headLength - 1))
            let byte = random.chance(2) ? random.pick(interesting) : UInt8.random(in: 0...255, using: &random)
            switch random.count(0...3) {
            case 0: bytes.remove(at: i)
            case 1: bytes.insert(byte, at: i)
            default: bytes[i] = byte
            }
            let whole = RequestReading(bytes)
            let slow = RequestReading(byteByByte: bytes)
            let text = String(decoding: bytes, as: UTF8.self).debugDescription
            if whole.fault != nil {
                // Which fault is named first may depend on what was known at that moment.
                #expect(slow.fault != nil, "\(text): \(whole.end), \(slow.end)")
            } else {
                #expect(slow == whole, "\(text)")
            }
            // What is accepted never has a control character where the next reader might see a line end.
            if whole.length != nil {
                let parts = whole.fields + [whole.method, whole.target, whole.authority]
                #expect(parts.allSatisfy { !$0.utf8.contains { $0 < 0x20 && $0 != 9 || $0 == 0x7f } }, "\(text)")
            }
        }
    }

    /// Two requests behind each other: the first ends where the second begins.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func pipelinedRequestsKeepTheirBorder(_ seed: UInt64) {
        var random = Seeded(state: seed &+ 2000)
        for _ in 0..<20 {
            var first = RequestGenerator()
            var second = RequestGenerator()
            let a = Array(first.request(&random).prefix(first.headLength))
            let b = Array(second.request(&random).prefix(second.headLength))
            let reading = RequestReading(a + b)
            #expect(reading == RequestReading(a))
            #expect(reading.length == a.count)
        }
    }
}

/// Makes valid requests of every shape the grammar has, and remembers what must come out.
struct RequestGenerator {
    var headLength = 0
    var fieldCount = 0
    var body = BodyFraming.none

    mutating func request(_ random: inout Seeded) -> [UInt8] {
        let minor = random.chance(5) ? 0 : 1
        var text = random.chance(6) ? "\r\n" : ""
        text += random.pick(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "PURGE", "M-SEARCH", "get"])
        text += " " + target(&random) + " HTTP/1.\(minor)\r\n"
        var lines = ["\(cased("Host", &random)):\(space(&random))\(random.pick(["shop.example", "h:80", "[::1]:9", "127.0.0.1"]))"]
        if minor == 1 && random.chance(4) {
            lines.append("\(cased("Transfer-Encoding", &random)):\(space(&random))\(cased("chunked", &random))")
            body = .chunked
        } else if random.chance(3) {
            let length = random.count(0...999_999)
            lines.append("\(cased("Content-Length", &random)):\(space(&random))\(length)\(space(&random))")
            body = length == 0 ? .none : .length(UInt64(length))
        }
        if random.chance(3) {
            lines.append("Connection:\(space(&random))\(random.pick(["close", "keep-alive", "Keep-Alive, x-a", "upgrade", ",close,,"]))")
        }
        if random.chance(5) { lines.append("TE: \(random.pick(["trailers", "deflate, Trailers", ""]))") }
        if random.chance(5) { lines.append("Expect: 100-continue") }
        if random.chance(5) { lines.append("Upgrade: websocket") }
        for _ in 0..<random.count(0...6) {
            let name = random.pick(["Accept", "X-Tenant", "cookie", "User-Agent", "traceparent", "X-\(random.count(0...99))", "a"])
            let value = random.pick(["", "1", "a, b;q=0.5", "\"x:y\"", "é \u{1f30d}", "a\tb", "GET / HTTP/1.1", "x: y"])
            lines.append("\(cased(name, &random)):\(space(&random))\(value)\(space(&random))")
        }
        lines.shuffle(using: &random)
        fieldCount = lines.count
        text += lines.map { $0 + "\r\n" }.joined() + "\r\n"
        headLength = text.utf8.count
        return Array(text.utf8) + Array(random.pick(["", "body bytes", "\r\n\r\n", "GET / HTTP/1.1\r\n"]).utf8)
    }

    private func target(_ random: inout Seeded) -> String {
        let path = (0..<random.count(1...4)).map { _ in "/" + random.pick(["", "a", "..", "%2e", "%2F", "x;v=1", "é".utf8.map { "%\(String($0, radix: 16))" }.joined(), "~@:!$&'()*+,="]) }.joined()
        let query = random.pick(["", "", "?", "?a=b&c=%20", "?/?x"])
        return random.chance(6) ? "http://shop.example:81" + (random.chance(3) ? "" : path) + query : path + query
    }

    private func cased(_ name: String, _ random: inout Seeded) -> String {
        String(name.map { random.chance(3) ? Character($0.uppercased()) : random.chance(3) ? Character($0.lowercased()) : $0 })
    }

    private func space(_ random: inout Seeded) -> String { random.pick([" ", " ", " ", "", "\t", "  ", " \t "]) }
}
