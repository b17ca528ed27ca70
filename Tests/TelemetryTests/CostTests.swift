import Exchanges
import Testing

@testable import Telemetry

/// What the request path pays. Figures are printed; the bars are for optimised builds only, and
/// wide, because wall time does not repeat.
@Suite(.serialized) struct CostTests {
    #if DEBUG
        static let slack = 200.0
    #else
        static let slack = 5.0
    #endif

    @Test func recordingARequest() {
        let meters = Meters(parseErrors: [])
        let worker = WorkerMeters(meters)
        let routes = (0..<8).map { meters.routes.intern("r\($0)") }
        let cost = nanoseconds(1_000_000) { i in
            worker.record(
                .http, route: routes[i & 7], status: 200, nanoseconds: UInt64(i), bytesIn: 300, bytesOut: 1200)
        }
        print("record: \(cost) ns")
        #expect(cost < 20 * Self.slack)
    }

    @Test func traceContext() {
        var input = bytes(TraceContextTests.good)
        let out = Buffer(capacity: 256)
        var ids = Identifiers()
        var sum: UInt64 = 0
        let reading = nanoseconds(1_000_000) { i in
            input[51] = 48 + UInt8(i & 7)  // another value each time: a constant would be read once
            sum &+= TraceContext.parse(input.span)?.span ?? 0
        }
        let context = ids.trace(parent: nil, threshold: 0)
        let writing = nanoseconds(1_000_000) { _ in
            out.clear()
            context.append(to: out)
        }
        print("traceparent in: \(reading) ns, out: \(writing) ns")
        #expect(sum != 0)
        #expect(reading < 60 * Self.slack && writing < 60 * Self.slack)
    }

    @Test func correlationID() {
        let out = Buffer(capacity: 256)
        var ids = Identifiers()
        let cost = nanoseconds(1_000_000) { _ in
            out.clear()
            ids.appendCorrelationID(to: out)
        }
        print("correlation id: \(cost) ns")
        #expect(cost < 60 * Self.slack)
    }

    @Test func accessLine() throws {
        let writer = try LogWriter(path: "/dev/null")
        let log = AccessLog(writer: writer, meters: WorkerMeters(Meters(parseErrors: [])), service: "nexus-gateway")
        let facts = AccessLogTests().facts()
        let method = bytes("GET"), path = bytes("/api/products/OLJCESPC7Z"), id = bytes("6b1f6b3a-8f63-4b7e-9a43-6b3c0d8a7f10")
        let route = bytes("catalogue-product"), upstream = bytes("127.0.0.1:3550"), peer = bytes("127.0.0.1")
        let agent = bytes("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
        let cost = nanoseconds(200_000) { i in
            log.append(
                facts, nowNS: UInt64(i), method: method.span, path: path.span, correlationID: id.span,
                route: route.span, upstream: upstream.span, peer: peer.span, principal: [UInt8]().span, userAgent: agent.span)
        }
        log.flush()
        writer.stop()
        print("access line: \(cost) ns")
        #expect(cost < 1500 * Self.slack)
    }
}
