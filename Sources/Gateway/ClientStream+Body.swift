import Exchanges
import Pipeline
import Reactor
import WireHTTP

/// Request bodies: collected for the pipeline, or passed to the origin as fast as it takes them. What
/// it does not take stays here without credit, so that the client stops (RFC 9113 section 5.2).
extension ClientStream {
    private func wantsBody(_ exchange: Exchange) -> Bool {
        if let origin = exchange.origin { return origin.wantsBody }
        return exchange.body != nil && !exchange.bodyComplete
    }

    func dataReceived(_ bytes: borrowing Span<UInt8>) {
        guard let exchange, !bodyPassed else {
            connection?.http.consumed(stream, bytes.count)
            return
        }
        exchange.bytesIn += UInt64(bytes.count)
        expectContinue = false
        if inbound.isEmpty && wantsBody(exchange) && !completes(exchange, bytes.count) {
            pass(bytes, exchange)
        } else {
            inbound.append(bytes)
        }
        touch()
    }

    /// The bytes that make the announced length whole go on only with END_STREAM: more could follow, and
    /// an HTTP/1.1 origin would have a whole request already.
    private func completes(_ exchange: Exchange, _ n: Int) -> Bool {
        guard case .known(let length) = exchange.requestBody else { return false }
        return pace.exceeds(length - 1, with: UInt64(n))
    }

    func trailersReceived(_ block: HTTP2Block) {
        guard let exchange else { return }
        guard !block.isTooLarge else {
            bodyPassed = true
            let outcome = Outcome(.validationError, status: 431, "the request's trailers are too large")
            return exchange.status == 0 ? refuse(outcome) : exchange.wire?.abort(exchange, outcome) ?? ()
        }
        block.text.withReadable { text in
            for field in block.fields where worker.isForwardable(trailer: field, text, of: exchange) {
                let lines = trailers ?? Buffer(capacity: 256)
                trailers = lines
                HTTP1Encoder.field(field, of: text, into: lines)
            }
        }
    }

    /// END_STREAM. The session calls it once the data before it has been shown.
    func inboundEnded() {
        isInboundOver = true
        admitHeld()
        // A request without a body was whole when it was admitted.
        if exchange?.requestBody != BodySize.none { touch() }
    }

    private func touch() {
        guard !isTouched, let connection else { return }
        isTouched = true
        connection.touch(self)
    }

    /// After what was read has been seen: one write to the origin for all of it.
    func flushOrigin() {
        isTouched = false
        guard let exchange else { return }
        drainInbound(exchange)
    }

    func resumeBody(of exchange: Exchange) {
        guard exchange === self.exchange else { return }
        if exchange.canBeAskedFor && expectContinue && inbound.isEmpty && !isInboundOver, let connection {
            expectContinue = false
            let block = worker.fieldBlock
            block.clear()
            block.add(status: 100)
            connection.http.interim(stream, block)
            connection.flushSoon()
        }
        drainInbound(exchange)
    }

    private func drainInbound(_ exchange: Exchange) {
        guard !bodyPassed else { return }
        while !inbound.isEmpty && wantsBody(exchange) && (isInboundOver || !completes(exchange, inbound.count)) {
            let n = min(inbound.count, 16 << 10)
            inbound.withReadable { pass($0.extracting(0..<n), exchange) }
            guard self.exchange === exchange, !bodyPassed else { return }
            inbound.consume(n)
        }
        if inbound.isEmpty { inbound.giveBack() }
        if isInboundOver && inbound.isEmpty && hasTaker(exchange) {
            finishBody(exchange)
        } else {
            exchange.origin?.flush()
            armBodyDeadline(exchange)
        }
    }

    /// Is there somebody to hear of the body's end?
    private func hasTaker(_ exchange: Exchange) -> Bool {
        exchange.origin != nil ? exchange.requestBody != .none : exchange.body != nil && !exchange.bodyComplete
    }

    private func finishBody(_ exchange: Exchange) {
        bodyPassed = true
        if exchange.status == 0 { setDeadline(afterMS: 0) }
        worker.bodyComplete(exchange, received: pace.received, trailers: trailers, session: session)
    }

    private func pass(_ bytes: borrowing Span<UInt8>, _ exchange: Exchange) {
        guard pace.take(bytes.count, limit: exchange.rule.bodyLimit) else {
            bodyPassed = true
            let outcome = Outcome(.tooLarge, "the request body is larger than this route allows")
            if exchange.status == 0 { refuse(outcome) } else { exchange.wire?.abort(exchange, outcome) }
            return
        }
        if let origin = exchange.origin {
            exchange.bodyBegun = true
            origin.send(bytes)
        } else if let collected = exchange.body {
            collected.append(bytes)
        }
        connection?.http.consumed(stream, bytes.count)
        connection?.flushSoon()
    }

    /// The client is waited for only while somebody wants what it has not sent.
    private func armBodyDeadline(_ exchange: Exchange) {
        pace.stopWaiting(nowMS: worker.loop.nowMS)
        guard exchange.status == 0, !isInboundOver, stream.outbound.isEmpty else { return }
        setDeadline(
            afterMS: wantsBody(exchange) ? pace.wait(nowMS: worker.loop.nowMS, exchange.rule.timeouts) : 0)
    }

    /// The answer is made: nothing of the request is wanted any more.
    func dropInbound() {
        bodyPassed = true
        inbound.clear()
        inbound.giveBack()
        guard stream.unusedBytes > 0, let connection else { return }
        connection.http.consumed(stream, stream.unusedBytes)
        connection.flushSoon()
    }
}
