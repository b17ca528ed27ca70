import Exchanges
import Pipeline
import Reactor
import Settings
import TLS
import Telemetry

/// A client's connection until its TLS handshake is done; then a connection that speaks the agreed
/// protocol takes its place.
final class Handshake: ServedConnection {
    private enum Phase {
        case shaking
        /// It failed; an alert or an answer is on its way. Input is thrown away until the client has seen it.
        case lingering
        case closed
    }

    private let worker: Worker
    private let port: ListenerPort
    private let peer: SocketAddress
    private let context: TLSServerContext
    /// Made when the client says its first word: who only connects costs little.
    private var layer: TLSLayer?
    private var transport: Transport
    private var phase = Phase.shaking
    private var waitsToSend = false
    private var peerClosed = false
    /// It stands in the worker's queue.
    var isQueued = false

    init(_ transport: Transport, context: TLSServerContext, peer: SocketAddress, port: ListenerPort, worker: Worker) {
        self.transport = transport
        self.context = context
        self.peer = peer
        self.port = port
        self.worker = worker
        super.init(port: port, worker: worker)
    }

    override func ready(_ readiness: Readiness) {
        if readiness.contains(.peerClosed) { peerClosed = true }
        switch phase {
        case .shaking:
            if !readiness.isDisjoint(with: .failed) { return end(.closed) }
            let useful = readiness.contains(.readable) || peerClosed || waitsToSend && readiness.contains(.writable)
            if useful { worker.handshakes.ask(self) }
        case .lingering: discard()
        case .closed: break
        }
    }

    /// Does what can be done with what has come. Called by the worker, so many times a turn.
    func step() {
        guard phase == .shaking else { return }
        guard let layer = layer ?? begin() else { return }
        switch layer.handshake(isPeerOpen: !peerClosed) {
        case .done(let agreement): finish(agreement, layer)
        case .wantsToReceive:
            waitsToSend = false
            if peerClosed { end(.closed) }
        case .wantsToSend: waitsToSend = true
        case .failed(let failure): end(HandshakeResult(failure))
        }
    }

    /// Looks at the first byte: a handshake begins with 22, a request with a letter.
    private func begin() -> TLSLayer? {
        if let byte = transport.firstByte(), byte >= 0x41, byte <= 0x5a {
            refusePlaintext()
            return nil
        }
        layer = context.accept(transport.descriptor)
        transport.layer = layer
        if layer == nil { close(reset: true) }
        return layer
    }

    private func finish(_ agreement: TLSAgreement, _ layer: TLSLayer) {
        worker.meters.count(HandshakeResult(agreement), side: .client)
        let name = layer.peerName
        let session = port.session(of: peer, isSecure: true, certificateName: name)
        phase = .closed
        worker.serve(
            transport, session: session, port: port, protocol: agreement.protocolName ?? .http11, replacing: self,
            peerClosed: peerClosed)
    }

    // MARK: - Endings

    override func deadlinePassed() {
        switch phase {
        case .shaking:
            worker.meters.count(.timedOut, side: .client)
            close(reset: true)
        case .lingering: close()
        case .closed: break
        }
    }

    override func drain() {
        // Nothing has been asked for yet.
        if phase == .shaking { close() }
    }

    override func cutOff() { close(reset: true) }

    /// OpenSSL has sent its alert, if there was one to send. Closing with unread input would reset the
    /// connection and could take the alert with it.
    private func end(_ result: HandshakeResult) {
        worker.meters.count(result, side: .client)
        if result == .closed || peerClosed { return close() }
        linger()
    }

    /// `http://` to the port of `https://`: said in words the client understands.
    private func refusePlaintext() {
        worker.meters.count(.plaintext, side: .client)
        let out = Buffer(capacity: 512)
        out.append(Self.plaintextAnswer)
        _ = transport.send(out)
        linger()
    }

    private static let plaintextAnswer: StaticString = """
        HTTP/1.1 400 Bad Request\r
        Content-Type: application/problem+json\r
        Content-Length: 131\r
        Connection: close\r
        \r
        {"type":"about:blank","title":"Bad Request","status":400,"detail":"this port speaks HTTPS: use https://",\
        "code":"VALIDATION_ERROR"}
        """

    private func linger() {
        guard port.timeouts.linger > 0 else { return close() }
        phase = .lingering
        transport.layer = nil
        layer = nil
        transport.shutdownSending()
        worker.loop.setDeadline(self, afterMS: UInt64(port.timeouts.linger))
        discard()
    }

    private func discard() {
        let scrap = worker.scratch
        for _ in 0..<4 {
            scrap.clear()
            scrap.reserve(1024)
            guard case .moved = transport.receive(into: scrap) else {
                scrap.clear()
                if peerClosed { close() }
                return
            }
        }
        scrap.clear()
        worker.loop.again(self)
    }

    private func close(reset: Bool = false) {
        guard phase != .closed else { return }
        phase = .closed
        worker.loop.unregister(self)
        transport.close(reset: reset)
        worker.connectionClosed(port, peer.words)
    }
}

extension HandshakeResult {
    init(_ agreement: TLSAgreement) {
        switch (agreement.version, agreement.resumed) {
        case (.tls12, false): self = .full12
        case (.tls12, true): self = .resumed12
        case (.tls13, false): self = .full13
        case (.tls13, true): self = .resumed13
        }
    }

    init(_ failure: TLSFailure) {
        switch failure {
        case .certificate: self = .certificate
        case .noProtocol: self = .noProtocol
        case .alert: self = .alert
        case .closed: self = .closed
        case .protocolError: self = .protocolError
        }
    }
}
