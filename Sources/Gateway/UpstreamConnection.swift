import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import WireHTTP

/// One HTTP/1.1 connection to an endpoint: connects, carries one exchange at a time, and goes back
/// to its endpoint's idle list in between. This file is its life; `UpstreamConnection+Reading` takes
/// answers apart.
final class UpstreamConnection: Source, Origin {
    enum State { case connecting, idle, active, closed }

    let worker: Worker
    /// The worker's, and the endpoint's: what is a constant of this object is read without counting references.
    let loop: EventLoop
    let scratch: Buffer
    private let authority: [UInt8]
    let endpoint: Endpoint
    var transport: Transport
    var state = State.connecting
    private var approach: Approach
    private let bornMS: UInt64
    private var served = 0

    // The exchange in progress.
    var exchange: Exchange?
    let output: Buffer
    private var outputBlocked = false
    private var requestFraming = BodySize.none
    private var requestDone = false
    /// Set when the kernel has taken any byte of this request.
    private(set) var sentAny = false
    /// When the last of what there was to send had been taken by the kernel; loop nanoseconds.
    private(set) var sentNS: UInt64 = 0

    /// When this attempt's time for the head of an answer is up; loop milliseconds, 0 = no such time.
    private var tryEndsByMS: UInt64 = 0

    // Reading.
    /// An unfinished head or chunk line.
    let kept: Buffer
    var readable = false
    var peerClosed = false
    var paused = false
    var body = HTTP1BodyReader(.none)
    var headSeen = false
    var answerStatus: UInt16 = 0
    var interimCount = 0
    var persistent = true
    var tunnel = false
    var trailers: Buffer?

    /// Starts connecting; nil when even that fails.
    init?(to endpoint: Endpoint, worker: Worker) {
        guard case .success(let descriptor) = Dial.start(endpoint.address) else { return nil }
        self.endpoint = endpoint
        self.worker = worker
        loop = worker.loop
        scratch = worker.scratch
        authority = endpoint.authority
        transport = Transport(descriptor: descriptor)
        approach = Approach(to: endpoint, worker: worker)
        bornMS = worker.loop.nowMS
        output = Buffer(pool: worker.loop.buffers)
        kept = Buffer(pool: worker.loop.buffers)
        super.init()
        guard worker.loop.register(self, descriptor: descriptor) == 0 else {
            transport.close()
            return nil
        }
        endpoint.connectionOpened()
    }

    // MARK: - Carrying an exchange

    /// Takes the exchange and writes its request. The body follows through `send`.
    func begin(_ exchange: Exchange, session: Session, era: Era) {
        self.exchange = exchange
        exchange.origin = self
        exchange.attempts += 1
        endpoint.attemptBegan()
        if worker.accessLog != nil { exchange.endpoint = endpoint.label }
        served += 1
        requestFraming = exchange.requestBody
        requestDone = requestFraming == .none
        sentAny = false
        sentNS = worker.loop.nowNS  // an answer may come before all is sent
        headSeen = false
        interimCount = 0
        tunnel = false
        paused = false
        persistent = true
        let perTry = exchange.isAllHere ? UInt64(exchange.rule.retry.perTry) : 0
        tryEndsByMS = perTry > 0 ? worker.loop.nowMS + perTry : 0
        let out = output
        ForwardedRequest.write(
            exchange, session: session, table: era.table, endpoint: authority, into: out)
        if let collected = exchange.body {
            collected.withReadable { out.append($0) }
            requestDone = true
        } else if !requestDone {
            repeatBody(of: exchange)
        }
        if state == .connecting {
            armApproach(exchange)
        } else {
            state = .active
            flush(for: exchange)
        }
    }

    /// What an earlier attempt sent of the body goes again.
    private func repeatBody(of exchange: Exchange) {
        if let kept = exchange.sent.kept { kept.withReadable { frame($0) } }
        if exchange.sent.isWhole { finishBody(trailers: exchange.sent.trailers) }
    }

    /// Can this idle connection carry another request?
    func isReusable(nowMS: UInt64, look: Bool) -> Bool {
        let pool = endpoint.cluster.specification.pool
        if pool.maxAge > 0 && nowMS - bornMS > UInt64(pool.maxAge) { return false }
        if readable || look { return transport.isQuiet() }
        return true
    }

    // MARK: - Origin

    static let highWater = 64 * 1024

    var wantsBody: Bool {
        state == .active && !requestDone && output.count < Self.highWater
    }

    var isFlushed: Bool { output.isEmpty }

    func send(_ bytes: borrowing Span<UInt8>) {
        guard bytes.count > 0, !requestDone else { return }
        if let exchange, !tunnel {
            // Any other request may go again only while nothing of it has left.
            if exchange.head.verb.isIdempotent { worker.replay.keep(bytes, of: exchange) } else { worker.replay.lose(exchange) }
        }
        frame(bytes)
    }

    private func frame(_ bytes: borrowing Span<UInt8>) {
        let out = output
        if requestFraming == .unknown && !tunnel {
            HTTP1Encoder.chunkSize(bytes.count, into: out)
            out.append(bytes)
            HTTP1Encoder.crlf(out)
        } else {
            out.append(bytes)
        }
    }

    func endBody(trailers: Buffer?) {
        guard !requestDone else { return }
        if let exchange, !tunnel { worker.replay.end(exchange, trailers: trailers) }
        finishBody(trailers: trailers)
    }

    private func finishBody(trailers: Buffer?) {
        requestDone = true
        if tunnel {
            flush()
            if output.isEmpty && transport.isOpen { transport.shutdownSending() }
            return
        }
        guard requestFraming == .unknown else { return }
        let out = output
        HTTP1Encoder.lastChunk(trailers: trailers, into: out)
    }

    func flush() { if let exchange { flush(for: exchange) } }

    private func flush(for exchange: Exchange) {
        let out = output
        guard state == .active, !out.isEmpty else { return }
        while !out.isEmpty {
            switch transport.send(out) {
            case .moved: sentAny = true
            case .wouldBlock, .ended:
                outputBlocked = true
                armAnswerDeadline(exchange)
                return
            case .failed:
                // An answer may already be there (an early refusal): reading finds it, or the end.
                readable = true
                peerClosed = true
                requestDone = true
                dropOutput()
                worker.loop.again(self)
                return
            }
        }
        dropOutput()
        outputBlocked = false
        sentNS = worker.loop.nowNS
        armAnswerDeadline(exchange)
        guard tunnel && requestDone else { return }
        transport.shutdownSending()
        // The other direction may have waited for this one.
        if peerClosed { exchange.wire?.end(trailers: nil, of: exchange) }
    }

    private func dropOutput() {
        output.clear()
        output.giveBack()
    }

    /// After a switch of protocols the sending direction is open again, without framing.
    func reopenSending() {
        requestDone = false
        requestFraming = .unknown
    }

    func pause() {
        paused = true
        armAnswerDeadline()
    }

    func resume() {
        guard paused else { return }
        paused = false
        guard state == .active else { return }
        armAnswerDeadline()
        worker.loop.again(self)
    }

    func cancel() {
        if let exchange { endpoint.attemptEnded(headSeen ? .answered(status: answerStatus) : .cancelled, of: exchange) }
        exchange = nil
        close()
        endpoint.cluster.serveWaitingSoon()
    }

    /// Silence is measured from the last progress: before the answer by `firstByte`, inside it by
    /// `streamIdle`; a stream with a longest life ends at the earlier of the two.
    func armAnswerDeadline() { if let exchange { armAnswerDeadline(exchange) } }

    func armAnswerDeadline(_ exchange: Exchange) {
        let timeouts = exchange.rule.timeouts
        var wait = waitsForUpstream(exchange) ? UInt64(headSeen ? timeouts.streamIdle : timeouts.firstByte) : 0
        if exchange.endsByMS > 0 { wait = notAfter(exchange.endsByMS, wait) }
        if tryEndsByMS > 0 && !headSeen { wait = notAfter(tryEndsByMS, wait) }
        loop.setDeadline(self, afterMS: wait)
    }

    /// The way to the endpoint has its own patience, within that of the attempt and of the exchange.
    private func armApproach(_ exchange: Exchange) {
        var wait = UInt64(approach.patience(exchange.rule.timeouts))
        if exchange.endsByMS > 0 { wait = notAfter(exchange.endsByMS, wait) }
        if tryEndsByMS > 0 { wait = notAfter(tryEndsByMS, wait) }
        worker.loop.setDeadline(self, afterMS: wait)
    }

    /// `wait` milliseconds (0 = for ever), but not beyond `endMS`.
    private func notAfter(_ endMS: UInt64, _ wait: UInt64) -> UInt64 {
        let left = endMS > worker.loop.nowMS ? endMS - worker.loop.nowMS : 1
        return wait == 0 ? left : min(wait, left)
    }

    /// Is it the upstream's turn? Not while the client reads too slowly, nor while more of its body has to
    /// come: those silences have deadlines of their own (`send`, `body`).
    private func waitsForUpstream(_ exchange: Exchange) -> Bool {
        if paused { return false }
        if headSeen || requestDone || !output.isEmpty { return true }
        return !exchange.bodyBegun && exchange.head.first(.expect) != nil
    }

    // MARK: - Events

    override func ready(_ report: Readiness) {
        if state == .connecting {
            switch approach.advance(report, &transport) {
            case .waiting: return
            case .later: return worker.loop.again(self)
            case .onward:
                if let exchange { armApproach(exchange) }
                return worker.loop.again(self)
            case .failed(let fault): return fail(fault)
            case .arrived: arrived()
            }
            if state != .active { return }
        }
        let readiness = transport.translate(report)
        if readiness.contains(.peerClosed) || !readiness.isDisjoint(with: .failed) {
            peerClosed = true
            readable = true
        }
        if readiness.contains(.readable) { readable = true }
        if state == .idle {
            // An idle connection has nothing to say: an end, an error and stray bytes all finish it.
            if readable && !isStillSilent() { close() }
            return
        }
        if readiness.contains(.writable) && outputBlocked {
            outputBlocked = false
            flush()
            if state == .active, !requestDone, let exchange { exchange.wire?.resumeBody(of: exchange) }
        }
        if state == .active && readable && !paused { read() }
    }

    /// Under TLS a report may mean a session ticket or a new key, which are no bytes of the peer's.
    private func isStillSilent() -> Bool {
        guard transport.layer != nil, !peerClosed else { return false }
        worker.scratch.reserve(1)
        if case .wouldBlock = transport.receive(into: worker.scratch) {
            readable = false
            return true
        }
        worker.scratch.clear()
        return false
    }

    private func arrived() {
        state = .active
        guard let exchange else { return close() }
        flush()
        if state == .active, !requestDone { exchange.wire?.resumeBody(of: exchange) }
    }

    override func deadlinePassed() {
        switch state {
        case .connecting:
            let isOwnEnd = exchange?.isPastItsEnd(worker.loop.nowMS) ?? false
            fail(isOwnEnd ? .timeout : approach.lateFault)
        case .idle: close()
        case .active: fail(.timeout)
        case .closed: break
        }
    }

    // MARK: - Endings

    /// The answer is complete. Frees this connection first, so that the next request may use it.
    func finish() { if let exchange { finish(exchange, exchange.wire) } }

    func finish(_ exchange: Exchange, _ wire: (any Wire)?) {
        leave(exchange)
        let trailers = self.trailers
        self.trailers = nil
        wire?.end(trailers: trailers, of: exchange)
        endpoint.serveWaiting()
    }

    /// The answer is not wanted, and another attempt is: nothing of this one has gone to the client.
    func giveUpAnswer() {
        guard let exchange else { return }
        leave(exchange)
        trailers = nil
        worker.retry(exchange, after: endpoint)
        endpoint.cluster.serveWaiting()
    }

    /// Parts with the exchange after an answer; the connection goes back to the pool if it is clean.
    private func leave(_ exchange: Exchange) {
        self.exchange = nil
        exchange.origin = nil
        endpoint.attemptEnded(.answered(status: answerStatus), of: exchange)
        if persistent && requestDone && output.isEmpty && !peerClosed && kept.isEmpty && !tunnel && isWithinQuota {
            becomeIdle()
        } else {
            close()
        }
    }

    private var isWithinQuota: Bool {
        let limit = endpoint.cluster.specification.pool.requests
        return limit == 0 || served < limit
    }

    private func becomeIdle() {
        state = .idle
        exchange = nil
        endpoint.giveBack(self)
    }

    /// The exchange cannot be completed on this connection.
    func fail(_ fault: UpstreamFault) {
        let exchange = self.exchange
        let mayRepeat = !headSeen
        let provenUnprocessed = fault.isUnprocessed || !sentAny
        let began = headSeen
        // A connection that ended while it lay in the pool says nothing about the endpoint.
        let wasStale = fault == .terminated && served > 1 && !headSeen && kept.isEmpty
        self.exchange = nil
        exchange?.origin = nil
        if let exchange {
            // The end of the exchange's own life is no fault of the endpoint.
            let isOwnEnd = fault == .timeout && exchange.isGivenUp(worker.loop.nowMS)
            endpoint.attemptEnded(isOwnEnd || wasStale ? .cancelled : .failed(fault), of: exchange)
        }
        close()
        guard let exchange else { return }
        if began {
            exchange.wire?.abort(exchange, fault.outcome)
        } else {
            worker.attemptFailed(
                exchange, fault, from: endpoint, mayRepeat: mayRepeat, provenUnprocessed: provenUnprocessed,
                wasStale: wasStale)
        }
        endpoint.cluster.serveWaiting()
    }

    func close() {
        guard state != .closed else { return }
        state = .closed
        worker.loop.unregister(self)
        transport.close()
        dropOutput()
        kept.clear()
        kept.giveBack()
        endpoint.connectionClosed(self)
    }
}
