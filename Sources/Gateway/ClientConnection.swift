import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import WireHTTP

/// One HTTP/1.1 client connection. Reads heads, one exchange at a time, pipelined requests in
/// order; an idle one holds no buffer. This file is its life and its reading of heads;
/// `+Body` passes request bodies on, `+Answering` writes answers.
final class ClientConnection: ServedConnection, Wire {
    enum Phase {
        /// Between requests, or inside a head.
        case idle, head
        /// An exchange is running.
        case exchanging
        /// The last answer is written; input is thrown away until the peer ends or time is up.
        case lingering
        case closed
    }

    let worker: Worker
    let port: ListenerPort
    let session: Session
    var transport: Transport
    var phase = Phase.idle

    // Reading. `input` holds the head of the exchange in progress (its first `headCount` bytes),
    // then bytes that have not been used, from `position` on.
    let input: Buffer
    var headCount = 0
    var position = 0
    var readable = false
    /// The peer has said that it will send no more (it may still read).
    var inputEnded = false
    private var parser = HTTP1RequestParser()
    var framing = HTTP1Framing()
    var exchange: Exchange?
    var body = HTTP1BodyReader(.none)
    var trailers: Buffer?
    var pace = BodyPace()

    // Writing.
    let output: Buffer
    var outputBlocked = false
    var reply = ReplyState()
    var closeWhenFlushed = false
    private var driving = false
    /// Nothing has been parsed yet: the next bytes may still be an HTTP/2 preface.
    private var isFresh = true

    init(_ transport: Transport, session: Session, port: ListenerPort, worker: Worker) {
        self.transport = transport
        self.session = session
        self.port = port
        self.worker = worker
        input = Buffer(pool: worker.loop.buffers)
        output = Buffer(pool: worker.loop.buffers)
        super.init(port: port, worker: worker)
    }

    // MARK: - Events

    override func ready(_ report: Readiness) {
        let readiness = transport.translate(report)
        if !readiness.isDisjoint(with: .failed) {
            guard phase == .exchanging else { return close() }
            guard reply.isTunnel, exchange != nil, !readiness.contains(.broken) else { return connectionLost() }
            // Both directions of a tunnel have ended; the client's last bytes may not have been read yet.
            if !reply.clientEnded { readable = true }
            inputEnded = true
        }
        if readiness.contains(.readable) || readiness.contains(.peerClosed) { readable = true }
        if readiness.contains(.peerClosed) { inputEnded = true }
        if outputBlocked && readiness.contains(.writable) { flush() }
        drive()
    }

    override func deadlinePassed() {
        switch phase {
        case .idle, .lingering: close()
        case .head: refuse(Outcome(.deadline, status: 408, "the request head took too long"))
        case .exchanging:
            if outputBlocked {  // a peer that does not read
                connectionLost()
            } else if let exchange, !body.isDone, exchange.status == 0 {
                refuse(Outcome(.deadline, status: 408, "the request body took too long"))
            }
        case .closed: break
        }
    }

    /// Does what can be done with what is there. Not re-entered: an exchange that ends inside a call
    /// from here comes back by the loop.
    func drive() {
        guard !driving else { return }
        driving = true
        defer { driving = false }
        var reads = 0
        while true {
            switch phase {
            case .idle, .head:
                if outputBlocked { return }  // answers first: a peer that does not read gets no more
                if input.count > position || phase == .head && input.count > 0, parseHead() { continue }
                guard readable, phase == .idle || phase == .head else { return }
                if reads == Self.readsPerTurn {
                    worker.loop.again(self)
                    return
                }
                reads += 1
                if !fill() { return }
            case .exchanging:
                guard let exchange, !body.isDone, wantsBody(exchange) else { return }
                if passBody(exchange) { continue }
                guard phase == .exchanging, readable else { return }
                if reads == Self.readsPerTurn {
                    worker.loop.again(self)
                    return
                }
                reads += 1
                if !fill() { return }
            case .lingering:
                discard()
                return
            case .closed: return
            }
        }
    }

    static let readsPerTurn = 16

    /// Receives once. False = nothing came (the connection may be closed by now).
    private func fill() -> Bool {
        let buffer = input
        buffer.reserve(reply.isTunnel ? 8192 : 2048)
        switch transport.receive(into: buffer) {
        case .moved(let n):
            worker.meters.count(.bytesIn, by: UInt64(n))
            if transport.isDrained(buffer) && !inputEnded { readable = false }
            return true
        case .wouldBlock:
            readable = false
            releaseInput()
            return false
        case .ended:
            readable = false
            inputEnded = true
            releaseInput()
            inputOver()
            return false
        case .failed:
            // Without an exchange nothing can be cut; a reset could take the last answer with it.
            if exchange == nil { close() } else { connectionLost() }
            return false
        }
    }

    /// The peer will send no more.
    private func inputOver() {
        switch phase {
        case .idle, .head, .lingering: close()
        case .exchanging:
            guard let exchange else { return close() }
            if reply.isTunnel {
                reply.clientEnded = true
                exchange.origin?.endBody(trailers: nil)
                finishTunnelIfOver(exchange)
            } else if !body.isDone {
                connectionLost()  // the request can never become whole
            }
        case .closed: break
        }
    }

    /// Gives an empty input buffer back.
    func releaseInput() {
        guard input.isEmpty else { return }
        input.giveBack()
        position = 0
        headCount = 0
    }

    // MARK: - Heads

    /// True = something changed and it is worth looking again.
    private func parseHead() -> Bool {
        let input = input
        if isFresh && port.speaksHTTP2 && position == 0 && input.count > 0 && input[0] == 0x50 {
            switch input.withReadable({ HTTP2Preface.match($0) }) {
            case .whole:
                becomeHTTP2()
                return false
            case .part:
                if phase == .idle {
                    phase = .head
                    worker.loop.setDeadline(self, afterMS: UInt64(port.timeouts.head))
                }
                return false
            case .none: break
            }
        }
        isFresh = false
        if position > 0 {
            input.consume(position)
            position = 0
            if input.isEmpty {
                releaseInput()
                return false
            }
        }
        let exchange: Exchange
        if let begun = self.exchange {
            exchange = begun
        } else {
            exchange = worker.takeExchange(wire: self)
            self.exchange = exchange
            parser = HTTP1RequestParser()
            framing = HTTP1Framing()
            phase = .head
            worker.loop.setDeadline(self, afterMS: UInt64(port.timeouts.head))
        }
        var bodyFraming = BodyFraming.none
        let progress = input.withReadable { text in
            parser.parse(text, into: &exchange.head, framing: &framing, body: &bodyFraming, limits: port.limits)
        }
        switch progress {
        case .needMore: return false
        case .failed(let fault):
            refuse(fault)
            return false
        case .complete(let length):
            headCount = length
            position = length
            exchange.bytesIn = UInt64(length)
            body = HTTP1BodyReader(bodyFraming)
            exchange.text = input
            exchange.requestBody = BodySize(bodyFraming)
            phase = .exchanging
            worker.loop.setDeadline(self, afterMS: 0)
            let path = input.withMutableReadable { text in PathNormalForm.normalise(exchange.head.path, in: &text) }
            guard let path else {
                refuse(HTTP1Fault.badTarget)
                return false
            }
            exchange.head.path = path
            if framing.namesFields {
                input.withReadable { text in ConnectionFields.dropNamed(from: &exchange.head.fields, in: text) }
            }
            pace = BodyPace()
            reply = ReplyState()
            worker.admit(exchange, session: session, upgrade: framing.requestsUpgrade)
            return true
        }
    }

    /// RFC 9113 section 3.3: the client knows that we speak HTTP/2.
    private func becomeHTTP2() {
        phase = .closed
        worker.switchToHTTP2(self, transport, received: input, peerClosed: inputEnded)
        input.clear()
        input.giveBack()
    }

    // MARK: - Endings

    /// A malformed request: the matching status, and the connection is not read any further.
    private func refuse(_ fault: HTTP1Fault) {
        worker.meters.countParseError(Int(fault.rawValue))
        refuse(Outcome(fault.status == 501 ? .unsupported : .validationError, status: fault.status, fault.label))
    }

    /// Answers and closes.
    func refuse(_ outcome: Outcome) {
        guard let exchange else { return close() }
        exchange.origin?.cancel()
        exchange.origin = nil
        exchange.text = input
        if headCount == 0 { exchange.bytesIn = UInt64(input.count) }
        phase = .exchanging
        framing.close = true
        answer(outcome, of: exchange)
        drive()
    }

    /// The exchange is over and its answer is in `output`. Goes on with the next request, or closes.
    func exchangeOver() {
        guard let ended = exchange else { return }
        let keepAlive = reply.keepAlive && body.isDone && !worker.isDraining
        let patience = ended.rule.timeouts.keepAlive
        exchange = nil
        trailers = nil
        worker.finish(ended)
        headCount = 0
        if position == input.count {
            input.clear()
            releaseInput()
        }
        if keepAlive {
            phase = .idle
            if !outputBlocked {
                worker.loop.setDeadline(self, afterMS: UInt64(patience > 0 ? patience : port.timeouts.keepAlive))
            }
            if !driving && (!input.isEmpty || readable) { worker.loop.again(self) }
        } else {
            closeWhenFlushed = true
            if output.isEmpty { linger() }
        }
    }

    /// Ends our side, and throws away what still comes for a moment: closing with unread input would
    /// reset the connection and could take the answer with it (RFC 9112 section 9.6).
    func linger() {
        guard phase != .closed, phase != .lingering else { return }
        guard transport.shutdownSending() else { return close() }
        if inputEnded && !readable && input.isEmpty || port.timeouts.linger == 0 { return close() }
        phase = .lingering
        worker.loop.setDeadline(self, afterMS: UInt64(port.timeouts.linger))
        discard()
    }

    private func discard() {
        input.clear()
        position = 0
        var reads = 0
        while phase == .lingering && readable && reads < Self.readsPerTurn {
            reads += 1
            if !fill() { return }
            input.clear()
        }
        if readable { worker.loop.again(self) } else { releaseInput() }
    }

    /// The peer is gone: nothing can be sent any more.
    func connectionLost() {
        guard phase != .closed else { return }
        if let exchange {
            exchange.origin?.cancel()
            exchange.origin = nil
            if exchange.status == 0 { exchange.status = Code.cancelled.httpStatus }
            self.exchange = nil
            worker.finish(exchange)
        }
        close(reset: true)
    }

    override func cutOff() {
        if phase == .exchanging { connectionLost() } else { close() }
    }

    override func drain() {
        guard phase == .idle || phase == .head && input.isEmpty else { return }
        // The last exchange is over, but its answer may not be all out.
        if output.isEmpty { close() } else { closeWhenFlushed = true }
    }

    func close(reset: Bool = false) {
        guard phase != .closed else { return }
        phase = .closed
        if let exchange {
            self.exchange = nil
            worker.discard(exchange)
        }
        worker.loop.unregister(self)
        transport.close(reset: reset)
        for buffer in [input, output] {
            buffer.clear()
            buffer.giveBack()
        }
        worker.connectionClosed(port, session.peer)
    }
}
