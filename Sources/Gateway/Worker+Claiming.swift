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
    /// Asks the log whether the request may be sent.
    func claim(_ exchange: Exchange, _ rule: RepetitionRule) -> Verdict {
        let submission = Submission(
            ticket: exchange.ticket, work: .claim(.reserve(takesOver: rule.takesOver)), repeatKey: exchange.repeatKey)
        guard shared.core.submit(submission) else {
            return .answer(Outcome(.upstreamUnavailable, "too many commands wait to be written", retryAfterMS: 1000))
        }
        return .park
    }

    /// Method, path, query, type and bytes of the body are what is asked; who asks is part of it where the stage
    /// `identify` has not said so.
    func setFingerprint(ofForwarded exchange: Exchange) {
        guard let text = exchange.text else { return }
        var digest = RepeatDigest(shared.desks.repeatSecret)
        text.withReadable { text in
            let head = exchange.head
            digest.add(text.extracting(head.method.range))
            digest.add(text.extracting(head.path.range))
            digest.add(text.extracting(head.query.range))
            digest.add(text.extracting((head.first(.contentType)?.value ?? .none).range))
            if exchange.principal == nil { digest.add(text.extracting((head.first(.authorization)?.value ?? .none).range)) }
        }
        if let body = exchange.body { body.withReadable { digest.add($0) } }
        exchange.repeatKey?.fingerprint = digest.finish()
    }

    /// What the log says of claims.
    /// - Returns: false = it is about something else.
    func deliver(claimed outcome: Reply.Outcome, _ exchange: Exchange, _ wire: any Wire) -> Bool {
        switch outcome {
        case .reserved(let fence, _):
            exchange.repeatFence = fence
            advance(exchange, session: wire.session)
            wire.flush()
        case .underWay: waitForTheFirst(exchange)
        case .upstream(let answer): relay(answer, exchange, wire)
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
        let wait = idleRepeatWaits.popLast() ?? RepeatWait(self)
        wait.begin(exchange.ticket, afterMS: min(max(5, waited), Self.longestWait - waited))
    }

    /// Sends the request, by an exchange of its own.
    func proxyOnce(_ exchange: Exchange, _ session: Session, by cluster: Cluster) {
        guard let key = exchange.repeatKey, let fence = exchange.repeatFence, let text = exchange.text else { return }
        let wire = StoringWire(of: exchange.ticket, session, key: key, fence: fence, worker: self)
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
        let head = ReplyLines(status: answer.status)
        head.add(lines: answer.fields)
        if isRepeated { head.add(.other, "idempotent-replayed", "true") }
        exchange.grpcStatus = answer.grpcStatus
        head.withHead { wire.start($0, size: answer.size, in: $1, of: exchange) }
        if !answer.body.isEmpty { wire.send(answer.body.span, of: exchange) }
        guard let lines = answer.trailers else { return wire.end(trailers: nil, of: exchange) }
        let trailers = Buffer(capacity: lines.count + 1)
        trailers.append(lines)
        wire.end(trailers: trailers, of: exchange)
    }
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
