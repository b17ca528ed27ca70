import Exchanges
import Testing

@testable import Telemetry

@Suite struct ExpositionTests {
    let families = [
        Family("t_requests", .counter, "Requests with \"quotes\" and \\.", samples: [
            Sample(.integer(3), labels: [("route", "a\"b\\c\nd")])
        ]),
        Family("t_wait_seconds", .gauge, "Waiting.", unit: "seconds", .real(0.25)),
        Family("t_empty", .gauge, "Nothing.", samples: []),
        Family("t_requests", .counter, "again", samples: [Sample(.integer(4), labels: [("route", "z")])]),
    ]

    @Test func prometheusText() {
        #expect(
            written { Exposition.prometheus.render(families, into: $0) } == #"""
                # TYPE t_requests_total counter
                # HELP t_requests_total Requests with "quotes" and \\.
                t_requests_total{route="a\"b\\c\nd"} 3
                t_requests_total{route="z"} 4
                # TYPE t_wait_seconds gauge
                # HELP t_wait_seconds Waiting.
                t_wait_seconds 0.25

                """#)
    }

    @Test func openMetricsText() {
        #expect(
            written { Exposition.openMetrics.render(families, into: $0) } == #"""
                # TYPE t_requests counter
                # HELP t_requests Requests with \"quotes\" and \\.
                t_requests_total{route="a\"b\\c\nd"} 3
                t_requests_total{route="z"} 4
                # TYPE t_wait_seconds gauge
                # UNIT t_wait_seconds seconds
                # HELP t_wait_seconds Waiting.
                t_wait_seconds 0.25
                # EOF

                """#)
    }

    @Test func histogramsAreCumulativeAndTheirCountIsTheLastBucket() {
        var total = HistogramTotal()
        for ns in [1, 500_000, 500_001, 20_000_000_000] as [UInt64] { total.record(nanoseconds: ns) }
        let out = written {
            Exposition.openMetrics.render(
                [Family("h_seconds", .histogram, "H.", unit: "seconds", samples: total.samples(labels: []))], into: $0)
        }
        #expect(out.contains("h_seconds_bucket{le=\"0.0005\"} 2\n"))
        #expect(out.contains("h_seconds_bucket{le=\"0.001\"} 3\n"))
        #expect(out.contains("h_seconds_bucket{le=\"10.0\"} 3\n"))
        #expect(out.contains("h_seconds_bucket{le=\"+Inf\"} 4\n"))
        #expect(out.contains("h_seconds_sum 20.001000002\n"))
        #expect(out.contains("h_seconds_count 4\n"))
    }

    @Test func numbersThatAreNone() {
        let out = written {
            Exposition.prometheus.render(
                [Family("x", .gauge, "X.", samples: [.init(.real(.nan)), .init(.real(.infinity)), .init(.real(-.infinity))])],
                into: $0)
        }
        #expect(out.hasSuffix("x NaN\nx +Inf\nx -Inf\n"))
    }

    @Test(arguments: [
        ("", Exposition.prometheus), ("*/*", .prometheus), ("text/plain", .prometheus), ("application/json", .prometheus),
        ("application/openmetrics-text", .openMetrics),
        ("Application/OpenMetrics-Text; Version=1.0.0", .openMetrics),
        ("application/openmetrics-text;version=2.0.0", .prometheus),
        ("application/openmetrics-text;q=0", .prometheus),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.5", .prometheus),
        ("application/openmetrics-text;q=nonsense", .prometheus),
        ("application/openmetrics-text;q=0.", .prometheus),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            .openMetrics
        ),
        (String(repeating: ",", count: 10_000), .prometheus),
    ]) func choosesByAccept(_ accept: String, _ expected: Exposition) {
        #expect(chosen(accept) == expected)
    }
}
