import Exchanges
import Glibc
import Testing

@testable import Telemetry

@Suite struct AccessLogTests {
    func facts(_ status: UInt16 = 200) -> AccessFacts {
        AccessFacts(
            realtimeNS: 1_709_210_096_789_000_000, dialect: .http, status: status,
            trace: TraceContext(traceHigh: 1, traceLow: 2, span: 3, isSampled: false), requestID: 0xabc, bytesIn: 120,
            bytesOut: 340, nanoseconds: 1_234_567)
    }

    func append(_ log: AccessLog, path: String = "/api/cart", now: UInt64 = 0) {
        log.append(
            facts(), nowNS: now, method: bytes("GET").span, path: bytes(path).span, correlationID: bytes("c-1").span,
            route: bytes("cart-get").span, upstream: [UInt8]().span, peer: bytes("127.0.0.1").span, principal: bytes("urn:shop").span,
            userAgent: bytes("test\"\u{1}").span)
    }

    @Test func writesOneLinePerExchange() throws {
        let path = makeFolder() + "/access.log"
        let writer = try LogWriter(path: path)
        let log = AccessLog(writer: writer, meters: WorkerMeters(Meters(parseErrors: [])), service: "nexus-gateway")
        append(log, path: "/users/someone@example.com")
        log.flush()
        writer.stop()
        #expect(
            contents(path)
                == #"{"timestamp":"2024-02-29T12:34:56.789Z","level":"info","service":"nexus-gateway","traceId":"00000000000000010000000000000002","spanId":"0000000000000003","requestId":"0000000000000abc","protocol":"http","status":200,"bytesIn":120,"bytesOut":340,"processingTimeMs":1.234,"correlationId":"c-1","method":"GET","path":"/users/so***@example.com","route":"cart-get","peer":"127.0.0.1","principal":"urn:shop","userAgent":"test\"\u0001"}"#
                + "\n")
    }

    @Test func flushesByAgeAndBySize() throws {
        let path = makeFolder() + "/access.log"
        let writer = try LogWriter(path: path)
        let log = AccessLog(writer: writer, meters: WorkerMeters(Meters(parseErrors: [])), service: "s")
        append(log, now: 1000)
        log.endTurn(nowNS: 1000 + AccessLog.ageNS - 1)
        usleep(20_000)
        #expect(contents(path).isEmpty)
        log.endTurn(nowNS: 1000 + AccessLog.ageNS)
        for _ in 0..<12_000 where contents(path).isEmpty { usleep(5000) }
        #expect(contents(path).split(separator: "\n").count == 1)
        for _ in 0..<200 { append(log) }
        for _ in 0..<12_000 where contents(path).count < 30_000 { usleep(5000) }
        #expect(contents(path).count > 30_000)
        writer.stop()
    }

    @Test func cutsEndlessFields() throws {
        let path = makeFolder() + "/access.log"
        let writer = try LogWriter(path: path)
        let log = AccessLog(writer: writer, meters: WorkerMeters(Meters(parseErrors: [])), service: "s")
        append(log, path: String(repeating: "x", count: 1 << 20))
        log.flush()
        writer.stop()
        #expect(contents(path).utf8.count < 2000)
    }

    @Test func reopensAfterRotation() throws {
        let folder = makeFolder()
        let writer = try LogWriter(path: folder + "/access.log")
        #expect(writer.offer(bytes("one\n")))
        for _ in 0..<12_000 where writer.bytesWritten < 4 { usleep(5000) }
        rename(folder + "/access.log", folder + "/access.log.1")
        writer.reopen()
        for _ in 0..<12_000 where access(folder + "/access.log", F_OK) != 0 { usleep(5000) }
        #expect(writer.offer(bytes("two\n")))
        writer.stop()
        #expect(contents(folder + "/access.log.1") == "one\n")
        #expect(contents(folder + "/access.log") == "two\n")
        #expect(!writer.offer(bytes("late\n")))
    }

    @Test func aFullDiskLosesLinesAndNothingElse() throws {
        let writer = try LogWriter(path: "/dev/full")
        #expect(writer.offer(bytes("lost\n")))
        for _ in 0..<12_000 where writer.bytesLost < 5 { usleep(5000) }
        #expect(writer.bytesLost == 5)
        #expect(writer.offer(bytes("also lost\n")))
        writer.stop()
        #expect(writer.bytesLost == 15)
        #expect(writer.bytesWritten == 0)
    }

    @Test func aStuckReaderCostsLinesThatAreCounted() async throws {
        let path = makeFolder() + "/pipe"
        #expect(mkfifo(path, 0o600) == 0)
        let reader = open(path, O_RDWR)  // open, never read: the pipe fills
        let writer = try LogWriter(path: path)
        let meters = Meters(parseErrors: [])
        let log = AccessLog(writer: writer, meters: WorkerMeters(meters), service: "s")
        for _ in 0..<60_000 { append(log) }
        log.flush()
        let out = written { Exposition.prometheus.render(meters.families(), into: $0) }
        let line = try #require(out.split(separator: "\n").first { $0.hasPrefix("nexus_log_dropped_total ") })
        #expect((Int(line.split(separator: " ")[1]) ?? 0) > 0)
        // Let the thread finish: drain what it is stuck on.
        let unblock = fcntl(reader, F_SETFL, O_NONBLOCK)
        #expect(unblock == 0)
        let reading = Task.detached {
            var piece = [UInt8](repeating: 0, count: 65536)
            while !Task.isCancelled {
                if read(reader, &piece, piece.count) < 0 { usleep(1000) }
            }
        }
        writer.stop()
        reading.cancel()
        await reading.value
        close(reader)
    }

    @Test func aWrongPathIsSeenAtStart() {
        #expect(throws: LogProblem.self) { try LogWriter(path: "/nonexistent/access.log") }
    }

    @Test func ownMessagesAreJSON() {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let log = Log(service: "nexus-gateway", file: ends[1])
        log.debug("not shown")
        log.error("reload \"refused\"", ["file": "a\nb", "who": "someone@example.com"])
        var piece = [UInt8](repeating: 0, count: 4096)
        let n = read(ends[0], &piece, piece.count)
        let line = String(decoding: piece.prefix(n), as: UTF8.self)
        #expect(line.hasPrefix("{\"timestamp\":\"20"))
        #expect(
            line.hasSuffix(
                #","level":"error","service":"nexus-gateway","message":"reload \"refused\"","file":"a\nb","who":"so***@example.com"}"#
                    + "\n"))
        close(ends[0])
        close(ends[1])
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
        (1_767_225_599, "2025-12-31T23:59:59.000Z"), (4_107_542_400, "2100-03-01T00:00:00.000Z"),
    ] as [(Int64, String)]) func timestamps(_ second: Int64, _ expected: String) {
        var stamp = Timestamp()
        #expect(written { stamp.append(realtimeNS: second * 1_000_000_000, to: $0) } == expected)
    }
}
