import Exchanges
import Reactor
import Settings
import WireHTTP

/// A health check's conversation over HTTP/2: one stream, one verdict. Bytes are the probe's.
final class HTTP2Question: HTTP2SessionHandler, HTTP2StreamHandler {
    /// Nil = not known yet.
    private(set) var verdict: Bool?
    private(set) lazy var session = HTTP2Session(.client, settings: settings, handler: self, nowMS: nowMS)
    private lazy var stream = HTTP2Stream(handler: self, pool: pool)
    private let probe: Settings.Cluster.Health.Probe
    private let settings: HTTP2Settings
    private let nowMS: UInt64
    private let pool: BufferPool
    private var status: UInt16 = 0
    private var grpcStatus: Int?
    private var body: [UInt8] = []

    init(_ probe: Settings.Cluster.Health.Probe, settings: HTTP2Settings, nowMS: UInt64, pool: BufferPool) {
        self.probe = probe
        self.settings = settings
        self.nowMS = nowMS
        self.pool = pool
    }

    /// Puts the request into the session. False = it takes none.
    func ask(authority: [UInt8], isSecure: Bool) -> Bool {
        let head = HTTP2FieldBlock()
        func add(_ name: StaticString, _ text: [UInt8]) { head.add(name, text.span) }
        head.add(":scheme", isSecure ? "https" : "http")
        switch probe {
        case .http(let path, _, let host):
            head.add(":method", "GET")
            add(":authority", host.map { Array($0.utf8) } ?? authority)
            add(":path", Array(path.utf8))
        case .grpc:
            head.add(":method", "POST")
            add(":authority", authority)
            head.add(":path", GRPCHealth.path)
            head.add("content-type", "application/grpc")
            head.add("te", "trailers")
        case .tcp: return false
        }
        head.add("user-agent", "nexus-gateway health")
        guard case .grpc(let service) = probe else { return session.request(stream, head, ended: true) }
        guard session.request(stream, head, ended: false) else { return false }
        stream.outbound.append(GRPCHealth.request(service))
        stream.end(trailers: nil)
        session.resume(stream)
        return true
    }

    /// Nobody asks any more.
    func abandon() { session.abandon(.cancel) }

    // MARK: - The answer

    func headReceived(_ block: HTTP2Block, ended: Bool) {
        guard verdict == nil, block.status >= 200 else { return }
        status = block.status
        if case .http(_, let expect, _) = probe { verdict = expect.contains(status) }
        noteGRPCStatus(block)
    }

    func dataReceived(_ bytes: borrowing Span<UInt8>) {
        session.consumed(stream, bytes.count)
        guard verdict == nil else { return }
        if body.count + bytes.count > GRPCHealth.most { verdict = false } else { body += bytes.bytes }
    }

    func trailersReceived(_ block: HTTP2Block) { noteGRPCStatus(block) }

    func inboundEnded() {
        if verdict == nil { verdict = status == 200 && grpcStatus == 0 && GRPCHealth.isServing(body) }
    }

    func outboundDrained() {}

    func streamClosed(_ error: HTTP2Error) { if verdict == nil { verdict = false } }

    private func noteGRPCStatus(_ block: HTTP2Block) {
        block.text.withReadable { text in
            for field in block.fields where text.extracting(field.nameText.range).equals("grpc-status") {
                grpcStatus = text.extracting(field.value.range).decimal
            }
        }
    }

    // MARK: - The connection

    func streamOpened() -> HTTP2Stream? { nil }
    func goAwayReceived(_ error: HTTP2Error) {}
    func settingsReceived() {}
}
