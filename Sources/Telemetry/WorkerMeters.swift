public import Exchanges
import Synchronization

/// What a worker counts besides requests.
public enum WorkerCounter: Int, Sendable, CaseIterable {
    case connectionsAccepted, connectionsClosed, connectionsRefused
    case streamsOpened, streamsClosed
    case bytesIn, bytesOut
    case limitsAllowed, limitsRefused
    case mailboxFull
    case http2Opened, http2Closed, http2Goaways, http2Resets
    case logLinesDropped
    case mqttOpened, mqttClosed
    /// Deliveries that were larger than their client takes, had expired, or found it too slow.
    case mqttTooLarge, mqttExpired, mqttDropped
    /// Bytes of topics that aliases stood for, less their own.
    case mqttTopicBytesSaved
}

/// The counters one worker writes and the scraper reads.
final class WorkerBoard: Sendable {
    let counters: InlineArray<32, Cell>
    let parseErrors: InlineArray<64, Cell>
    /// By side and result.
    let handshakes: InlineArray<32, Cell>
    /// Of policies: by number, refused before allowed.
    let decisions: InlineArray<514, Cell>
    /// Of MQTT, as `MQTTSeries` has them.
    let mqtt: InlineArray<256, Cell>
    /// Series made so far; the worker appends on first use, the scraper copies the list.
    let routes = Mutex<[RouteSeries]>([])
    let clusters = Mutex<[ClusterSeries]>([])
    let flags = Mutex<[FlagSeries]>([])

    init() {
        counters = InlineArray<32, Cell> { _ in Cell(0) }
        parseErrors = InlineArray<64, Cell> { _ in Cell(0) }
        handshakes = InlineArray<32, Cell> { _ in Cell(0) }
        decisions = InlineArray<514, Cell> { _ in Cell(0) }
        mqtt = InlineArray<256, Cell> { _ in Cell(0) }
    }
}

/// A worker's own hand on its counters. Created on the worker's thread and never leaves it: being
/// the only writer is what lets every count be a plain store.
///
/// A series is allocated when its first request ends, never again; after that, recording touches
/// five counters and allocates nothing.
public final class WorkerMeters {
    private let board: WorkerBoard
    // The board keeps every series for good; so they are reached without counting references.
    private var routes: [Unmanaged<RouteSeries>?]
    private var clusters: [Unmanaged<ClusterSeries>?]
    private var flags: [Unmanaged<FlagSeries>?]

    /// - Parameter meters: where the scraper will find these counters.
    public init(_ meters: Meters) {
        board = WorkerBoard()
        routes = Array(repeating: nil, count: (meters.routes.budget + 1) * Dialect.count)
        clusters = Array(repeating: nil, count: meters.clusters.budget + 1)
        flags = Array(repeating: nil, count: meters.flags.budget + 1)
        meters.register(board)
    }

    /// One exchange has ended. Called once an exchange, by `record`.
    ///
    /// - Parameters:
    ///   - route: from `Meters.routes.intern(name)` at load time.
    ///   - status: the HTTP status, or the gRPC code for `.grpc`.
    ///   - nanoseconds: from the first byte of the request to the last of the answer.
    ///   - bytesIn: of the request as received, head included.
    ///   - bytesOut: of the answer as sent, head included.
    @inline(__always)
    public func record(
        _ dialect: Dialect, route: LabelTable.ID, status: UInt16, nanoseconds: UInt64, bytesIn: UInt64, bytesOut: UInt64
    ) {
        let place = Int(route) &* Dialect.count &+ Int(dialect.rawValue)
        let series = routes[place] ?? makeRoute(dialect, route, place)
        series._withUnsafeGuaranteedRef {
            $0.record(status: status, nanoseconds: nanoseconds, bytesIn: bytesIn, bytesOut: bytesOut)
        }
    }

    /// The same exchange, on one side of a flag (number from `Meters.flags`).
    @inline(__always) public func record(flag: LabelTable.ID, _ side: FlagSide, _ ending: FlagEnding, nanoseconds: UInt64) {
        let series = flags[Int(flag)] ?? makeFlag(flag)
        series._withUnsafeGuaranteedRef { $0.record(side, ending, nanoseconds: nanoseconds) }
    }

    /// Adds to one of the worker's own counters.
    @inline(__always) public func count(_ counter: WorkerCounter, by n: UInt64 = 1) {
        board.counters[counter.rawValue].bump(by: n)
    }

    /// A TLS handshake began, or came to this.
    public func count(_ result: HandshakeResult, side: HandshakeSide) {
        board.handshakes[WorkerBoard.place(side, result)].bump()
    }

    /// A policy (number from `Meters.policies`) has allowed or refused.
    public func count(_ isAllowed: Bool, policy: LabelTable.ID) {
        board.decisions[min(Int(policy), 256) * 2 + (isAllowed ? 1 : 0)].bump()
    }

    /// A message was refused by a parser; `kind` indexes the reasons given to `Meters`, anything
    /// past them is counted as the last.
    public func countParseError(_ kind: Int) {
        board.parseErrors[min(max(kind, 0), 63)].bump()
    }

    /// Adds to a counter of MQTT, at its place.
    @inline(__always) func count(mqtt place: Int) { board.mqtt[place & 255].bump() }

    /// Something happened between this worker and a cluster (number from `Meters.clusters`).
    @inline(__always) public func count(_ event: UpstreamEvent, cluster: LabelTable.ID) {
        series(cluster)._withUnsafeGuaranteedRef { $0.count(event) }
    }

    /// The first byte of an upstream's answer came, `nanoseconds` after the request was sent.
    @inline(__always) public func recordFirstByte(cluster: LabelTable.ID, nanoseconds: UInt64) {
        series(cluster)._withUnsafeGuaranteedRef { $0.firstByte(nanoseconds: nanoseconds) }
    }

    @inline(__always) private func series(_ id: LabelTable.ID) -> Unmanaged<ClusterSeries> {
        clusters[Int(id)] ?? makeCluster(id)
    }

    @inline(never)
    private func makeRoute(_ dialect: Dialect, _ route: LabelTable.ID, _ place: Int) -> Unmanaged<RouteSeries> {
        let series = RouteSeries(dialect: dialect, route: route)
        board.routes.withLock { $0.append(series) }
        routes[place] = .passUnretained(series)
        return .passUnretained(series)
    }

    @inline(never) private func makeFlag(_ id: LabelTable.ID) -> Unmanaged<FlagSeries> {
        let series = FlagSeries(flag: id)
        board.flags.withLock { $0.append(series) }
        flags[Int(id)] = .passUnretained(series)
        return .passUnretained(series)
    }

    @inline(never) private func makeCluster(_ id: LabelTable.ID) -> Unmanaged<ClusterSeries> {
        let series = ClusterSeries(cluster: id)
        board.clusters.withLock { $0.append(series) }
        clusters[Int(id)] = .passUnretained(series)
        return .passUnretained(series)
    }
}
