import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import WireHTTP

/// Taking answers apart, and handing them to the exchange's wire as they come.
extension UpstreamConnection {
    /// Reads while there is something and somebody wants it, at most so many times a turn: one fast
    /// upstream must not keep the worker from its other connections.
    private static var readsPerTurn: Int { 16 }

    func read() {
        var reads = 0
        while state == .active && readable && !paused {
            if reads == Self.readsPerTurn {
                worker.loop.again(self)
                return
            }
            reads += 1
            // Reading is never nested: only the loop starts it. So all connections share one buffer,
            // and only one with an unfinished head or chunk line has its own.
            let buffer = kept.isEmpty ? scratch : kept
            buffer.reserve(1024)
            switch transport.receive(into: buffer) {
            case .moved:
                if transport.isDrained(buffer) && !peerClosed { readable = false }
                take(buffer)
            case .wouldBlock: readable = false
            case .ended:
                readable = false
                peerClosed = true
                ended()
            case .failed:
                readable = false
                peerClosed = true
                fail(headSeen ? .incomplete : .terminated)
            }
        }
    }

    /// Uses what was received. Keeps the rest for the next read; a rest behind a complete answer is
    /// nobody's answer, and ends the connection.
    private func take(_ buffer: Buffer) {
        guard let exchange, let wire = exchange.wire else {
            buffer.clear()
            close()
            return
        }
        let step: Step = buffer.withReadable { text in
            var position = 0
            if !headSeen {
                let step = heads(text, at: &position, exchange, wire)
                if step != .more || !headSeen { return step.after(position) }
            }
            return bodyEvents(text, at: &position, exchange, wire).after(position)
        }
        switch step {
        case .used(let n):
            keepRest(of: buffer, from: n)
            wire.flush()
            if state == .active && !paused { armAnswerDeadline() }
        case .finished(let n):
            keepRest(of: buffer, from: n)
            finish(exchange, wire)
        case .unwanted(let n):
            keepRest(of: buffer, from: n)
            giveUpAnswer()
        case .failed(let fault):
            buffer.clear()
            fail(fault)
        case .more: break
        }
    }

    /// Empties `buffer`; what was not used moves to (or stays in) a buffer of this connection's own.
    private func keepRest(of buffer: Buffer, from used: Int) {
        buffer.consume(used)
        if buffer.isEmpty {
            kept.giveBack()
        } else if buffer !== kept {
            if state != .closed { buffer.withReadable { kept.append($0) } }
            buffer.clear()
        }
    }

    private enum Step: Equatable {
        case more
        case used(Int)
        case finished(Int)
        /// An answer that is a reason to try again.
        case unwanted(Int)
        case failed(UpstreamFault)

        func after(_ position: Int) -> Step {
            switch self {
            case .more: .used(position)
            case .finished: .finished(position)
            case .used, .unwanted, .failed: self
            }
        }
    }

    // MARK: - Heads

    /// Interim heads are passed on, the final one begins the answer.
    private func heads(
        _ text: borrowing Span<UInt8>, at position: inout Int, _ exchange: Exchange, _ wire: any Wire
    ) -> Step {
        while true {
            let rest = text.extracting(position..<text.count)
            if rest.count == 0 { return .more }
            var parser = HTTP1ResponseParser()
            var framing = HTTP1Framing()
            var bodyFraming = BodyFraming.none
            var head = worker.takeReply()
            defer { worker.giveReply(&head) }
            let progress = parser.parse(
                rest, to: exchange.head.verb, into: &head, framing: &framing, body: &bodyFraming,
                limits: endpoint.cluster.limits)
            switch progress {
            case .needMore: return .more
            case .failed(let fault):
                worker.meters.countParseError(Int(fault.rawValue))
                return .failed(.protocolError)
            case .complete(let length):
                position += length
                head.dropNamedFields(framing, in: rest)
                if head.status == 101 {
                    guard exchange.wantsUpgrade, framing.requestsUpgrade else { return .failed(.protocolError) }
                    beginTunnel()
                    wire.startTunnel(head, in: rest, of: exchange)
                    return .more
                }
                if head.status < 200 {
                    interimCount += 1
                    guard interimCount <= endpoint.cluster.limits.informational else { return .failed(.protocolError) }
                    wire.interim(head, in: rest, of: exchange)
                    continue
                }
                answerStatus = head.status
                persistent = framing.persistent
                body = HTTP1BodyReader(bodyFraming)
                let reason = RetryPolicy.Reasons(status: head.status)
                if !reason.isEmpty,
                    worker.takesRetry(exchange, reason, provenUnprocessed: false, of: endpoint.cluster)
                {
                    skipBody(text, at: &position)
                    return .unwanted(position)
                }
                headSeen = true
                worker.answerBegins(exchange, from: endpoint, nanoseconds: worker.loop.nowNS &- sentNS)
                wire.start(head, size: BodySize(bodyFraming), in: rest, of: exchange)
                return .more
            }
        }
    }

    private func beginTunnel() {
        headSeen = true
        persistent = false
        tunnel = true
        reopenSending()
        body = HTTP1BodyReader(.untilClose)
    }

    // MARK: - Bodies

    private func bodyEvents(
        _ text: borrowing Span<UInt8>, at position: inout Int, _ exchange: Exchange, _ wire: any Wire
    ) -> Step {
        var reader = body
        defer { body = reader }
        while true {
            switch reader.next(text, at: &position, limits: endpoint.cluster.limits) {
            case .needMore: return .more
            case .data(let slice): wire.send(text.extracting(slice.range), of: exchange)
            case .trailer(let field):
                guard HTTP1Encoder.isForwardable(trailer: field) else { continue }
                let lines = trailers ?? Buffer(capacity: 256)
                trailers = lines
                HTTP1Encoder.field(field, of: text, into: lines)
            case .end: return .finished(position)
            case .failed(let fault):
                worker.meters.countParseError(Int(fault.rawValue))
                return .failed(.protocolError)
            }
            // The wire may have lost its peer meanwhile, and cancelled this connection.
            if self.exchange !== exchange { return .used(position) }
        }
    }

    /// The body of an answer that is not wanted. One that is all here is skipped, and the connection is clean;
    /// for one that is not, the connection is given up: waiting for a failing upstream is worth nothing.
    private func skipBody(_ text: borrowing Span<UInt8>, at position: inout Int) {
        while true {
            switch body.next(text, at: &position, limits: endpoint.cluster.limits) {
            case .data, .trailer: continue
            case .end: return
            case .needMore, .failed:
                persistent = false
                position = text.count
                return
            }
        }
    }

    /// The upstream ended the connection: the proper end of some bodies, the cutting short of others.
    private func ended() {
        if !headSeen {
            fail(.terminated)
        } else if tunnel {
            // Half-close: what the client still sends goes on until it ends too.
            guard let exchange else { return close() }
            exchange.wire?.end(trailers: nil, of: exchange)
        } else if body.endsWithConnection {
            finish()
        } else {
            fail(.incomplete)
        }
    }
}

extension BodySize {
    init(_ framing: BodyFraming) {
        switch framing {
        case .none: self = .none
        case .length(let n): self = .known(n)
        case .chunked, .untilClose: self = .unknown
        }
    }
}

extension ReplyHead {
    /// Takes out the fields a `Connection` option names; those always dropped are dropped when written.
    mutating func dropNamedFields(_ framing: HTTP1Framing, in text: borrowing Span<UInt8>) {
        guard framing.namesFields else { return }
        ConnectionFields.dropNamed(from: &fields, in: text)
    }
}
