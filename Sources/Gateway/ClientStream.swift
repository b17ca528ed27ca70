import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import WireGRPC
import WireHTTP

/// One request of an HTTP/2 client and its answer: the wire of one exchange. Kept by its worker and
/// used again. This file is its life and its answers; `+Body` passes request bodies on.
final class ClientStream: Source, Wire, HTTP2StreamHandler {
    let worker: Worker
    /// The worker's: what is a constant of this object is read without counting references.
    private let loop: EventLoop
    private let fields: FieldEntries
    let stream: HTTP2Stream
    private let outbound: Buffer
    private(set) var connection: HTTP2Connection?
    private var nobody: Session
    var exchange: Exchange?
    /// The request's head.
    private let text = Buffer(capacity: 1024)

    // The request's body.
    let inbound: Buffer
    var isInboundOver = false
    var bodyPassed = false
    var trailers: Buffer?
    var pace = BodyPace()
    var expectContinue = false
    /// Not admitted before its end has come.
    private var isHeld = false
    var isTouched = false

    // The answer.
    private var bodiless = false
    private var paused = false
    /// In its connection's list of streams that have something to write.
    private var isSending = false
    /// The answer's end has been said, and is not on its way.
    private var isEnding = false
    /// Bytes of the answer that had been handed to the session when the stall deadline was set.
    private var sentAtDeadline: UInt64 = 0

    init(worker: Worker, session: Session) {
        self.worker = worker
        loop = worker.loop
        fields = FieldEntries(block: worker.fieldBlock)
        nobody = session
        inbound = Buffer(pool: worker.loop.buffers)
        stream = HTTP2Stream(pool: worker.loop.buffers)
        outbound = stream.outbound
        super.init()
        stream.handler = self
    }

    /// The connection's; while there is none, the last one's.
    var session: Session { nobody }

    /// Worth keeping: one large head does not stay in memory for ever.
    var isSmall: Bool { text.capacity <= 8192 }

    /// Begins a life on `connection`.
    func take(_ connection: HTTP2Connection) {
        self.connection = connection
        nobody = connection.session
        isInboundOver = false
        bodyPassed = false
        trailers = nil
        pace = BodyPace()
        expectContinue = false
        isTouched = false
        isHeld = false
        bodiless = false
        paused = false
        isSending = false
        isEnding = false
        sentAtDeadline = 0
        stream.hold()
    }

    /// The one deadline of this stream. Most streams never have one, so the slot is taken when needed.
    func setDeadline(afterMS: UInt64) {
        if slot == .max {
            guard afterMS > 0, loop.register(self, descriptor: nil) == 0 else { return }
        }
        loop.setDeadline(self, afterMS: afterMS)
    }

    // MARK: - Head

    func headReceived(_ block: HTTP2Block, ended: Bool) {
        guard connection != nil else { return }
        let exchange = worker.takeExchange(wire: self)
        self.exchange = exchange
        let fault = block.resolve(into: &exchange.head)
        text.clear()
        block.text.withReadable { text.append($0) }
        exchange.text = text
        exchange.bytesIn = UInt64(text.count)
        exchange.requestBody = ended ? .none : block.contentLength.map { .known($0) } ?? .unknown
        if block.isTooLarge {
            return refuse(Outcome(.validationError, status: 431, "the request's header fields are too large"))
        }
        if let fault { return refuse(fault) }
        if let expect = exchange.head.first(.expect) {
            expectContinue = true
            let known = text.withReadable { $0.extracting(expect.value.range).isContinue }
            if !known { return refuse(.unknownExpectation) }
        }
        let path = text.withMutableReadable { PathNormalForm.normalise(exchange.head.path, in: &$0) }
        guard let path else { return refuse(.badTarget) }
        exchange.head.path = path
        if case .known(0) = exchange.requestBody {
            // Bytes may follow in spite of that; the request is whole, and true, at its end.
            isHeld = true
            return setDeadline(afterMS: UInt64(connection?.port.timeouts.head ?? 1))
        }
        worker.admit(exchange, session: session, upgrade: false)
    }

    /// The end of a request whose length is zero: it may go on its way.
    func admitHeld() {
        guard isHeld, let exchange else { return }
        isHeld = false
        guard exchange.status == 0 else { return }  // it was too late
        setDeadline(afterMS: 0)
        exchange.requestBody = .none
        worker.admit(exchange, session: session, upgrade: false)
    }

    private func refuse(_ fault: HTTP1Fault) {
        worker.meters.countParseError(Int(fault.rawValue))
        refuse(Outcome(fault.status == 501 ? .unsupported : .validationError, status: fault.status, fault.label))
    }

    func refuse(_ outcome: Outcome) {
        guard let exchange else { return }
        exchange.origin?.cancel()
        exchange.origin = nil
        answer(outcome, of: exchange)
    }

    // MARK: - Answers

    func answer(_ outcome: Outcome, of exchange: Exchange) {
        answer(Problem(outcome, exchange, fields: nil).reply(), of: exchange)
    }

    func answer(_ local: LocalReply, of exchange: Exchange) {
        guard exchange === self.exchange, exchange.status == 0, let connection else { return }
        exchange.status = local.status
        let hasBody = local.mayHaveBody && exchange.head.verb != .head && !local.body.isEmpty
        let head = fields.block
        head.clear()
        head.add(status: local.status)
        ReplyFields.local(local, of: exchange, worker: worker, into: fields)
        exchange.bytesOut += UInt64(head.count)
        connection.respond(stream, head, ended: !hasBody)
        if hasBody {
            stream.outbound.append(local.body)
            exchange.bytesOut += UInt64(local.body.count)
            stream.end(trailers: nil)
            isEnding = true
        }
        setDeadline(afterMS: 0)
        dropInbound()
        flush()
    }

    func interim(_ head: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        guard exchange === self.exchange, head.status != 101, let connection else { return }
        let block = fields.block
        block.clear()
        block.add(status: head.status)
        ReplyFields.interim(head, in: text, into: fields)
        connection.http.interim(stream, block)
        connection.flushSoon()
    }

    func start(_ head: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        guard exchange === self.exchange, let connection else { return }
        exchange.status = head.status
        setDeadline(afterMS: 0)  // the body's; from now on it is the upstream's silence that counts
        bodiless = exchange.head.verb == .head || head.status == 204 || head.status == 304 || size == .none
        let block = fields.block
        block.clear()
        block.add(status: head.status)
        ReplyFields.proxied(head, in: text, of: exchange, worker: worker, into: fields)
        exchange.bytesOut += UInt64(block.count)
        connection.respond(stream, block, ended: bodiless)
    }

    /// HTTP/2 has no upgrade, and none is asked for on this wire.
    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        abort(exchange, UpstreamFault.protocolError.outcome)
    }

    private static let highWater = 64 * 1024

    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {
        guard exchange === self.exchange, !bodiless, bytes.count > 0 else { return }
        outbound.append(bytes)
        exchange.bytesOut += UInt64(bytes.count)
        if outbound.count > Self.highWater, !paused, let origin = exchange.origin {
            paused = true
            origin.pause()
        }
    }

    func end(trailers: Buffer?, of exchange: Exchange) {
        guard exchange === self.exchange else { return }
        stream.end(trailers: trailers)
        isEnding = !bodiless
        dropInbound()
        flush()
    }

    func flush() { connection?.push(self) }

    /// It has something to write, and is not in its connection's list of those yet.
    func joinsSenders() -> Bool {
        guard !isSending && hasToSend else { return false }
        isSending = true
        return true
    }

    /// Even an end without bytes waits for credit when the window is used up.
    private var hasToSend: Bool { isEnding || !stream.outbound.isEmpty }

    /// What could be written has been; what is left waits for the client's credit.
    func sent() {
        isSending = false
        if hasToSend && deadlineMS == 0 { armStall() }
    }

    func abort(_ exchange: Exchange, _ why: Outcome) {
        guard exchange === self.exchange, let connection else { return }
        exchange.origin?.cancel()
        exchange.origin = nil
        if !exchange.isPastItsEnd(worker.loop.nowMS) { worker.countAborted(exchange, why) }
        // A call's status stands at its end, which can still be said.
        if exchange.head.dialect == .grpc, exchange.status != 0, !bodiless, !isEnding {
            let problem = Problem(why, exchange, fields: nil)
            let trailers = Buffer(capacity: 384)
            problem.trailers(into: trailers)
            exchange.grpcStatus = GRPCStatus(why).rawValue
            return end(trailers: trailers, of: exchange)
        }
        connection.http.reset(stream, .internalError)
        connection.flushSoon()
    }

    // MARK: - Deadlines

    /// The client gives no credit: it has `send` milliseconds to take something.
    private func armStall() {
        guard let connection, let exchange else { return }
        sentAtDeadline = exchange.bytesOut - UInt64(stream.outbound.count)
        setDeadline(afterMS: UInt64(connection.port.timeouts.send))
    }

    override func deadlinePassed() {
        guard let connection, let exchange else { return }
        if hasToSend {
            if exchange.bytesOut - UInt64(stream.outbound.count) > sentAtDeadline { return armStall() }
            exchange.origin?.cancel()
            exchange.origin = nil
            connection.http.reset(stream, .cancel)
            connection.flushSoon()
        } else if exchange.status == 0 {
            refuse(Outcome(.deadline, status: 408, "the request body took too long"))
        }
    }

    // MARK: - Session

    func outboundDrained() {
        setDeadline(afterMS: 0)
        guard paused else { return }
        paused = false
        exchange?.origin?.resume()
    }

    /// The answer is all out. What the client still sends is not wanted (RFC 9113 section 8.1).
    func outboundFinished() {
        isEnding = false
        setDeadline(afterMS: 0)
        if !isInboundOver { connection?.http.reset(stream, .noError) }
    }

    /// Ends the exchange: recorded, and given back.
    private func settle(_ error: HTTP2Error) {
        guard let exchange = exchange.take() else { return }
        if let origin = exchange.origin {
            exchange.origin = nil
            origin.cancel()
        }
        if exchange.status == 0 { exchange.status = Code.cancelled.httpStatus }
        if error != .noError && exchange.head.dialect.callsGRPC && exchange.grpcStatus == nil {
            exchange.grpcStatus = GRPCStatus.cancelled.rawValue
        }
        worker.finish(exchange)
    }

    func streamClosed(_ error: HTTP2Error) {
        guard let connection = connection.take() else { return }
        if error != .noError { worker.meters.count(.http2Resets) }
        if slot != .max { loop.unregister(self) }
        settle(error)
        inbound.clear()
        inbound.giveBack()
        connection.streamOver(self)
    }
}

extension Span where Element == UInt8 {
    fileprivate var isContinue: Bool { equalsIgnoringCase("100-continue") }
}
