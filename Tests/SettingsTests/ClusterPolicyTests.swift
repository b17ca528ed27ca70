import Settings
import Testing

/// The keys of a cluster about endpoints that fail: defaults, and what is said about mistakes.
struct ClusterPolicyTests {
    func read(_ keys: String) -> (Cluster?, [String]) {
        let diagnostics = Diagnostics()
        let text = "clusters: { a: { endpoints: \"h:1\",\(keys) } }"
        let document = Document.parse(text, file: "nexus.yaml", diagnostics)
        let configuration = document.map { Configuration.read($0, diagnostics) }
        // The column of the first key, so that tests need not count the frame.
        return (configuration?.clusters.first, diagnostics.sorted.map { "\($0)".replacing("nexus.yaml:1:", with: "") })
    }

    @Test func ejectionIsOnAndTheRestIsOff() throws {
        let cluster = Cluster(name: "a", endpoints: [])
        #expect(cluster.ejection == Cluster.Ejection() && cluster.breaker == nil && cluster.bulkhead == nil)
        #expect(cluster.health == nil && cluster.hash == nil && cluster.panic == 50 && cluster.slowStart == 0)
        let (off, problems) = read("ejection: off, breaker: off, bulkhead: off")
        #expect(problems == [] && off?.ejection == nil && off?.breaker == nil && off?.bulkhead == nil)
    }

    @Test func emptyMapsAreTheNumbersOfTheSpecification() throws {
        let (cluster, problems) = read("breaker: {}, bulkhead: {}, retry_budget: {}, ejection: {}")
        #expect(problems == [])
        let breaker = try #require(cluster?.breaker)
        #expect([breaker.window, breaker.minimum, breaker.failures, breaker.halfOpen] == [10, 5, 50, 3] && breaker.open == 10_000)
        #expect(cluster?.bulkhead?.concurrent == 30 && cluster?.bulkhead?.wait == 5_000)
        #expect(cluster?.retryBudget.percent == 20)
        #expect(cluster?.ejection == Cluster.Ejection())
    }

    @Test func everyKindOfHash() {
        let keys: [(String, Cluster.HashKey)] = [
            ("header: X-A", .header("x-a")), ("cookie: Session", .cookie("Session")), ("source: true", .source), ("path: true", .path),
        ]
        for (text, key) in keys {
            let (cluster, problems) = read("balance: consistent_hash, hash: { \(text) }")
            #expect(problems == [] && cluster?.hash == key)
        }
    }

    @Test func aGRPCCheckOfAnHTTP2Cluster() {
        let (cluster, problems) = read("protocol: http2, health: { grpc: { service: shop.Cart } }")
        #expect(problems == [] && cluster?.health?.probe == .grpc(service: "shop.Cart"))
    }

    /// Columns count from the first key, which stands at 35.
    @Test(arguments: [
        ("breaker: yes", "44: error: 'breaker' must be off or a map, not 'yes'"),
        ("ejection: []", "45: error: 'ejection' must be off or a map, not a list"),
        ("breaker: { windows: 3 }", "46: error: unknown key 'windows' in the breaker of a cluster (did you mean 'window'?)"),
        ("breaker: { window: 4, minimum: 5 }", "57: error: 'minimum' (5) cannot be larger than 'window' (4)"),
        ("breaker: { failures: 0 }", "56: error: 'failures' must be from 1 to 100, not 0"),
        ("bulkhead: { concurrent: 0 }", "59: error: 'concurrent' must be from 1 to 1000000, not 0"),
        ("ejection: { time: 10s, max_time: 5s }", "58: error: 'max_time' cannot be shorter than 'time'"),
        ("ejection: { max_percent: 101 }", "60: error: 'max_percent' must be from 0 to 100, not 101"),
        ("retry_budget: { percent: lots }", "60: error: 'percent' must be a whole number, not 'lots'"),
        ("slow_start: 5", "47: error: 'slow_start' must be a duration such as 250ms, 10s, 5m or 1h, not '5'"),
        ("panic: -1", "42: error: 'panic' must be from 0 to 100, not -1"),
        ("balance: consistent_hash", "35: error: consistent_hash needs 'hash': header, cookie, source or path"),
        ("hash: { path: true }", "35: error: 'hash' has no effect: 'balance' is not consistent_hash"),
        ("balance: consistent_hash, hash: { path: true, source: true }", "67: error: a hash is exactly one of header, cookie, source, path"),
        ("balance: consistent_hash, hash: { path: false }", "75: error: a hash is exactly one of header, cookie, source, path"),
        ("balance: consistent_hash, hash: { header: \"a b\" }", "77: error: 'a b' is not the name of a header"),
        ("health: { interval: 1s }", "43: error: a health check is exactly one of http, grpc, tcp"),
        ("health: { tcp: true, http: { path: / } }", "43: error: a health check is exactly one of http, grpc, tcp"),
        ("health: { grpc: {} }", "45: error: a gRPC health check needs 'protocol: http2'"),
        ("protocol: http2, health: { grpc: { service: \"a b\" } }", "79: error: 'a b' is not the name of a service"),
        ("health: { http: {} }", "51: error: an HTTP health check needs a path"),
        ("health: { http: { path: \"/a b\" } }", "59: error: '/a b' is not a path: visible ASCII that begins with /"),
        ("health: { http: { path: /, expect: 2xx } }", "70: error: 'expect' must be a status or a range such as 200-299, not '2xx'"),
        ("health: { http: { path: /, expect: 299-200 } }", "70: error: 'expect' must be a status or a range such as 200-299, not '299-200'"),
        ("health: { http: { path: /, host: \"a\\r\\nb\" } }", "68: error: 'a\r\nb' is not a host"),
        ("health: { tcp: true, interval: 1s, timeout: 2s }", "70: error: 'timeout' cannot be longer than 'interval'"),
    ])
    func mistakesAreNamed(_ keys: String, _ problem: String) {
        #expect(read(keys).1 == [problem])
    }
}
