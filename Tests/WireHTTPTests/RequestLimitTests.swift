import Exchanges
import Testing
import WireHTTP

/// Every bound at its edge: what fits is read, one more is refused, and what never ends is refused
/// before it has all been kept.
@Suite struct RequestLimitTests {
    private var limits: HTTP1Limits {
        var limits = HTTP1Limits()
        limits.line = 64
        limits.fieldLine = 40
        limits.fieldCount = 5
        limits.head = 256
        return limits
    }

    private func run(_ n: Int, _ letter: String = "a") -> String { String(repeating: letter, count: n) }

    @Test func requestLine() {
        // The bound is on method, space and target: what a client can make long.
        #expect(RequestReading("GET /\(run(59)) HTTP/1.1\r\nHost: h\r\n\r\n", limits: limits).length != nil)
        #expect(RequestReading("GET /\(run(60)) HTTP/1.1\r\nHost: h\r\n\r\n", limits: limits).fault == .lineTooLong)
        #expect(RequestReading("GET /\(run(59))", limits: limits).end == .incomplete)
        #expect(RequestReading("GET /\(run(60))", limits: limits).fault == .lineTooLong)
    }

    @Test func fieldLine() {
        func head(_ line: String) -> String { "GET / HTTP/1.1\r\nHost: h\r\n\(line)\r\n\r\n" }
        #expect(RequestReading(head("A: \(run(37))"), limits: limits).length != nil)
        #expect(RequestReading(head("A: \(run(38))"), limits: limits).fault == .fieldTooLong)
        #expect(RequestReading(head("\(run(38)): "), limits: limits).length != nil)
        #expect(RequestReading(head("\(run(39)): "), limits: limits).fault == .fieldTooLong)
        #expect(RequestReading(head("A:\(run(39, " "))"), limits: limits).fault == .fieldTooLong)
        // Not even the end of the line is needed to know.
        #expect(RequestReading("GET / HTTP/1.1\r\n\(run(40))", limits: limits).end == .incomplete)
        #expect(RequestReading("GET / HTTP/1.1\r\n\(run(41))", limits: limits).fault == .fieldTooLong)
        #expect(RequestReading("GET / HTTP/1.1\r\nA:\(run(39))", limits: limits).fault == .fieldTooLong)
        #expect(RequestReading("GET / HTTP/1.1\r\nA:\(run(39, " "))", limits: limits).fault == .fieldTooLong)
    }

    @Test func fieldCount() {
        func head(_ n: Int) -> String {
            "GET / HTTP/1.1\r\nHost: h\r\n" + (1..<n).map { "A\($0): b\r\n" }.joined() + "\r\n"
        }
        #expect(RequestReading(head(5), limits: limits).length != nil)
        #expect(RequestReading(head(6), limits: limits).fault == .tooManyFields)
    }

    @Test func wholeHead() {
        let start = "GET / HTTP/1.1\r\nHost: h\r\n"
        var limits = limits
        limits.fieldCount = 100
        func head(_ total: Int) -> String {
            // Fields of 20 bytes, and one that fills up.
            var text = start
            while total - 2 - text.utf8.count > 40 { text += "A: \(run(15))\r\n" }
            let missing = total - 2 - text.utf8.count
            return text + "B: \(run(missing - 5))\r\n\r\n"
        }
        #expect(head(256).utf8.count == 256)
        #expect(RequestReading(head(256), limits: limits).end == .complete(256))
        #expect(RequestReading(head(257), limits: limits).fault == .headTooLarge)
        // A body behind the head does not count, and an unfinished head does as soon as it is too long.
        #expect(RequestReading(head(256) + run(1000), limits: limits).end == .complete(256))
        let cut = Array(head(300).utf8.prefix(257))
        #expect(RequestReading(cut, limits: limits).fault == .headTooLarge)
    }

    /// Endless input without any line end is refused within the bounds, whatever it begins with.
    @Test func nothingIsReadForEver() {
        for start in ["", "GET ", "GET /", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA", "GET / HTTP/1.1\r\nA:", "\r\n"] {
            for filler in ["a", "/", " ", "\t", ":", "\r", "A: b\r\n"] {
                let bytes = Array((start + run(1000, filler)).utf8.prefix(600))
                let reading = RequestReading(byteByByte: bytes, limits: limits)
                #expect(reading.fault != nil, "\(start.debugDescription) then \(filler.debugDescription)")
            }
        }
    }
}
