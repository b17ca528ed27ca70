import Exchanges
import Testing
import WireHTTP

@Suite struct BodyReaderTests {
    @Test(arguments: [0, 1, 5, 100]) func aLengthIsReadToTheByte(_ length: Int) {
        let bytes = (0..<120).map { UInt8($0) }
        for known in [[120], Array(0...120), [0, 3, 3, 50, 120]] {
            let reading = BodyReading(bytes, known: known, framing: .length(UInt64(length)))
            #expect(reading.body == Array(bytes.prefix(length)) && reading.end == .complete(length))
        }
    }

    @Test func aShortBodyIsNotComplete() {
        #expect(BodyReading([1, 2], known: [2], framing: .length(3)).end == .incomplete)
    }

    @Test func noBodyIsOverAtOnce() {
        let reader = HTTP1BodyReader(.none)
        #expect(reader.isDone && !reader.endsWithConnection && reader.announced == 0)
        let reading = BodyReading([1, 2], known: [2], framing: .none)
        #expect(reading.body == [] && reading.end == .complete(0))
    }

    @Test func untilCloseTakesAllAndNeverEnds() {
        #expect(HTTP1BodyReader(.untilClose).endsWithConnection)
        let bytes = [UInt8](repeating: 7, count: 50)
        let reading = BodyReading(bytes, known: [0, 10, 10, 50], framing: .untilClose)
        #expect(reading.body == bytes && reading.end == .incomplete)
    }

    @Test func announcedIsWhatIsStillToCome() {
        var reader = HTTP1BodyReader(.length(10))
        #expect(reader.announced == 10 && !reader.isDone)
        var position = 0
        let four: [UInt8] = [1, 2, 3, 4]
        _ = reader.next(four.span, at: &position, limits: HTTP1Limits())
        #expect(reader.announced == 6 && position == 4)
        reader = HTTP1BodyReader(.chunked)
        #expect(reader.announced == 0)
        position = 0
        let start = Array("a\r\n123".utf8)
        _ = reader.next(start.span, at: &position, limits: HTTP1Limits())
        #expect(reader.announced == 7 && position == start.count && !reader.endsWithConnection)
    }

    @Test func theEndIsReportedOnceAndThenAgain() {
        for framing in [BodyFraming.length(1), .chunked] {
            var reader = HTTP1BodyReader(framing)
            let bytes = Array((framing == .chunked ? "1\r\nx\r\n0\r\n\r\n" : "x").utf8)
            var position = 0
            var ends = 0
            for _ in 0..<4 {
                if case .end = reader.next(bytes.span, at: &position, limits: HTTP1Limits()) { ends += 1 }
            }
            #expect(ends == 3 && reader.isDone && position == bytes.count)
        }
    }
}
