import Foundation
import Settings
import Testing

struct ConfigurationTests {
    static let root = String(#filePath.dropLast("/Tests/SettingsTests/ConfigurationTests.swift".count))

    static let everyKey = """
        workers: 3
        affinity: [0, 2]
        listeners:
          - name: edge
            address: "[::]:8443"
            backlog: 1
            trusted_proxies: [10.0.0.0/8, "fd00::/8"]
            max_connections: 2
            max_connections_per_address: 8
            limits: { request_line: 65, field_line: 66, fields: 67, head: 512, trailers: 69, chunk_extension: 70 }
            timeouts: { head: 1s, keep_alive: 0, max_age: 1h, linger: 3s, send: 4s }
            tls:
              certificates: [{ chain: a.crt, key: a.key, ocsp: a.ocsp }, { chain: b.crt, key: b.key }]
              profile: modern
              client_certificates: required
              client_authorities: ca.crt
              tickets: 1h
              handshake: 5s
          - { name: local, address: "unix:/tmp/x.sock" }
        admin: off
        routes: elsewhere
        drain: 5m
        clusters:
          a:
            endpoints: [10.0.0.1:80, name:81]
            protocol: http2
            http2: { max_concurrent_streams: 13, stream_window: 14KiB, connection_window: 150KiB }
            balance: least_request
            pool: { connections: 5, idle: 4, idle_timeout: 6s, max_age: 7s, pending: 8, requests: 9 }
            limits: { head: 10KiB, fields: 11, informational: 12 }
            tls: { authorities: ca.crt, name: Other.Example, certificate: { chain: c.crt, key: c.key }, profile: modern }
            ejection: { consecutive: 13, time: 14s, max_time: 15s, max_percent: 16 }
            slow_start: 17s
            panic: 18
            breaker: { window: 20, minimum: 19, failures: 21, open: 22s, half_open: 23 }
            bulkhead: { concurrent: 24, wait: 25s }
            retry_budget: { percent: 26, minimum: 27 }
            health: { http: { path: /health, expect: 204, host: x.example }, interval: 28s, timeout: 27s, healthy: 29, unhealthy: 30 }
          b: { endpoints: [10.0.0.1:80], balance: consistent_hash, hash: { header: X-User-Id }, health: { tcp: true } }
        resolver: { servers: [127.0.0.1:5353], min_ttl: 2s, max_ttl: 3s, timeout: 4s, tries: 5 }
        store: { path: x.db, queue: 1, group: 2, aggregates_in_memory: 3, snapshots: { events: 4, bytes: 5KiB, age: 6h } }
        access_log: off
        contracts: { event_schemas: schemas }
        telemetry: { service: s, sample: 1 }
        shield: { keys: 7 }
        """

    func read(_ text: String) -> (Configuration, [String]) {
        let diagnostics = Diagnostics()
        let configuration = Document.parse(text, file: "nexus.yaml", diagnostics).map { Configuration.read($0, diagnostics) }
        return (configuration ?? Configuration(), diagnostics.sorted.map(\.description))
    }

    @Test func anEmptyFileIsTheDefaults() {
        let (configuration, problems) = read("")
        #expect(problems.isEmpty)
        #expect(configuration == Configuration())
    }

    @Test func theReferenceFileSaysTheDefaults() {
        let diagnostics = Diagnostics()
        let configuration = Configuration.read(path: Self.root + "/config/nexus.yaml", diagnostics)
        #expect(diagnostics.all.isEmpty)
        #expect(configuration == Configuration())
    }

    @Test func everyKeyIsRead() throws {
        let (c, problems) = read(Self.everyKey)
        #expect(problems == [])
        #expect(c.workers == .count(3) && c.affinity == .cpus([0, 2]) && c.admin == nil && c.accessLog == nil)
        #expect(c.routes == ["elsewhere"] && c.drain == 300_000 && c.shield.keys == 7)
        let edge = try #require(c.listeners.first)
        #expect(edge.name == "edge" && edge.backlog == 1 && edge.maxConnections == 2 && edge.maxConnectionsPerAddress == 8 && edge.trustedProxies.count == 2)
        #expect(edge.limits.requestLine == 65 && edge.limits.fieldLine == 66 && edge.limits.fields == 67 && edge.limits.head == 512)
        #expect(edge.limits.trailers == 69 && edge.limits.chunkExtension == 70)
        #expect(edge.timeouts.head == 1000 && edge.timeouts.keepAlive == 0 && edge.timeouts.maxAge == 3_600_000 && edge.timeouts.linger == 3000 && edge.timeouts.send == 4000)
        let tls = try #require(edge.tls)
        #expect(tls.certificates.map(\.chain.path) == ["a.crt", "b.crt"] && tls.certificates.map(\.key.path) == ["a.key", "b.key"])
        #expect(tls.certificates.map(\.ocsp?.path) == ["a.ocsp", nil] && tls.profile == .modern)
        #expect(tls.clientCertificates == .required && tls.clientAuthorities?.path == "ca.crt")
        #expect(tls.tickets == 3_600_000 && tls.handshake == 5000)
        #expect(c.listeners[1].tls == nil)
        #expect(c.listeners[1].address == .unix(path: "/tmp/x.sock"))
        let a = try #require(c.clusters.first)
        #expect(a.name == "a" && a.endpoints.map(\.description) == ["10.0.0.1:80", "name:81"])
        #expect(a.wireProtocol == .http2 && a.http2.maxConcurrentStreams == 13)
        #expect(a.http2.streamWindow == 14 << 10 && a.http2.connectionWindow == 150 << 10)
        #expect(a.pool.connections == 5 && a.pool.idle == 4 && a.pool.idleTimeout == 6000 && a.pool.maxAge == 7000)
        #expect(a.pool.pending == 8 && a.pool.requests == 9)
        #expect(a.limits.head == 10 << 10 && a.limits.fields == 11 && a.limits.informational == 12)
        let upstream = try #require(a.tls)
        #expect(upstream.verify && upstream.authorities?.path == "ca.crt" && upstream.name == "other.example")
        #expect(upstream.certificate?.chain.path == "c.crt" && upstream.certificate?.key.path == "c.key" && upstream.profile == .modern)
        #expect(a.ejection?.consecutive == 13 && a.ejection?.time == 14_000 && a.ejection?.maxTime == 15_000 && a.ejection?.maxPercent == 16)
        #expect(a.slowStart == 17_000 && a.panic == 18)
        let breaker = try #require(a.breaker)
        #expect([breaker.window, breaker.minimum, breaker.failures, breaker.halfOpen] == [20, 19, 21, 23] && breaker.open == 22_000)
        #expect(a.bulkhead?.concurrent == 24 && a.bulkhead?.wait == 25_000)
        #expect(a.retryBudget.percent == 26 && a.retryBudget.minimum == 27)
        let health = try #require(a.health)
        #expect(health.probe == .http(path: "/health", expect: 204...204, host: "x.example"))
        #expect(health.interval == 28_000 && health.timeout == 27_000 && health.healthy == 29 && health.unhealthy == 30)
        #expect(c.clusters[1].balance == .consistentHash && c.clusters[1].hash == .header("x-user-id") && c.clusters[1].health?.probe == .tcp)
        #expect(c.resolver.servers.count == 1 && c.resolver.minTTL == 2000 && c.resolver.maxTTL == 3000)
        #expect(c.resolver.timeout == 4000 && c.resolver.tries == 5)
        #expect(c.store.path == "x.db" && c.store.queue == 1 && c.store.group == 2 && c.store.aggregatesInMemory == 3)
        #expect(c.store.snapshots.events == 4 && c.store.snapshots.bytes == 5 << 10 && c.store.snapshots.age == 21_600_000)
        #expect(c.eventSchemas?.path == "schemas" && read("contracts: { event_schemas: off }").0.eventSchemas == nil)
        #expect(c.telemetry.service == "s" && c.telemetry.sample == 1)
    }

    @Test func theReferenceFileHasEveryKey() throws {
        let diagnostics = Diagnostics()
        let reference = try #require(try? String(contentsOfFile: Self.root + "/config/nexus.yaml", encoding: .utf8))
        func check(_ value: Value) {
            switch value.shape {
            case .scalar: return
            case .list(let items): items.forEach(check)
            case .map(let entries):
                for entry in entries {
                    if entry.key != "a" && entry.key != "b" { #expect(reference.contains("\(entry.key):"), "\(entry.key) is missing") }
                    check(entry.value)
                }
            }
        }
        check(try #require(Document.parse(Self.everyKey, file: "all.yaml", diagnostics)))
    }

    @Test func aListenerNumberIsItsPlace() {
        let (c, _) = read("listeners: [{ name: a, address: 127.0.0.1:1 }, { name: b, address: 127.0.0.1:2 }]")
        #expect(c.allListeners.map(\.name) == ["a", "b", "admin"])
    }

    /// One mistake, and what is said about it.
    @Test(arguments: [
        ("worker: 2", "1:1: error: unknown key 'worker' in the configuration (did you mean 'workers'?)"),
        ("access-log: off", "1:1: error: unknown key 'access-log' in the configuration (did you mean 'access_log'?)"),
        ("workers: 0", "1:10: error: 'workers' must be from 1 to 256, not 0"),
        ("workers: \"2\"", "1:10: error: 'workers' must be a whole number, not '2'"),
        ("workers: [1]", "1:10: error: 'workers' must be a whole number, not a list"),
        ("affinity: yes", "1:11: error: 'affinity' must be true or false, not 'yes'"),
        ("drain: 30", "1:8: error: 'drain' must be a duration such as 250ms, 10s, 5m or 1h, not '30'"),
        ("drain: 2h", "1:8: error: 'drain' must be from 0 to 1h, not 2h"),
        ("listeners: []", "1:12: error: at least one listener is needed"),
        ("listeners: 5", "1:12: error: 'listeners' must be a list, not '5'"),
        ("listeners: [{ name: a }]", "1:13: error: a listener needs an address"),
        ("listeners: [{ address: 127.0.0.1:1 }]", "1:13: error: a listener needs a name"),
        (
            "listeners: [{ name: A, address: 127.0.0.1:1 }]",
            "1:21: error: the name of a listener must be 1 to 64 of a-z, 0-9 and -, not 'A'"
        ),
        (
            "listeners: [{ name: admin, address: 127.0.0.1:1 }]\nadmin: off",
            "1:15: error: the name 'admin' belongs to the section `admin`"
        ),
        (
            "listeners: [{ name: a, address: 127.0.0.1:9901 }]",
            "1:1: error: the address 127.0.0.1:9901 is already used by listener 'a' at nexus.yaml:1:13"
        ),
        (
            "listeners: [{ name: a, address: 127.0.0.1:1 }, { name: a, address: 127.0.0.1:2 }]",
            "1:48: error: the listener name 'a' is taken at nexus.yaml:1:13"
        ),
        (
            "listeners: [{ name: a, address: localhost:80 }]",
            "1:33: error: a listener needs a literal address, not the name 'localhost' (localhost is 127.0.0.1)"
        ),
        ("admin: { address: 9901 }", "1:19: error: '9901' is not an address: the port is missing"),
        ("admin: { limits: { head: 1KB } }", "1:26: error: 'head' must be a size such as 512, 8KiB or 1MiB, not '1KB'"),
        (
            "admin: { limits: { head: 4KiB, field_line: 2KiB } }",
            "1:20: error: 'request_line' (8KiB) cannot be larger than 'head' (4KiB)"
        ),
        ("clusters: { a: {} }", "1:13: error: cluster 'a' needs at least one endpoint"),
        ("clusters: { a: { endpoints: [] } }", "1:13: error: cluster 'a' needs at least one endpoint"),
        (
            "clusters: { a: { endpoints: \"h:1\", http2: {} } }",
            "1:36: error: 'http2' has no effect without 'protocol: http2'"
        ),
        (
            "clusters: { a: { endpoints: \"h:1\", protocol: http3 } }",
            "1:46: error: 'protocol' must be one of http1, http2, not 'http3' (did you mean 'http1'?)"
        ),
        (
            "clusters: { a: { endpoints: \"h:1\", protocol: http2, http2: { stream_window: 128KiB, connection_window: 64KiB } } }",
            "1:62: error: 'stream_window' cannot be larger than 'connection_window'"
        ),
        ("clusters: { a: { endpoints: [\"h:0\"] } }", "1:30: error: an endpoint needs a port from 1 to 65535"),
        ("clusters: { a: { endpoints: [\"h:1\", \"H:1\"] } }", "1:37: error: the endpoint h:1 is listed twice"),
        (
            "clusters: { a: { endpoints: \"h:1\", balance: least_requests } }",
            "1:45: error: 'balance' must be one of least_request, round_robin, consistent_hash, not 'least_requests' (did you mean 'least_request'?)"
        ),
        (
            "clusters: { a: { endpoints: \"h:1\", pool: { connections: 4, idle: 5 } } }",
            "1:60: error: 'idle' (5) cannot be larger than 'connections' (4)"
        ),
        ("clusters: [a]", "1:11: error: the clusters must be a map, not a list"),
        ("resolver: { servers: [dns:53] }", "1:23: error: a resolver needs a literal address and a port: 127.0.0.1:53"),
        ("resolver: { min_ttl: 10m }", "1:13: error: 'min_ttl' cannot be longer than 'max_ttl'"),
        ("telemetry: { sample: 1.5 }", "1:22: error: 'sample' must be a fraction from 0 to 1, not '1.5'"),
        ("access_log: { format: text }", "1:23: error: 'format' must be one of json, not 'text'"),
        ("- a", "1:1: error: the configuration must be a map, not a list"),
    ])
    func mistakesAreNamed(_ text: String, _ problem: String) {
        #expect(read(text).1 == ["nexus.yaml:" + problem])
    }

    @Test func allMistakesAtOnce() {
        let (_, problems) = read("workers: x\ndrain: y\nstore: { quue: 1 }\nshield: { keys: 0 }\n")
        #expect(problems.count == 4)
    }

    @Test func pickedPortsMayRepeat() {
        let (_, problems) = read("listeners: [{ name: a, address: 127.0.0.1:0 }, { name: b, address: 127.0.0.1:0 }]")
        #expect(problems.isEmpty)
    }
}
