import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import WireHTTP

/// How the answer in progress is framed on this connection.
struct ReplyState {
    enum Framing { case raw, chunked, untilClose }
    var framing = Framing.raw
    var keepAlive = false
    /// The answer has no body whatever its fields say (HEAD, 204, 304).
    var bodiless = false
    var isTunnel = false
    /// Tunnel: who has ended its direction.
    var upstreamEnded = false
    var clientEnded = false
    /// The origin was told to read no more until the client has read.
    var paused = false
}

extension ClientConnection {
    static let highWater = 64 * 1024

    /// May the connection carry another exchange after this answer?
    private func decideKeepAlive() -> Bool {
        if exchange?.origin == nil { skipReceivedBody() }
        return framing.persistent && body.isDone && !worker.isDraining && worker.loop.nowMS < agedMS
    }

    /// `Connection`, where the default of the client's version does not already say it.
    private func connectionField(_ out: Buffer) {
        if !reply.keepAlive {
            out.append("Connection: close\r\n" as StaticString)
        } else if framing.minor == 0 {
            out.append("Connection: keep-alive\r\n" as StaticString)
        }
    }

    // MARK: - Answers of our own

    func answer(_ outcome: Outcome, of exchange: Exchange) {
        answer(Problem(outcome, exchange, fields: nil).reply(), of: exchange)
    }

    func answer(_ local: LocalReply, of exchange: Exchange) {
        guard exchange === self.exchange, exchange.status == 0 else { return }
        exchange.status = local.status
        reply.keepAlive = decideKeepAlive()
        let out = output
        let before = out.count
        HTTP1Encoder.statusLine(local.status, into: out)
        ReplyFields.local(local, of: exchange, worker: worker, into: FieldLines(out: out))
        connectionField(out)
        HTTP1Encoder.crlf(out)
        if exchange.head.verb != .head && local.mayHaveBody { out.append(local.body) }
        exchange.bytesOut += UInt64(out.count - before)
        flush(isLast: !reply.keepAlive)
        if exchange === self.exchange { exchangeOver() }
    }

    // MARK: - Proxied answers

    func interim(_ head: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        // HTTP/1.0 clients do not know interim answers (RFC 9110 section 15.2).
        guard exchange === self.exchange, framing.minor >= 1 else { return }
        let out = output
        HTTP1Encoder.statusLine(head.status, into: out)
        ReplyFields.interim(head, in: text, into: FieldLines(out: out))
        HTTP1Encoder.crlf(out)
    }

    func start(_ head: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        guard exchange === self.exchange else { return }
        exchange.status = head.status
        reply.bodiless = exchange.head.verb == .head || head.status == 204 || head.status == 304
        reply.keepAlive = decideKeepAlive()
        let out = output
        let before = out.count
        HTTP1Encoder.statusLine(head.status, into: out)
        ReplyFields.proxied(head, in: text, of: exchange, worker: worker, into: FieldLines(out: out))
        if !reply.bodiless {
            switch size {
            case .none:
                reply.framing = .raw
                if head.first(.contentLength) == nil { HTTP1Encoder.contentLength(0, into: out) }
            case .known: reply.framing = .raw
            case .unknown where framing.minor >= 1:
                reply.framing = .chunked
                HTTP1Encoder.chunkedCoding(into: out)
            case .unknown:
                reply.framing = .untilClose
                reply.keepAlive = false
            }
        }
        connectionField(out)
        HTTP1Encoder.crlf(out)
        exchange.bytesOut += UInt64(out.count - before)
        // A stream may run for hours: the request's head needs only its own bytes meanwhile.
        if size == .unknown { input.trim() }
    }

    func startTunnel(_ head: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        guard exchange === self.exchange else { return }
        exchange.status = head.status
        reply.isTunnel = true
        reply.framing = .raw
        reply.keepAlive = false
        body = HTTP1BodyReader(.untilClose)
        let out = output
        HTTP1Encoder.statusLine(head.status, into: out)
        ReplyFields.proxied(head, in: text, of: exchange, worker: worker, into: FieldLines(out: out))
        out.append("Connection: upgrade\r\n" as StaticString)
        if let upgrade = head.first(.upgrade) { HTTP1Encoder.field(upgrade, of: text, into: out) }
        HTTP1Encoder.crlf(out)
        worker.loop.again(self)  // bytes the client has already sent go through now
    }

    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {
        guard exchange === self.exchange, !reply.bodiless, bytes.count > 0 else { return }
        let out = output
        let before = out.count
        if reply.framing == .chunked {
            HTTP1Encoder.chunkSize(bytes.count, into: out)
            out.append(bytes)
            HTTP1Encoder.crlf(out)
        } else {
            out.append(bytes)
        }
        exchange.bytesOut += UInt64(out.count - before)
    }

    func end(trailers: Buffer?, of exchange: Exchange) {
        guard exchange === self.exchange else { return }
        if reply.isTunnel {
            reply.upstreamEnded = true
            flush()
            if output.isEmpty && transport.isOpen { transport.shutdownSending() }
            finishTunnelIfOver(exchange)
            return
        }
        if reply.framing == .chunked && !reply.bodiless { HTTP1Encoder.lastChunk(trailers: trailers, into: output) }
        flush(isLast: !reply.keepAlive)
        if exchange === self.exchange { exchangeOver() }
    }

    /// A tunnel is over when both directions are, and all that was said in them is on its way.
    func finishTunnelIfOver(_ exchange: Exchange) {
        guard exchange === self.exchange, reply.upstreamEnded, reply.clientEnded, output.isEmpty,
            exchange.origin?.isFlushed ?? true
        else { return }
        exchange.origin?.cancel()
        exchange.origin = nil
        exchangeOver()
    }

    func abort(_ exchange: Exchange, _ why: Outcome) {
        guard exchange === self.exchange else { return }
        exchange.origin?.cancel()
        exchange.origin = nil
        worker.countAborted(exchange, why)
        self.exchange = nil
        worker.finish(exchange)
        if !output.isEmpty { _ = transport.send(output) }
        // A body that would end with the connection must not seem to have ended properly.
        close(reset: reply.framing == .untilClose)
    }

    // MARK: - Out

    func flush() { flush(isLast: false) }

    /// - Parameter isLast: the connection ends with this.
    private func flush(isLast: Bool) {
        let out = output
        guard phase != .closed, !out.isEmpty else { return }
        var progress = !outputBlocked
        while !out.isEmpty {
            switch transport.send(out, more: isLast) {
            case .moved(let n):
                progress = true
                worker.meters.count(.bytesOut, by: UInt64(n))
            case .wouldBlock, .ended:
                blocked(out, progress)
                return
            case .failed:
                connectionLost()
                return
            }
        }
        out.giveBack()
        if outputBlocked { unblocked() }
    }

    /// - Parameter progress: the client has read since this was last called; only that puts off its end.
    private func blocked(_ out: Buffer, _ progress: Bool) {
        outputBlocked = true
        if progress { worker.loop.setDeadline(self, afterMS: UInt64(port.timeouts.send)) }
        if out.count > Self.highWater, !reply.paused, let origin = exchange?.origin {
            reply.paused = true
            origin.pause()
        }
    }

    private func unblocked() {
        outputBlocked = false
        if closeWhenFlushed {
            linger()
            return
        }
        switch phase {
        case .exchanging:
            worker.loop.setDeadline(self, afterMS: 0)
            if reply.paused {
                reply.paused = false
                exchange?.origin?.resume()
            }
            if reply.upstreamEnded, let exchange {
                transport.shutdownSending()
                finishTunnelIfOver(exchange)
            }
        case .idle:
            worker.loop.setDeadline(self, afterMS: UInt64(port.timeouts.keepAlive))
            worker.loop.again(self)
        default: break
        }
    }
}
