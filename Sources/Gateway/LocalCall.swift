import Exchanges
import Pipeline
import Reactor
import WireGRPC

/// A gRPC call that the gateway answers itself: takes the request apart into messages, one at a time, and puts
/// answers on the client's wire as fast as it takes them. Subclasses say what is answered.
///
/// Nothing may be ended while the client's input is being read, so `send` only keeps, and `flush` works.
class LocalCall: Source, Origin {
    let worker: Worker
    /// Nil once the call is over. The circle ends there.
    private(set) var exchange: Exchange?
    private let inbox: Buffer
    /// Requests are names; who sends more has mistaken us for somebody.
    private var frames = GRPCMessageReader(limit: 8 << 10)
    private var hasEnded = false
    private var hasBegun = false
    private var isPaused = false
    private var isWorking = false
    private static let mostKept = 16 << 10

    init(_ worker: Worker) {
        self.worker = worker
        inbox = Buffer(pool: worker.loop.buffers)
        super.init()
    }

    /// Takes the exchange, with what of its body has been collected.
    func begin(_ exchange: Exchange) {
        guard let wire = exchange.wire else { return }
        guard worker.loop.register(self, descriptor: nil) == 0 else {
            return wire.answer(Outcome(.upstreamUnavailable, "too many calls run already", retryAfterMS: 1000), of: exchange)
        }
        self.exchange = exchange
        exchange.origin = self
        if exchange.endsByMS > 0 {
            let now = worker.loop.nowMS
            worker.loop.setDeadline(self, afterMS: exchange.endsByMS > now ? exchange.endsByMS - now : 1)
        }
        if let body = exchange.body {
            body.withReadable { inbox.append($0) }
            hasEnded = true
            work()
        } else if exchange.requestBody == .none {
            hasEnded = true
            work()
        } else {
            if let translation = exchange.translation { exchange.origin = translation.requestOrigin(self, of: exchange) }
            wire.resumeBody(of: exchange)
        }
    }

    // MARK: - What is answered

    /// A message of the request.
    func received(_ message: borrowing Span<UInt8>) {}

    /// There are no more.
    func requestEnded() {}

    /// The call is over, however it ended.
    func isOver() {}

    /// Puts one message of the answer on its way.
    final func say(_ message: [UInt8]) {
        guard let exchange, let wire = exchange.wire else { return }
        start()
        let frame = Buffer(capacity: message.count + 5)
        GRPCMessageWriter.append(message.span, into: frame)
        frame.withReadable { wire.send($0, of: exchange) }
    }

    private func start() {
        guard !hasBegun, let exchange, let wire = exchange.wire else { return }
        hasBegun = true
        let head = ReplyLines(status: 200)
        head.add(.contentType, "content-type", "application/grpc")
        head.withHead { wire.start($0, size: .unknown, in: $1, of: exchange) }
    }

    /// Ends the call: well, or with what went wrong.
    final func finish(_ problem: Outcome? = nil) {
        guard let exchange, let wire = exchange.wire else { return }
        if problem == nil { start() }
        over()
        guard hasBegun else { return wire.answer(problem ?? Outcome(.ok), of: exchange) }
        let lines = Buffer(capacity: 64)
        if let problem {
            Problem(problem, exchange, fields: nil).trailers(into: lines)
            exchange.grpcStatus = GRPCStatus(problem).rawValue
        } else {
            GRPCTrailers.append(.ok, message: [UInt8]().span, to: lines)
            exchange.grpcStatus = GRPCStatus.ok.rawValue
        }
        wire.end(trailers: lines, of: exchange)
        wire.flush()
    }

    private func over() {
        guard let exchange else { return }
        exchange.origin = nil
        self.exchange = nil
        worker.loop.unregister(self)
        inbox.clear()
        inbox.giveBack()
        isOver()
    }

    // MARK: - Origin

    var wantsBody: Bool { exchange != nil && !hasEnded && !isPaused && inbox.count < Self.mostKept }
    var isFlushed: Bool { true }

    func send(_ bytes: borrowing Span<UInt8>) { inbox.append(bytes) }

    func endBody(trailers: Buffer?) { hasEnded = true }

    func flush() { work() }

    func pause() { isPaused = true }

    /// The call comes from inside the client's session.
    func resume() {
        isPaused = false
        worker.loop.again(self)
    }

    func cancel() { over() }

    // MARK: - Source

    override func ready(_ readiness: Readiness) {
        work()
        if let exchange, wantsBody { exchange.wire?.resumeBody(of: exchange) }
    }

    override func deadlinePassed() { finish(UpstreamFault.timeout.outcome) }

    // MARK: - Work

    private func work() {
        guard !isWorking else { return }
        isWorking = true
        let wasFull = inbox.count >= Self.mostKept
        while exchange != nil, !isPaused, takeNext() {}
        isWorking = false
        guard exchange != nil else { return }
        if inbox.isEmpty { inbox.giveBack() }
        exchange?.wire?.flush()
        // The client's wire holds what found no room.
        if wasFull && wantsBody { worker.loop.again(self) }
    }

    /// - Returns: false = there is nothing to do.
    private func takeNext() -> Bool {
        var taken = 0
        let event = inbox.withReadable { frames.next($0, at: &taken) }
        inbox.consume(taken)
        switch event {
        case .message(flags: 0): frames.message.withReadable { received($0) }
        case .message: finish(compressionFault)
        case .failed(.tooLarge): finish(Outcome(.tooLarge, "the message is larger than this service takes"))
        case .failed(.badFlag): finish(Outcome(.validationError, grpc: 13, "the message has unknown flags"))
        case .needMore:
            guard hasEnded else { return false }
            if frames.isBetweenMessages { requestEnded() } else { finish(Outcome(.validationError, grpc: 13, "the message is cut short")) }
            return false
        }
        return true
    }

    /// A message may be compressed only if the call says how; what it says is not spoken here.
    private var compressionFault: Outcome {
        let isSaid = exchange?.text?.withReadable { text in
            exchange?.head.first(named: Array("grpc-encoding".utf8), in: text) != nil
        }
        return isSaid == true
            ? Outcome(.unsupported, "compressed messages are not taken here")
            : Outcome(.validationError, grpc: 13, "the message is compressed, and the call does not say how")
    }
}

extension Outcome {
    /// A message that is not what its method takes: gRPC's servers call that INTERNAL.
    static var unreadableMessage: Outcome { Outcome(.validationError, grpc: 13, "the message cannot be read") }
    static var missingMessage: Outcome { Outcome(.validationError, grpc: 13, "the call has no message") }
    static var tooManyMessages: Outcome { Outcome(.validationError, grpc: 13, "the call takes one message") }
}

extension Exchange {
    /// Is it a call of this method, whatever the service?
    func calls(_ method: StaticString) -> Bool {
        text?.withReadable { text in
            let path = text.extracting(head.path.range)
            let n = method.utf8CodeUnitCount
            guard path.count > n, path[path.count - n - 1] == 0x2f else { return false }
            return path.extracting((path.count - n)..<path.count).equals(method)
        } ?? false
    }
}
