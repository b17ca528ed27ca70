import Exchanges
import Pipeline
import Reactor
import Settings
import TLS
import Telemetry

/// The way to an endpoint: the connect, then the TLS handshake where the cluster wants one. A request can
/// be sent when it has arrived.
struct Approach {
    enum Step: Equatable {
        case waiting
        /// One step is done; the next has its own time (`patience`), and begins in the next turn
        /// (`EventLoop.again`).
        case onward
        /// This turn has seen enough handshakes: the next turn, please.
        case later
        case arrived
        case failed(UpstreamFault)
    }

    private enum Stage { case connecting, shaking(TLSLayer), over }

    private let context: TLSClientContext?
    private let name: TLSServerName
    private let required: TLSProtocolName?
    private let handshakes: HandshakeQueue
    private let meters: WorkerMeters
    private var stage = Stage.connecting
    /// What ALPN agreed on; nil without TLS, or when the endpoint does not know ALPN.
    private(set) var protocolName: TLSProtocolName?

    /// - Parameter required: the protocol the endpoint has to agree to; nil = HTTP/1.1 will do without a word.
    init(to endpoint: Endpoint, worker: Worker, required: TLSProtocolName? = nil) {
        context = endpoint.cluster.tls
        name = endpoint.serverName
        self.required = required
        handshakes = worker.handshakes
        meters = worker.meters
    }

    /// Goes on after a report from the loop.
    mutating func advance(_ readiness: Readiness, _ transport: inout Transport) -> Step {
        switch stage {
        case .connecting:
            guard readiness.contains(.writable) || !readiness.isDisjoint(with: .failed) else { return .waiting }
            guard Dial.outcome(transport.descriptor) == 0 else { return .failed(.refused) }
            guard let context else { return .arrived }
            guard let layer = context.connect(transport.descriptor, to: name) else { return .failed(.tlsProtocol) }
            transport.layer = layer
            stage = .shaking(layer)
            meters.count(.started, side: .upstream)
            return .onward
        case .shaking(let layer): return handshakes.takeUpstreamStep() ? shake(layer) : .later
        case .over: return .arrived
        }
    }

    private mutating func shake(_ layer: TLSLayer) -> Step {
        switch layer.handshake() {
        case .wantsToReceive, .wantsToSend: return .waiting
        case .failed(let failure):
            meters.count(HandshakeResult(failure), side: .upstream)
            return .failed(failure == .certificate ? .tlsCertificate : .tlsProtocol)
        case .done(let agreement):
            if let required, agreement.protocolName != required {
                meters.count(.noProtocol, side: .upstream)
                return .failed(.tlsProtocol)
            }
            meters.count(HandshakeResult(agreement), side: .upstream)
            protocolName = agreement.protocolName
            stage = .over
            return .arrived
        }
    }

    /// Milliseconds the present step may take.
    func patience(_ timeouts: Timeouts) -> UInt32 {
        if case .shaking = stage { timeouts.tls } else { timeouts.connect }
    }

    /// Why it failed when its time is up.
    var lateFault: UpstreamFault {
        if case .shaking = stage { .tlsTimeout } else { .connectTimeout }
    }
}

extension Endpoint {
    /// Whom its certificate must name: what the cluster says, else the endpoint's own host.
    static func serverName(_ settings: ClusterTLS?, authority: [UInt8]) -> TLSServerName {
        if let name = settings?.name { return .dns(name) }
        guard case .tcp(let host, _)? = try? Address(String(decoding: authority, as: UTF8.self)) else {
            return .dns("localhost")  // a Unix socket
        }
        switch host {
        case .name(let name): return .dns(name)
        case .literal(let ip):
            let high = withUnsafeBytes(of: ip.high.bigEndian) { Array($0) }
            let low = withUnsafeBytes(of: ip.low.bigEndian) { Array($0) }
            return .address(ip.isV4 ? Array(low[4...]) : high + low)
        }
    }
}
