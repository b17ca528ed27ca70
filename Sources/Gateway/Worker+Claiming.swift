import Contracts
import EventCore
import Exchanges
import Pipeline
import Reactor
import Routes
import WireHTTP

/// Requests with an idempotency key that a cluster answers (SPEC 4): a durable record before anything is sent, and
/// another before the answer leaves. What stands between them is an exchange of the gateway's own, which goes on when
/// the client has left: so that who comes again finds the outcome.
extension Worker {
    /// Asks the log whether the request may be sent: its target is a cluster.
    func claim(_ exchange: Exchange, era: Era) {
        if exchange.repeatKey?.hasFingerprint == false { setFingerprint(ofForwarded: exchange, era) }
        let rule = era.table.repetitions[Int(exchange.rule.repetition)]
        let submission = Submission(
            ticket: exchange.ticket, work: .claim(.reserve(takesOver: rule.takesOver)), repeatKey: exchange.repeatKey)
        guard shared.core.submit(submission) else {
            let full = Outcome(.upstreamUnavailable, "too many commands wait to be written", retryAfterMS: 1000)
            exchange.wire?.answer(full, of: exchange)
            return
        }
        watch(exchange)
    }

    /// What cannot be sent after all has not happened.
    func releaseClaim(_ ticket: Ticket, _ key: RepeatKey?, _ fence: UInt64?) {
        guard let key, let fence else { return }
        let claim = UpstreamClaim.release(fence: fence, Outcome(.validationError))
        _ = shared.core.submit(Submission(ticket: ticket, work: .claim(claim), repeatKey: key))
    }

    /// What is asked: the decoded command, where the core is on the other side of the flag; the message of a call; else
    /// method, path, query, type, precondition and the bytes of the body. Who asks is part of it where the stage
    /// `identify` has not said so.
    private func setFingerprint(ofForwarded exchange: Exchange, _ era: Era) {
        if let request = request(of: exchange, era), let expected = expectedVersion(exchange) {
            return setFingerprint(of: request, expected: expected, exchange)
        }
        guard let text = exchange.text else { return }
        var digest = RepeatDigest(shared.desks.repeatSecret)
        text.withReadable { text in
            let head = exchange.head
            digest.add(text.extracting(head.path.range))
            if !exchange.rule.isGRPC {
                digest.add(text.extracting(head.method.range))
                digest.add(text.extracting(head.query.range))
                digest.add(text.extracting((head.first(.contentType)?.value ?? .none).range))
                digest.add(text.extracting((head.first(.ifMatch)?.value ?? .none).range))
            }
            if exchange.principal == nil { digest.add(text.extracting((head.first(.authorization)?.value ?? .none).range)) }
        }
        if let message = canonicalMessage(of: exchange, era) {
            message.withReadable { digest.add($0) }
        } else if let body = exchange.body {
            body.withReadable { digest.add($0) }
        }
        exchange.repeatKey?.fingerprint = digest.finish()
    }

    /// The message of a call as JSON, which is the same for all clients; nil where the contracts do not know it.
    private func canonicalMessage(of exchange: Exchange, _ era: Era) -> Buffer? {
        guard exchange.rule.isGRPC, let schema = era.contracts.schema, let text = exchange.text,
            let method = text.withReadable({ schema.method(path: $0.extracting(exchange.head.path.range)) })
        else { return nil }
        let json = Buffer(capacity: 256)
        let isWritten = withMessage(of: exchange) { message in
            do throws(ProtoJSONError) {
                try transcoder.appendJSON(
                    message: message, type: schema.methods[method].input, schema, options: ProtoJSONOptions(), into: json)
                return true
            } catch {
                return false
            }
        }
        guard case .success(true) = isWritten else { return nil }
        return json
    }

    /// What the log says of claims.
    /// - Returns: false = it is about something else.
    func deliver(claimed outcome: Reply.Outcome, _ exchange: Exchange, _ wire: any Wire) -> Bool {
        switch outcome {
        case .reserved(let fence, _):
            FailPlace.reserved.reach()
            exchange.repeatFence = fence
            advance(exchange, session: wire.session)
            wire.flush()
        // The core's side of the flag has carried it out, and knows how to say so.
        case .repeated:
            guard case .upstream = exchange.target, let command = exchange.rule.command else { return false }
            exchange.target = command
            advance(exchange, session: wire.session)
        case .underWay: waitForTheFirst(exchange)
        case .upstream(let answer):
            FailPlace.stored.reach()
            relay(answer, exchange, wire)
        case .upstreamRepeated(let answer): relay(answer, exchange, wire, isRepeated: true)
        case .released(let outcome): wire.answer(outcome, of: exchange)
        default: return false
        }
        return true
    }

    /// Whoever asked has left before anything was sent.
    func giveUp(_ reply: Reply) {
        guard case .reserved(let fence, let key) = reply.outcome else { return }
        _ = shared.core.submit(
            Submission(ticket: reply.ticket, work: .claim(.release(fence: fence, Outcome(.cancelled))), repeatKey: key))
    }

    /// Milliseconds that a repetition waits for the first to end (SPEC I-3).
    private static let longestWait: UInt64 = 2000

    private func waitForTheFirst(_ exchange: Exchange) {
        if exchange.wishes.waitsSinceMS == 0 { exchange.wishes.waitsSinceMS = max(1, loop.nowMS) }
        let waited = loop.nowMS - min(loop.nowMS, exchange.wishes.waitsSinceMS)
        guard waited < Self.longestWait else {
            return refuse(
                exchange,
                Refusal(.requestInProgress, "the first request with this idempotency key is still under way", retryAfterMS: 1000))
        }
        exchange.isParked = true
        let wait = idleRepeatWaits.popLast() ?? RepeatWait(self)
        wait.begin(exchange.ticket, afterMS: min(max(5, waited), Self.longestWait - waited))
    }

    /// Sends the request, by an exchange of its own.
    func proxyOnce(_ exchange: Exchange, _ session: Session, by cluster: Cluster) {
        guard let key = exchange.repeatKey, let fence = exchange.repeatFence, let text = exchange.text else { return }
        let wire = StoringWire(of: exchange, session, key: key, fence: fence, worker: self)
        let sent = takeExchange(wire: wire)
        eras[Int(sent.era)]?.exchanges -= 1
        sent.era = exchange.era
        let era = era(of: exchange)
        era.exchanges += 1
        sent.head = exchange.head
        // The client's connection uses its text again when the client has left.
        let copy = Buffer(capacity: text.count + 1)
        text.withReadable { copy.append($0) }
        sent.text = copy
        if exchange.translation != nil { sent.translation = wire }
        sent.rule = exchange.rule
        sent.target = exchange.target
        sent.captures = exchange.captures
        sent.principal = exchange.principal
        sent.trace = exchange.trace
        sent.continuesTrace = exchange.continuesTrace
        exchange.correlationID.withReadable { sent.correlationID.append($0) }
        sent.body = exchange.body
        sent.bodyComplete = true
        sent.requestBody = exchange.requestBody
        sent.endsByMS = exchange.endsByMS
        wire.begin(sent)
        callsUnderWay += 1
        watch(exchange)
        proxy(sent, session, era, by: cluster, avoiding: nil, hasPlace: false)
    }

    /// Gives a whole answer to a client.
    func relay(_ answer: StoredAnswer, _ exchange: Exchange, _ wire: any Wire, isRepeated: Bool = false) {
        var wire = wire
        if isRepeated {
            // On the core's side of a flag the client's JSON was taken as it was.
            if exchange.rule.call != Rule.none, exchange.translation == nil, answer.grpcStatus != nil {
                translate(exchange, by: era(of: exchange).contracts.calls[Int(exchange.rule.call)])
                wire = exchange.wire ?? wire
            }
            guard exchange.isCall == (answer.grpcStatus != nil) else { return refuse(exchange, Self.otherForm) }
        }
        let head = ReplyLines(status: answer.status)
        head.add(lines: answer.fields)
        if isRepeated { head.add(.other, "idempotent-replayed", "true") }
        // As an origin would: a wire frames by what the head says.
        if case .known(let bytes) = answer.size {
            head.add(.contentLength, "content-length") { $0.append(decimal: bytes) }
        }
        exchange.grpcStatus = answer.grpcStatus
        head.withHead { wire.start($0, size: answer.size, in: $1, of: exchange) }
        if !answer.body.isEmpty { wire.send(answer.body.span, of: exchange) }
        guard let lines = answer.trailers else { return wire.end(trailers: nil, of: exchange) }
        let trailers = Buffer(capacity: lines.count + 1)
        trailers.append(lines)
        wire.end(trailers: trailers, of: exchange)
    }
}

extension Worker {
    private static let otherForm = Refusal(
        .illegalState, "this request has been carried out before, and its answer has another protocol's form")
}

extension StoredAnswer {
    fileprivate var size: BodySize {
        if trailers != nil { return .unknown }
        // A gRPC answer without messages is a head and nothing else.
        return body.isEmpty && (grpcStatus != nil || status == 204 || status == 304) ? .none : .known(UInt64(body.count))
    }
}

extension Verb {
    /// RFC 9110 section 9.2.1: asks for nothing to be changed.
    var isSafe: Bool { [.get, .head, .options, .trace].contains(self) }
}

/// An exchange whose first request is on its way.
final class RepeatWait: Source {
    private let worker: Worker
    private var ticket = Ticket(worker: 0, slot: 0, generation: 0)

    init(_ worker: Worker) {
        self.worker = worker
        super.init()
        _ = worker.loop.register(self, descriptor: nil)
    }

    /// - Parameter afterMS: at least 1.
    func begin(_ ticket: Ticket, afterMS: UInt64) {
        self.ticket = ticket
        worker.loop.setDeadline(self, afterMS: afterMS)
    }

    override func deadlinePassed() {
        worker.idleRepeatWaits.append(self)
        worker.wake(ticket)
    }
}
