import Exchanges
import Pipeline
import Reactor
import Telemetry
import WireHTTP

/// One exchange on a stream of a shared connection. Used again and again: free, waiting for the
/// connection, open, and at last forgotten by the session, which may be later than the exchange's end.
/// This file is the request and the endings; `+Answer` takes the answer.
final class HTTP2UpstreamStream: Source, Origin {
    let worker: Worker
    private let loop: EventLoop
    /// The stream as the session sees it.
    let http2: HTTP2Stream
    private(set) var connection: HTTP2Upstream?
    private(set) var exchange: Exchange?
    /// Place in the connection's list.
    var place = 0

    // The request.
    private var isOpen = false
    /// The request has been given to the session: from then on what the connection writes may be of it.
    private var wasOpened = false
    private var requestDone = false
    private var writesBefore: UInt64 = 0
    /// When the last of what there was to send had been taken; loop nanoseconds.
    var sentNS: UInt64 = 0
    private var receivesBefore: UInt64 = 0
    /// When this attempt's time for the head of an answer is up; loop milliseconds, 0 = no such time.
    private var tryEndsByMS: UInt64 = 0
    /// Bytes of the body given to `outbound`, and how many of them had been taken when the deadline was set.
    private var given = 0
    private var takenAtDeadline = 0

    // The answer.
    var isTouched = false
    var headSeen = false
    var answerStatus: UInt16 = 0
    var interimCount = 0
    var inboundDone = false
    var isPaused = false
    var trailers: Buffer?
    /// The answer is a reason to try again.
    var isUnwanted = false
    /// The answer is not to be passed on, for this reason.
    var refusal: UpstreamFault?
    /// The answer is in order, but not one to a gRPC call: this is said instead.
    var replacement: Outcome?
    /// How the session closed the stream.
    var closedBy: HTTP2Error?

    init(_ worker: Worker) {
        self.worker = worker
        loop = worker.loop
        http2 = HTTP2Stream(pool: worker.loop.buffers)
        super.init()
        http2.handler = self
        // For life: a place on the wheel costs nothing while it stays, and every request has a deadline.
        _ = worker.loop.register(self, descriptor: nil)
    }

    /// Not to be used again.
    func discard() { worker.loop.unregister(self) }

    // MARK: - The request

    /// Takes the exchange. `sendRequest` follows when the connection is open.
    func begin(_ exchange: Exchange, on connection: HTTP2Upstream) {
        self.exchange = exchange
        self.connection = connection
        exchange.origin = self
        exchange.attempts += 1
        writesBefore = connection.writes
        receivesBefore = connection.receives
        connection.endpoint.attemptBegan()
        if worker.accessLog != nil { exchange.endpoint = connection.endpoint.label }
        isOpen = false
        wasOpened = false
        requestDone = exchange.requestBody == .none
        given = 0
        isTouched = false
        headSeen = false
        answerStatus = 0
        interimCount = 0
        inboundDone = false
        isPaused = false
        trailers = nil
        isUnwanted = false
        refusal = nil
        replacement = nil
        closedBy = nil
        let perTry = exchange.isAllHere ? UInt64(exchange.rule.retry.perTry) : 0
        tryEndsByMS = perTry > 0 ? worker.loop.nowMS + perTry : 0
    }

    func sendRequest() {
        guard let exchange, let connection, let client = exchange.wire?.session else { return }
        writesBefore = connection.writes
        sentNS = worker.loop.nowNS
        receivesBefore = connection.receives
        guard connection.open(http2, for: exchange, of: client, ended: requestDone) else {
            connection.retire()
            fail(.unprocessed)
            connection.remove(self, isClean: false)
            return
        }
        isOpen = true
        wasOpened = true
        if let collected = exchange.body {
            collected.withReadable { http2.outbound.append($0) }
            given = http2.outbound.count
            finishBody(trailers: nil)
        } else if !requestDone {
            if let kept = exchange.sent.kept { kept.withReadable { http2.outbound.append($0) } }
            given = http2.outbound.count
            if exchange.sent.isWhole { finishBody(trailers: exchange.sent.trailers) }
        }
        connection.mark()
        armAnswerDeadline(exchange)
    }

    private func finishBody(trailers: Buffer?) {
        requestDone = true
        http2.end(trailers: trailers)
        connection?.session.resume(http2)
    }

    /// `outbound` has been taken, or the connection is open now.
    func hasRoomAgain() {
        guard let exchange, isOpen, let connection else { return }
        sentNS = worker.loop.nowNS
        receivesBefore = connection.receives
        armAnswerDeadline()
        if wantsBody { exchange.wire?.resumeBody(of: exchange) }
    }

    // MARK: - Origin

    private static let highWater = 64 * 1024

    var wantsBody: Bool { isOpen && !requestDone && http2.outbound.count < Self.highWater }

    var isFlushed: Bool { !isOpen || http2.outbound.isEmpty }

    func send(_ bytes: borrowing Span<UInt8>) {
        guard let exchange, isOpen, !requestDone, bytes.count > 0 else { return }
        worker.replay.keep(bytes, of: exchange)
        given += bytes.count
        http2.outbound.append(bytes)
    }

    /// May come before the stream is open: `sendRequest` then finds it in what the exchange has sent.
    func endBody(trailers: Buffer?) {
        guard let exchange, !requestDone else { return }
        worker.replay.end(exchange, trailers: trailers)
        if isOpen { finishBody(trailers: trailers) }
    }

    func flush() {
        guard isOpen, let connection else { return }
        connection.push(http2)
        // What the endpoint gives no credit for stays here, and nobody else measures that silence.
        if deadlineMS == 0 { armAnswerDeadline() }
    }

    /// No credit until the client has read: what the window still allows goes to the wire, which keeps it.
    func pause() {
        isPaused = true
        armAnswerDeadline()
    }

    func resume() {
        guard isPaused else { return }
        isPaused = false
        giveCredit()
        armAnswerDeadline()
        connection?.mark()
    }

    func giveCredit() {
        guard isOpen, http2.unusedBytes > 0 else { return }
        connection?.consumed(http2)
    }

    func cancel() {
        guard exchange != nil else { return }
        leaveExchange(headSeen ? .answered(status: answerStatus) : .cancelled)
        abandon()
    }

    // MARK: - Deadlines

    /// As on an HTTP/1.1 connection: `firstByte` from the last progress of the request, then `streamIdle`.
    /// While the connection is being made, only what bounds the attempt or the exchange as a whole.
    func armAnswerDeadline() { if let exchange { armAnswerDeadline(exchange) } }

    func armAnswerDeadline(_ exchange: Exchange) {
        let timeouts = exchange.rule.timeouts
        takenAtDeadline = given - http2.outbound.count
        var wait = waitsForUpstream(exchange) ? UInt64(headSeen ? timeouts.streamIdle : timeouts.firstByte) : 0
        if exchange.endsByMS > 0 { wait = notAfter(exchange.endsByMS, wait) }
        if tryEndsByMS > 0 && !headSeen { wait = notAfter(tryEndsByMS, wait) }
        loop.setDeadline(self, afterMS: wait)
    }

    /// `wait` milliseconds (0 = for ever), but not beyond `endMS`.
    private func notAfter(_ endMS: UInt64, _ wait: UInt64) -> UInt64 {
        let left = endMS > worker.loop.nowMS ? endMS - worker.loop.nowMS : 1
        return wait == 0 ? left : min(wait, left)
    }

    private func waitsForUpstream(_ exchange: Exchange) -> Bool {
        if isPaused || !isOpen { return false }
        if headSeen || requestDone || !http2.outbound.isEmpty { return true }
        return !exchange.bodyBegun && !exchange.isAskedForHere && exchange.head.first(.expect) != nil
    }

    override func deadlinePassed() {
        guard let exchange, let connection else { return }
        let isOwnEnd = exchange.isPastItsEnd(worker.loop.nowMS)
        // Bytes of the body that have been taken meanwhile are progress too.
        let isTryOver = isOwnEnd || tryEndsByMS > 0 && worker.loop.nowMS >= tryEndsByMS
        if !isTryOver, !headSeen, given - http2.outbound.count > takenAtDeadline { return armAnswerDeadline() }
        // Not one byte for anybody since this request was sent: others are not given to it any more.
        if isOpen && connection.receives == receivesBefore { connection.retire() }
        fail(isOwnEnd ? .timeout : connection.lateFault)
        abandon()
        connection.endIfDeserted()
    }

    // MARK: - Endings

    /// The answer is complete: the exchange goes on without this stream.
    func finish() {
        guard let exchange else { return }
        if exchange.isCall { completeCall(exchange) }
        leaveExchange(.answered(status: answerStatus))
        connection?.hasAnswered()
        let trailers = self.trailers
        self.trailers = nil
        // Nobody will read the rest of the request (RFC 9113 section 8.1).
        if !requestDone || !http2.outbound.isEmpty { abandon() } else { giveCredit() }
        exchange.wire?.end(trailers: trailers, of: exchange)
    }

    /// The answer is not what was asked for: the client hears `outcome` instead.
    func replaceAnswer(_ outcome: Outcome) {
        guard let exchange else { return }
        exchange.mayHaveRun = true
        leaveExchange(.answered(status: answerStatus))
        connection?.hasAnswered()
        if !inboundDone || !requestDone || !http2.outbound.isEmpty { abandon() } else { giveCredit() }
        worker.fail(exchange, outcome, proxyStatus: "http_protocol_error")
    }

    /// The answer is not wanted, and another attempt is: nothing of this one has gone to the client.
    func giveUpAnswer() {
        guard let exchange, let connection else { return }
        let endpoint = connection.endpoint
        connection.hasAnswered()
        leaveExchange(.answered(status: answerStatus))
        if !inboundDone || !requestDone || !http2.outbound.isEmpty { abandon() } else { giveCredit() }
        worker.retry(exchange, after: endpoint)
    }

    /// The session has forgotten the stream.
    func endWithStream() {
        fail(faultOfStream)
        connection = nil
    }

    /// The connection is gone.
    func endWithConnection(_ fault: UpstreamFault) {
        isOpen = false
        fail(fault, connectionEnded: true)
        connection = nil
    }

    private var faultOfStream: UpstreamFault {
        switch closedBy ?? .internalError {
        // In order, but without an answer: there was one that the session refused.
        case .noError where !headSeen: .protocolError
        case .refusedStream: .unprocessed
        case .protocolError, .flowControlError, .streamClosed, .frameSizeError, .compressionError, .http11Required:
            .protocolError
        case .cancel: .streamCancelled
        case .enhanceYourCalm: .streamUnwelcome
        case .inadequateSecurity: .streamInsecure
        case .noError, .internalError, .settingsTimeout, .connectError: .streamReset
        }
    }

    /// The exchange cannot be completed here: cut, tried again, or answered with the fault.
    func fail(_ fault: UpstreamFault, connectionEnded: Bool = false) {
        guard let exchange, let connection else { return }
        let endpoint = connection.endpoint
        let hasLeft = wasOpened && connection.writes != writesBefore
        let provenUnprocessed = fault.isUnprocessed || !hasLeft
        // A connection that had carried answers and ends in order, or was dead when it was used again, says
        // nothing about the endpoint; nor does the end of the exchange's own life.
        let isOwnEnd = fault == .timeout && exchange.isGivenUp(worker.loop.nowMS)
        let wasDead = connectionEnded && !headSeen && fault == .terminated && connection.receives == receivesBefore
        let wasTurnedAway = !headSeen && fault == .unprocessed && connection.isRetired
        let wasStale = (wasDead || wasTurnedAway) && connection.takeStaleRetry()
        // Turned away with a whole connection: the endpoint ends its connections from time to time, which must
        // not use up what the route allows for real failures.
        if wasTurnedAway && wasStale && exchange.rule.retry.attempts > 1 { exchange.attempts -= 1 }
        leaveExchange(isOwnEnd || wasStale ? .cancelled : .failed(fault))
        if headSeen {
            exchange.wire?.abort(exchange, (fault == .terminated ? .incomplete : fault).outcome)
        } else {
            worker.attemptFailed(
                exchange, fault, from: endpoint, mayRepeat: true, provenUnprocessed: provenUnprocessed,
                wasStale: wasStale)
        }
    }

    private func leaveExchange(_ result: AttemptResult) {
        let left = exchange
        left?.origin = nil
        exchange = nil
        loop.setDeadline(self, afterMS: 0)
        connection?.endpoint.attemptEnded(result, of: left)
    }

    /// Ends a stream whose exchange has gone. One that was never opened is free at once; one that the session
    /// has forgotten in this very turn is taken care of by `settle`.
    func abandon() {
        guard let connection else { return }
        if isOpen {
            giveCredit()
            connection.session.reset(http2, .cancel)
            connection.mark()
        } else if closedBy == nil {
            connection.remove(self)
            self.connection = nil
            connection.endpoint.cluster.serveWaitingSoon()
        }
    }

    /// The session forgets the stream now; the exchange hears of it later.
    func sessionForgot(_ error: HTTP2Error) {
        closedBy = error
        isOpen = false
        connection?.forgotten(self)
    }
}
