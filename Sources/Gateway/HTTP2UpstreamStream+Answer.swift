import Exchanges
import Pipeline
import Reactor
import Telemetry
import WireGRPC
import WireHTTP

/// The answer, as the session shows it: passed to the exchange's wire at once, told to it (flushed, ended,
/// cut) when the session has been left.
extension HTTP2UpstreamStream: HTTP2StreamHandler {
    func headReceived(_ block: HTTP2Block, ended: Bool) {
        guard let exchange, let wire = exchange.wire, refusal == nil, replacement == nil, let connection else { return }
        var reply = ReplyHead()
        reply.status = block.status
        reply.fields = block.fields
        if block.status < 200 {
            interimCount += 1
            // Switching protocols is of HTTP/1.1 (RFC 9113 section 8.6).
            if block.status == 101 || interimCount > connection.endpoint.cluster.limits.informational {
                return refuse(.protocolError)
            }
            block.text.withReadable { wire.interim(reply, in: $0, of: exchange) }
            return touch()
        }
        answerStatus = block.status
        let reason = RetryPolicy.Reasons(status: block.status)
        if !reason.isEmpty, worker.takesRetry(exchange, reason, provenUnprocessed: false, of: connection.endpoint.cluster) {
            isUnwanted = true
            return touch()
        }
        if exchange.isCall {
            switch GRPCAnswer.read(block, ended: ended) {
            case .open: break
            case .whole(let status):
                exchange.grpcStatus = status
                reply.status = 200
            case .other(let outcome):
                replacement = outcome
                return touch()
            }
        }
        headSeen = true
        worker.answerBegins(exchange, from: connection.endpoint, nanoseconds: worker.loop.nowNS &- sentNS)
        let size = size(of: block, ended: ended, to: exchange.translation == nil ? exchange.head.verb : .post)
        block.text.withReadable { wire.start(reply, size: size, in: $0, of: exchange) }
        touch()
    }

    private func size(of block: HTTP2Block, ended: Bool, to verb: Verb) -> BodySize {
        if ended || verb == .head || block.status == 204 || block.status == 304 { return .none }
        guard let length = block.contentLength else { return .unknown }
        return length == 0 ? .none : .known(length)
    }

    func dataReceived(_ bytes: borrowing Span<UInt8>) {
        guard let connection else { return }
        // A client that reads slowly holds up its own stream, by the stream's window, and no other.
        connection.stored(http2, bytes.count)
        guard let exchange, headSeen, refusal == nil else { return giveCredit() }
        exchange.wire?.send(bytes, of: exchange)
        touch()
    }

    func trailersReceived(_ block: HTTP2Block) {
        guard let exchange, headSeen else { return }
        let isCall = exchange.isCall
        block.text.withReadable { text in
            for field in block.fields {
                if isCall {
                    if let status = GRPCAnswer.status(field, text) { exchange.grpcStatus = status }
                    guard GRPCAnswer.isForwardable(trailer: field) else { continue }
                } else if !HTTP1Encoder.isForwardable(trailer: field) {
                    continue
                }
                let lines = trailers ?? worker.http2Spares.takeTrailers()
                trailers = lines
                HTTP1Encoder.field(field, of: text, into: lines)
            }
        }
    }

    /// The answer to a call is complete: its status is known, or made up for; one that says that nobody was
    /// there counts as that with the endpoint.
    func completeCall(_ exchange: Exchange) {
        if exchange.grpcStatus == nil, exchange.wire?.isNull != true {
            let problem = Problem(GRPCAnswer.missingStatus(hasTrailers: trailers != nil), exchange, fields: nil)
            let lines = trailers ?? worker.http2Spares.takeTrailers()
            trailers = lines
            problem.trailers(into: lines)
            exchange.grpcStatus = GRPCStatus(problem.outcome).rawValue
        }
        if exchange.grpcStatus == GRPCStatus.unavailable.rawValue { answerStatus = 503 }
    }

    func inboundEnded() {
        guard exchange != nil else { return }
        inboundDone = true
        touch()
    }

    func outboundDrained() { if exchange != nil { connection?.hasDrained(self) } }

    func streamClosed(_ error: HTTP2Error) { sessionForgot(error) }

    private func refuse(_ fault: UpstreamFault) {
        refusal = fault
        touch()
    }

    private func touch() {
        guard !isTouched else { return }
        isTouched = true
        connection?.touch(self)
    }

    /// The session has been left: what came in this turn goes on its way.
    func tellWire() {
        isTouched = false
        guard let exchange, let wire = exchange.wire else { return }
        if let refusal {
            fail(refusal)
            return abandon()
        }
        if isUnwanted { return giveUpAnswer() }
        if let replacement { return replaceAnswer(replacement) }
        if inboundDone && headSeen { return finish() }
        wire.flush()
        guard self.exchange === exchange else { return }
        if !isPaused { giveCredit() }
        armAnswerDeadline()
    }
}
