import Exchanges
import Testing

@testable import Telemetry

@Suite struct MetersTests {
    func scrape(_ meters: Meters) -> String {
        written { Exposition.prometheus.render(meters.families(), into: $0) }
    }

    @Test func addsUpOverWorkers() {
        let meters = Meters(parseErrors: ["bare-lf", "host"])
        let a = WorkerMeters(meters)
        let b = WorkerMeters(meters)
        let cart = meters.routes.intern("cart-add")
        a.record(.http, route: cart, status: 202, nanoseconds: 400_000, bytesIn: 10, bytesOut: 20)
        b.record(.http, route: cart, status: 202, nanoseconds: 600_000, bytesIn: 1, bytesOut: 2)
        b.record(.grpc, route: cart, status: 14, nanoseconds: 1, bytesIn: 0, bytesOut: 0)
        b.record(.http, route: cart, status: 299, nanoseconds: 1, bytesIn: 0, bytesOut: 0)
        b.record(.http, route: cart, status: 65535, nanoseconds: 1, bytesIn: 0, bytesOut: 0)
        a.count(.connectionsAccepted, by: 5)
        b.count(.connectionsClosed, by: 2)
        a.countParseError(1)
        a.count(.limitsRefused)
        let out = scrape(meters)
        #expect(out.contains("nexus_requests_total{protocol=\"http\",route=\"cart-add\",code=\"202\"} 2\n"))
        #expect(out.contains("nexus_requests_total{protocol=\"http\",route=\"cart-add\",code=\"2xx\"} 1\n"))
        #expect(out.contains("nexus_requests_total{protocol=\"http\",route=\"cart-add\",code=\"other\"} 1\n"))
        #expect(out.contains("nexus_requests_total{protocol=\"grpc\",route=\"cart-add\",code=\"14\"} 1\n"))
        #expect(out.contains("nexus_request_seconds_bucket{protocol=\"http\",route=\"cart-add\",le=\"0.0005\"} 3\n"))
        #expect(out.contains("nexus_request_seconds_bucket{protocol=\"http\",route=\"cart-add\",le=\"0.001\"} 4\n"))
        #expect(out.contains("nexus_route_bytes_total{protocol=\"http\",route=\"cart-add\",direction=\"in\"} 11\n"))
        #expect(out.contains("nexus_connections_open 3\n"))
        #expect(out.contains("nexus_http_parse_errors_total{reason=\"host\"} 1\n"))
        #expect(out.contains("nexus_http_parse_errors_total{reason=\"bare-lf\"} 0\n"))
        #expect(out.contains("nexus_limit_decisions_total{decision=\"refused\"} 1\n"))
    }

    @Test func aRouteThatSurvivesAReloadKeepsItsSeries() {
        let meters = Meters(parseErrors: [])
        let worker = WorkerMeters(meters)
        let old = ["a", "b"].map(meters.routes.intern)
        let new = ["c", "b"].map(meters.routes.intern)
        worker.record(.http, route: old[1], status: 200, nanoseconds: 1, bytesIn: 0, bytesOut: 0)
        worker.record(.http, route: new[1], status: 200, nanoseconds: 1, bytesIn: 0, bytesOut: 0)
        // An exchange of the old generation ends after the reload.
        worker.record(.http, route: old[0], status: 200, nanoseconds: 1, bytesIn: 0, bytesOut: 0)
        let out = scrape(meters)
        #expect(out.contains("route=\"b\",code=\"200\"} 2\n"))
        #expect(out.contains("route=\"a\",code=\"200\"} 1\n"))
    }

    @Test func namesPastTheBudgetShareOneSeries() {
        let meters = Meters(parseErrors: [], routeBudget: 3)
        let worker = WorkerMeters(meters)
        for i in 0..<10 {
            let id = meters.routes.intern("r\(i)")
            worker.record(.http, route: id, status: 200, nanoseconds: 1, bytesIn: 0, bytesOut: 0)
        }
        let out = scrape(meters)
        #expect(out.contains("route=\"_other\",code=\"200\"} 7\n"))
        #expect(out.contains("route=\"r2\",code=\"200\"} 1\n"))
        #expect(!out.contains("route=\"r3\""))
        #expect(out.contains("nexus_series_overflow 7\n"))
    }

    @Test func upstreamSeries() {
        let meters = Meters(parseErrors: [])
        let worker = WorkerMeters(meters)
        let cluster = meters.clusters.intern("catalogue")
        for event in [UpstreamEvent.attempt, .attempt, .retry, .connectFailed, .connectionOpened] {
            worker.count(event, cluster: cluster)
        }
        worker.recordFirstByte(cluster: cluster, nanoseconds: 3_000_000)
        let out = scrape(meters)
        #expect(out.contains("nexus_upstream_attempts_total{cluster=\"catalogue\"} 2\n"))
        #expect(out.contains("nexus_upstream_retries_total{cluster=\"catalogue\"} 1\n"))
        #expect(out.contains("nexus_upstream_failures_total{cluster=\"catalogue\",reason=\"connect\"} 1\n"))
        #expect(out.contains("nexus_upstream_connections_open{cluster=\"catalogue\"} 1\n"))
        #expect(out.contains("nexus_upstream_first_byte_seconds_bucket{cluster=\"catalogue\",le=\"0.005\"} 1\n"))
    }

    @Test func otherRoomsAddSeries() {
        let meters = Meters(parseErrors: [])
        meters.add { [Family("nexus_events_appended", .counter, "Events.", .integer(42))] }
        meters.add { ProcessStats.families() }
        meters.setGeneration(7)
        let out = scrape(meters)
        #expect(out.contains("nexus_events_appended_total 42\n"))
        #expect(out.contains("nexus_config_generation 7\n"))
        for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"] {
            #expect(out.contains("\n\(name) "), "\(name)")
        }
    }

    /// A scraper that reads all the time sees whole, growing numbers and loses none at the end.
    @Test func scrapingBesideAWorkerLosesNothing() async {
        let meters = Meters(parseErrors: [])
        let route = meters.routes.intern("r")
        let done = Flag()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                let worker = WorkerMeters(meters)
                for i in 0..<200_000 {
                    worker.record(.http, route: route, status: i % 2 == 0 ? 200 : 404, nanoseconds: 1, bytesIn: 1, bytesOut: 1)
                }
                done.raise()
            }
            group.addTask {
                var last = 0
                while !done.isUp {
                    let family = meters.families().first { $0.name == "nexus_request_seconds" }
                    guard let count = family?.samples.last, case .integer(let n) = count.value else { continue }
                    #expect(Int(n) >= last)
                    last = Int(n)
                }
            }
        }
        let out = scrape(meters)
        #expect(out.contains("code=\"200\"} 100000\n") && out.contains("code=\"404\"} 100000\n"))
    }
}
