import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import WireHTTP

/// Request bodies: collected for the pipeline, or passed to the origin as fast as it takes them.
extension ClientConnection {
    /// Who takes body bytes now?
    func wantsBody(_ exchange: Exchange) -> Bool {
        if let origin = exchange.origin { return origin.wantsBody }
        return exchange.body != nil && !exchange.bodyComplete
    }

    func resumeBody(of exchange: Exchange) {
        guard exchange === self.exchange else { return }
        if exchange.canBeAskedFor && framing.expectContinue && position == input.count {
            framing.expectContinue = false
            sendContinue()
        }
        drive()
        if phase == .exchanging, exchange === self.exchange, !body.isDone, exchange.status == 0 {
            armBodyDeadline(exchange)
        }
    }

    /// The client is waited for until it is silent for `body`, or slower than `body_rate` on average.
    private func armBodyDeadline(_ exchange: Exchange) {
        pace.stopWaiting(nowMS: worker.loop.nowMS)
        // A tunnel's silence is measured at its other end, for both directions at once.
        // While the client does not read, the deadline is that of `send`.
        guard !reply.isTunnel, !outputBlocked else { return }
        guard wantsBody(exchange) else { return worker.loop.setDeadline(self, afterMS: 0) }
        worker.loop.setDeadline(self, afterMS: pace.wait(nowMS: worker.loop.nowMS, exchange.rule.timeouts))
    }

    /// Takes apart what is in `input`. True = progress was made and there may be more to do without
    /// reading; false = bytes must be received first.
    func passBody(_ exchange: Exchange) -> Bool {
        let input = input
        guard position < input.count else { return false }
        var reader = body
        var at = position
        let limits = port.limits
        let ending: BodyEnding = input.withReadable { text in
            while reader.isExhausted || (exchange.origin?.wantsBody ?? true) {
                switch reader.next(text, at: &at, limits: limits) {
                case .needMore:
                    // A chunk that would break the limit is refused before it comes.
                    let tooMuch = pace.exceeds(exchange.rule.bodyLimit, with: reader.announced)
                    return !reply.isTunnel && tooMuch ? .tooLarge : .needMore
                case .data(let slice):
                    if let ending = take(text.extracting(slice.range), exchange) { return ending }
                case .trailer(let field): keep(field, text)
                case .end: return .complete
                case .failed(let fault): return .malformed(fault)
                }
            }
            return .blocked
        }
        body = reader
        exchange.bytesIn += UInt64(at - position)
        position = at
        compactInput()
        guard phase == .exchanging, self.exchange === exchange else { return false }
        switch ending {
        case .needMore:
            exchange.origin?.flush()
            // A translation may have refused what it was given.
            guard self.exchange === exchange else { return false }
            armBodyDeadline(exchange)
            return false
        case .blocked:
            exchange.origin?.flush()
            guard self.exchange === exchange else { return true }
            armBodyDeadline(exchange)
            // Flushing may have made room, and then nobody will tell us: go on at once.
            return phase == .exchanging && self.exchange === exchange && wantsBody(exchange)
        case .complete:
            if !outputBlocked { worker.loop.setDeadline(self, afterMS: 0) }
            worker.bodyComplete(exchange, received: pace.received, trailers: trailers, session: session)
            return true
        case .tooLarge:
            refuseBody(Outcome(.tooLarge, "the request body is larger than this route allows"), exchange)
            return false
        case .malformed(let fault):
            worker.meters.countParseError(Int(fault.rawValue))
            refuseBody(Outcome(.validationError, status: fault.status, fault.label), exchange)
            return false
        }
    }

    /// Nothing may follow that could pass for the rest of the body; an answer that has begun is cut.
    private func refuseBody(_ outcome: Outcome, _ exchange: Exchange) {
        if exchange.status == 0 { refuse(outcome) } else { exchange.wire?.abort(exchange, outcome) }
    }

    private enum BodyEnding { case needMore, blocked, complete, tooLarge, malformed(HTTP1Fault) }

    private func take(_ bytes: borrowing Span<UInt8>, _ exchange: Exchange) -> BodyEnding? {
        if !reply.isTunnel && !pace.take(bytes.count, limit: exchange.rule.bodyLimit) { return .tooLarge }
        if let origin = exchange.origin {
            exchange.bodyBegun = true
            origin.send(bytes)
        } else if let collected = exchange.body {
            collected.append(bytes)
        }
        return nil
    }

    private func keep(_ field: Field, _ text: borrowing Span<UInt8>) {
        guard let exchange, worker.isForwardable(trailer: field, text, of: exchange) else { return }
        let lines = trailers ?? Buffer(capacity: 256)
        trailers = lines
        HTTP1Encoder.field(field, of: text, into: lines)
    }

    /// Drops body bytes that have been used, keeping the head of the exchange in front.
    private func compactInput() {
        guard position == input.count, position > headCount else { return }
        input.dropLast(position - headCount)
        position = headCount
        if reply.isTunnel && !readable { input.trim() }
        if headCount == 0 { releaseInput() }
    }

    private func sendContinue() {
        output.append("HTTP/1.1 100 Continue\r\n\r\n" as StaticString)
        flush()
    }
}

extension ClientConnection {
    /// A body nobody wants, if all of it has come already: skipping it keeps the connection usable.
    func skipReceivedBody() {
        guard !body.isDone, !framing.expectContinue else { return }
        var reader = body
        var at = position
        let limits = port.limits
        input.withReadable { text in
            while !reader.isDone {
                switch reader.next(text, at: &at, limits: limits) {
                case .data, .trailer, .end: continue
                case .needMore, .failed: return
                }
            }
        }
        guard reader.isDone else { return }
        body = reader
        exchange?.bytesIn += UInt64(at - position)
        position = at
    }
}
