import Exchanges
import Synchronization

/// All counters of the process: the workers' boards, and what other rooms add. Read by the scraper,
/// on whatever thread renders `/metrics`, never by a worker on the request path.
public final class Meters: Sendable {
    /// Adds series of another room; called at each scrape, off the workers.
    public typealias Source = @Sendable () -> [Family]

    /// Route names with series of their own.
    public let routes: LabelTable
    /// Cluster names with series of their own.
    public let clusters: LabelTable
    /// Flags with series of their own.
    public let flags = LabelTable(budget: 256)

    /// Policies with series of their own.
    public let policies = LabelTable(budget: 256)

    private let reasons: [String]
    private let boards = Mutex<[WorkerBoard]>([])
    private let sources = Mutex<[Source]>([])
    private let generation = Atomic<UInt64>(0)
    private let reloadFailures = Atomic<UInt64>(0)

    /// - Parameters:
    ///   - parseErrors: reasons by number (at most 64), the `reason` label of parse errors.
    ///   - routeBudget: routes with a series of their own; the rest share one.
    ///   - clusterBudget: the same for clusters.
    public init(parseErrors: [String], routeBudget: Int = 1024, clusterBudget: Int = 256) {
        reasons = Array(parseErrors.prefix(64))
        routes = LabelTable(budget: routeBudget)
        clusters = LabelTable(budget: clusterBudget)
    }

    func allBoards() -> [WorkerBoard] { boards.withLock { $0 } }

    func register(_ board: WorkerBoard) { boards.withLock { $0.append(board) } }

    /// Adds the series of another room to every scrape from now on.
    public func add(_ source: @escaping Source) { sources.withLock { $0.append(source) } }

    /// The configuration generation that is in force.
    public func setGeneration(_ number: UInt64) { generation.store(number, ordering: .relaxed) }

    /// A reload was refused; the generation in force stays.
    public func countReloadFailure() { reloadFailures.add(1, ordering: .relaxed) }

    /// Everything, added up over the workers.
    public func families() -> [Family] {
        let boards = boards.withLock { $0 }
        var out = requestFamilies(boards)
        out += workerFamilies(boards)
        out += upstreamFamilies(boards)
        out.append(decisionFamily(boards))
        out += MQTTSeries.families(boards)
        out += FlagSeries.families(boards.flatMap { $0.flags.withLock { $0 } }, names: flags.names)
        out.append(
            Family(
                "nexus_config_generation", .gauge, "Configuration generation in force.",
                .integer(generation.load(ordering: .relaxed))))
        out.append(
            Family(
                "nexus_config_reload_failures", .counter, "Reloads refused because of an invalid configuration.",
                .integer(reloadFailures.load(ordering: .relaxed))))
        out.append(
            Family(
                "nexus_series_overflow", .gauge, "Names of routes, clusters, policies and flags that found no place in the label budget.",
                .integer(UInt64(routes.refused + clusters.refused + policies.refused + flags.refused))))
        for source in sources.withLock({ $0 }) { out += source() }
        return out
    }

    // MARK: - Adding up

    private struct RouteTotal {
        var answers = [UInt64](repeating: 0, count: StatusSlot.used)
        var latency = HistogramTotal()
        var bytesIn: UInt64 = 0
        var bytesOut: UInt64 = 0

        mutating func add(_ series: RouteSeries) {
            for place in answers.indices { answers[place] += series.answers(place) }
            for i in 0..<Latency.count { latency.buckets[i] += series.bucket(i) }
            latency.nanoseconds &+= series.nanoseconds
            bytesIn += series.bytesIn
            bytesOut += series.bytesOut
        }
    }

    private func requestFamilies(_ boards: [WorkerBoard]) -> [Family] {
        let names = routes.names
        var totals: [Int: RouteTotal] = [:]
        for board in boards {
            for series in board.routes.withLock({ $0 }) {
                totals[Int(series.route) * Dialect.count + Int(series.dialect.rawValue), default: RouteTotal()].add(series)
            }
        }
        var answers: [Sample] = []
        var latency: [Sample] = []
        var bytes: [Sample] = []
        for (key, total) in totals.sorted(by: { $0.key < $1.key }) {
            let labels = [
                (name: "protocol", value: Dialect(rawValue: UInt8(key % Dialect.count))?.label.description ?? ""),
                (name: "route", value: names[key / Dialect.count]),
            ]
            for (place, count) in total.answers.enumerated() where count > 0 {
                answers.append(Sample(.integer(count), labels: labels + [("code", StatusSlot.label(place))]))
            }
            latency += total.latency.samples(labels: labels)
            bytes.append(Sample(.integer(total.bytesIn), labels: labels + [("direction", "in")]))
            bytes.append(Sample(.integer(total.bytesOut), labels: labels + [("direction", "out")]))
        }
        return [
            Family("nexus_requests", .counter, "Exchanges that ended, by protocol, route and status.", samples: answers),
            Family(
                "nexus_request_seconds", .histogram, "From the first byte of a request to the last byte of its answer.",
                unit: "seconds", samples: latency),
            Family(
                "nexus_route_bytes", .counter, "Bytes of requests and answers by route.", unit: "bytes", samples: bytes),
        ]
    }

    private func workerFamilies(_ boards: [WorkerBoard]) -> [Family] {
        func total(_ counter: WorkerCounter) -> UInt64 {
            boards.reduce(0) { $0 + $1.counters[counter.rawValue].read() }
        }
        // Two counters are read one after the other while the worker goes on: never below zero.
        func open(_ opened: WorkerCounter, _ closed: WorkerCounter) -> UInt64 {
            let gone = total(closed)
            return max(total(opened), gone) - gone
        }
        var errors: [Sample] = []
        for (kind, reason) in reasons.enumerated() {
            let count = boards.reduce(UInt64(0)) { $0 + $1.parseErrors[kind].read() }
            errors.append(Sample(.integer(count), labels: [("reason", reason)]))
        }
        return [
            Family(
                "nexus_connections_open", .gauge, "Client connections open now.",
                .integer(open(.connectionsAccepted, .connectionsClosed))),
            Family(
                "nexus_connections_accepted", .counter, "Client connections accepted.",
                .integer(total(.connectionsAccepted))),
            Family(
                "nexus_connections_refused", .counter, "Client connections closed at once because a limit was reached.",
                .integer(total(.connectionsRefused))),
            Family(
                "nexus_http2_connections_open", .gauge, "HTTP/2 client connections open now.",
                .integer(open(.http2Opened, .http2Closed))),
            Family(
                "nexus_http2_goaways", .counter, "HTTP/2 client connections ended for the client's fault.",
                .integer(total(.http2Goaways))),
            Family(
                "nexus_http2_resets", .counter, "Streams of HTTP/2 clients that ended by a reset, from either side.",
                .integer(total(.http2Resets))),
            Family(
                "nexus_streams_open", .gauge, "Exchanges running now.",
                .integer(open(.streamsOpened, .streamsClosed))),
            Family(
                "nexus_bytes", .counter, "Bytes received from and sent to clients.", unit: "bytes",
                samples: [
                    Sample(.integer(total(.bytesIn)), labels: [("direction", "in")]),
                    Sample(.integer(total(.bytesOut)), labels: [("direction", "out")]),
                ]),
            WorkerBoard.handshakes(boards),
            Family("nexus_http_parse_errors", .counter, "Messages refused by a parser.", samples: errors),
            Family(
                "nexus_limit_decisions", .counter, "Decisions of rate limits.",
                samples: [
                    Sample(.integer(total(.limitsAllowed)), labels: [("decision", "allowed")]),
                    Sample(.integer(total(.limitsRefused)), labels: [("decision", "refused")]),
                ]),
            Family(
                "nexus_mailbox_full", .counter, "Messages a worker's full mailbox refused.",
                .integer(total(.mailboxFull))),
            Family(
                "nexus_log_dropped", .counter, "Access log lines dropped because the writer fell behind.",
                .integer(total(.logLinesDropped))),
        ]
    }

    private func decisionFamily(_ boards: [WorkerBoard]) -> Family {
        var samples: [Sample] = []
        for (number, name) in policies.names.enumerated() {
            for (place, word) in ["deny", "allow"].enumerated() {
                let count = boards.reduce(UInt64(0)) { $0 + $1.decisions[number * 2 + place].read() }
                if number > 0 || count > 0 { samples.append(Sample(.integer(count), labels: [("policy", name), ("decision", word)])) }
            }
        }
        return Family("nexus_access_decisions", .counter, "Decisions of access policies.", samples: samples)
    }

    private func upstreamFamilies(_ boards: [WorkerBoard]) -> [Family] {
        let names = clusters.names
        var events: [LabelTable.ID: [UInt64]] = [:]
        var latency: [LabelTable.ID: HistogramTotal] = [:]
        for board in boards {
            for series in board.clusters.withLock({ $0 }) {
                var mine = events[series.cluster] ?? Array(repeating: 0, count: UpstreamEvent.allCases.count)
                for event in UpstreamEvent.allCases { mine[event.rawValue] += series.events(event) }
                events[series.cluster] = mine
                for i in 0..<Latency.count {
                    latency[series.cluster, default: HistogramTotal()].buckets[i] += series.bucket(i)
                }
                latency[series.cluster, default: HistogramTotal()].nanoseconds &+= series.nanoseconds
            }
        }
        var attempts: [Sample] = []
        var retries: [Sample] = []
        var failures: [Sample] = []
        var open: [Sample] = []
        var firstByte: [Sample] = []
        for (id, counts) in events.sorted(by: { $0.key < $1.key }) {
            let labels = [(name: "cluster", value: names[Int(id)])]
            attempts.append(Sample(.integer(counts[UpstreamEvent.attempt.rawValue]), labels: labels))
            retries.append(Sample(.integer(counts[UpstreamEvent.retry.rawValue]), labels: labels))
            let closed = counts[UpstreamEvent.connectionClosed.rawValue]
            let opened = max(counts[UpstreamEvent.connectionOpened.rawValue], closed)
            open.append(Sample(.integer(opened - closed), labels: labels))
            for event in UpstreamEvent.allCases where counts[event.rawValue] > 0 {
                guard let reason = event.failure else { continue }
                failures.append(Sample(.integer(counts[event.rawValue]), labels: labels + [("reason", reason)]))
            }
            firstByte += latency[id, default: HistogramTotal()].samples(labels: labels)
        }
        return [
            Family("nexus_upstream_attempts", .counter, "Requests handed to an upstream.", samples: attempts),
            Family("nexus_upstream_retries", .counter, "Attempts after the first.", samples: retries),
            Family("nexus_upstream_failures", .counter, "Attempts that failed, by reason.", samples: failures),
            Family("nexus_upstream_connections_open", .gauge, "Upstream connections open now.", samples: open),
            Family(
                "nexus_upstream_first_byte_seconds", .histogram, "From the request sent to the answer's first byte.",
                unit: "seconds", samples: firstByte),
        ]
    }
}

extension Dialect {
    /// How many there are.
    static var count: Int { 9 }

    /// The `protocol` label of metrics and logs.
    var label: StaticString {
        switch self {
        case .http: "http"
        case .grpc: "grpc"
        case .soap: "soap"
        case .eventStream: "sse"
        case .webSocket: "websocket"
        case .mqtt: "mqtt"
        case .grpcWeb: "grpc-web"
        case .grpcWebText: "grpc-web-text"
        case .connect: "connect"
        }
    }
}
