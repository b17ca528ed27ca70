import Exchanges
import Synchronization

/// Counters of one (dialect, route) on one worker: answers by status, durations, bytes.
final class RouteSeries: Sendable {
    let dialect: Dialect
    let route: LabelTable.ID
    // [0, 80) answers by status place | [80, 95) duration buckets | sum of nanoseconds | bytes in | bytes out
    private let cells: InlineArray<98, Cell>

    init(dialect: Dialect, route: LabelTable.ID) {
        self.dialect = dialect
        self.route = route
        cells = InlineArray<98, Cell> { _ in Cell(0) }
    }

    @inline(__always) func record(status: UInt16, nanoseconds: UInt64, bytesIn: UInt64, bytesOut: UInt64) {
        cells[StatusSlot.of(status)].bump()
        cells[80 &+ Latency.bucket(nanoseconds)].bump()
        cells[95].bump(by: nanoseconds)
        cells[96].bump(by: bytesIn)
        cells[97].bump(by: bytesOut)
    }

    func answers(_ place: Int) -> UInt64 { cells[place].read() }
    func bucket(_ i: Int) -> UInt64 { cells[80 + i].read() }
    var nanoseconds: UInt64 { cells[95].read() }
    var bytesIn: UInt64 { cells[96].read() }
    var bytesOut: UInt64 { cells[97].read() }
}

/// What can happen between a worker and a cluster of upstreams.
public enum UpstreamEvent: Int, Sendable, CaseIterable {
    /// A request was handed to an upstream connection; retries count again.
    case attempt
    case retry
    case connectionOpened, connectionClosed
    /// Why an attempt failed.
    case connectFailed, connectTimeout, resolveFailed, poolFull, reset, badAnswer, firstByteTimeout, idleTimeout
    case bodyTimeout, streamMax
    case tlsCertificate, tlsProtocol

    /// The `reason` label of failures; nil for what is no failure.
    var failure: String? {
        switch self {
        case .attempt, .retry, .connectionOpened, .connectionClosed: nil
        case .connectFailed: "connect"
        case .connectTimeout: "connect_timeout"
        case .resolveFailed: "resolve"
        case .poolFull: "pool_full"
        case .reset: "reset"
        case .badAnswer: "bad_answer"
        case .firstByteTimeout: "first_byte_timeout"
        case .idleTimeout: "idle_timeout"
        case .bodyTimeout: "body_timeout"
        case .streamMax: "stream_max"
        case .tlsCertificate: "tls_certificate"
        case .tlsProtocol: "tls_protocol"
        }
    }
}

/// Counters of one cluster on one worker.
final class ClusterSeries: Sendable {
    let cluster: LabelTable.ID
    // [0, 16) events | [16, 31) buckets of time to the first byte | sum of nanoseconds
    private let cells: InlineArray<32, Cell>

    init(cluster: LabelTable.ID) {
        self.cluster = cluster
        cells = InlineArray<32, Cell> { _ in Cell(0) }
    }

    @inline(__always) func count(_ event: UpstreamEvent) { cells[event.rawValue].bump() }

    @inline(__always) func firstByte(nanoseconds: UInt64) {
        cells[16 &+ Latency.bucket(nanoseconds)].bump()
        cells[31].bump(by: nanoseconds)
    }

    func events(_ event: UpstreamEvent) -> UInt64 { cells[event.rawValue].read() }
    func bucket(_ i: Int) -> UInt64 { cells[16 + i].read() }
    var nanoseconds: UInt64 { cells[31].read() }
}
