import EventCore
import Exchanges
import Pipeline
import Telemetry
import WireGRPC
import WireHTTP

/// The wire of an exchange that asks a cluster once for a request with an idempotency key: it collects the answer,
/// and hands it to the log, from where the client gets it. An answer that is too large to be kept passes as it comes.
final class StoringWire: Translation {
    /// The client's exchange.
    private let asker: Ticket
    let session: Session
    private let key: RepeatKey
    private let fence: UInt64
    private let worker: Worker
    /// Nil once it is over.
    private var exchange: Exchange?

    private var status: UInt16 = 0
    private let fields = Buffer(capacity: 256)
    /// Those that say something of the answer itself.
    private let keptFields = Buffer(capacity: 256)
    private var body: [UInt8] = []
    private var passes = false
    /// It passes to a client, who has had its head.
    private var isHeard = false
    /// Of a request that goes as a call: the client's own translation turns the answer back.
    let callPath: [UInt8]?
    private var hasSwitched = false

    init(of asking: Exchange, _ session: Session, key: RepeatKey, fence: UInt64, worker: Worker) {
        asker = asking.ticket
        callPath = asking.translation?.callPath
        self.session = session
        self.key = key
        self.fence = fence
        self.worker = worker
    }

    /// Outcomes come as such: the client's own wire gives them a form.
    var isNull: Bool { true }

    func begin(_ exchange: Exchange) { self.exchange = exchange }

    private var asking: (exchange: Exchange, wire: any Wire)? {
        guard let exchange = worker.exchange(asker), let wire = exchange.wire else { return nil }
        return (exchange, wire)
    }

    /// Whoever hears an answer that passes.
    private var listening: (exchange: Exchange, wire: any Wire)? { isHeard ? asking : nil }

    // MARK: - The request, which is whole and a call's already

    var client: any Wire { self }
    func requestOrigin(_ origin: any Origin, of exchange: Exchange) -> any Origin { origin }
    func prepare(_ exchange: Exchange) -> Bool { true }

    // MARK: - What the gateway says

    func answer(_ outcome: Outcome, of exchange: Exchange) {
        // What has certainly not been carried out may be sent again under its key.
        let mayHaveRun = exchange.mayHaveRun
        if !mayHaveRun { submit(.release(fence: fence, outcome)) }
        finish(outcome.httpStatus)
        guard mayHaveRun, let (client, wire) = asking, client.status == 0 else { return }
        wire.answer(outcome, of: client)
    }

    func answer(_ reply: LocalReply, of exchange: Exchange) {
        answer(Outcome(.badUpstream, "the cluster cannot be asked"), of: exchange)
    }

    func abort(_ exchange: Exchange, _ why: Outcome) {
        worker.countAborted(exchange, why)
        exchange.mayHaveRun = true
        guard passes else { return answer(why, of: exchange) }
        finish(status)
        if let (client, wire) = listening { wire.abort(client, why) }
    }

    // MARK: - What the origin says

    func interim(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {}

    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) { hasSwitched = true }

    func start(_ reply: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        status = reply.status
        for field in reply.fields where field.name != .contentLength && field.name != .transferEncoding {
            HTTP1Encoder.field(field, of: text, into: fields)
            if Self.isKept(field, text) { HTTP1Encoder.field(field, of: text, into: keptFields) }
        }
        if let bytes = size.bytes, bytes > UInt64(StoredAnswer.most) { pass() }
    }

    /// What a repetition is told beside the status and the body (SPEC I-5).
    private static func isKept(_ field: Field, _ text: borrowing Span<UInt8>) -> Bool {
        if field.name == .contentType || field.name == .location { return true }
        let name = text.extracting(field.nameText.range)
        return name.equalsIgnoringCase("etag") || name.equalsIgnoringCase("content-encoding")
            || name.equalsIgnoringCase("content-language") || name.equalsIgnoringCase("content-location")
            || name.equalsIgnoringCase("last-modified") || name.equalsIgnoringCase("link")
            || name.equalsIgnoringCase("grpc-status") || name.equalsIgnoringCase("grpc-message")
            || name.equalsIgnoringCase("grpc-encoding") || name.equalsIgnoringCase("grpc-status-details-bin")
    }

    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {
        exchange.bytesOut += UInt64(bytes.count)
        if !passes, body.count + bytes.count > StoredAnswer.most { pass() }
        guard passes else {
            bytes.withUnsafeBufferPointer { body.append(contentsOf: $0) }
            return
        }
        if let (client, wire) = listening { wire.send(bytes, of: client) }
    }

    /// Too large to be kept: the record says that it cannot be repeated, and the answer goes on.
    private func pass() {
        passes = true
        // Taken out first: what is sent may bring the end of all this.
        let held = body
        body = []
        // The client first: what the log says of it must find him answered.
        if let (client, wire) = asking, client.status == 0 {
            isHeard = true
            client.origin = PassingOrigin(of: self)
            let head = ReplyLines(status: status)
            head.add(lines: fields.copyReadable())
            head.withHead { wire.start($0, size: .unknown, in: $1, of: client) }
            if !held.isEmpty { wire.send(held.span, of: client) }
        }
        submit(.complete(fence: fence, answer: StoredAnswer(status: status, fields: [], body: []), kept: nil))
    }

    func end(trailers: Buffer?, of exchange: Exchange) {
        let isCall = exchange.isCall
        guard !hasSwitched, !isCall || exchange.grpcStatus != nil else {
            return abort(exchange, GRPCAnswer.missingStatus(hasTrailers: trailers != nil))
        }
        if passes {
            let grpcStatus = exchange.grpcStatus
            finish(status)
            guard let (client, wire) = listening else { return }
            client.grpcStatus = grpcStatus
            client.origin = nil
            return wire.end(trailers: trailers, of: client)
        }
        let answer = StoredAnswer(
            status: status, fields: fields.copyReadable(), body: body, trailers: trailers?.copyReadable(),
            grpcStatus: isCall ? exchange.grpcStatus : nil)
        FailPlace.answered.reach()
        submit(answer.isDeclined ? .decline(fence: fence, answer) : .complete(fence: fence, answer: answer, kept: kept(answer)))
        finish(status)
    }

    /// Nil for what is not to be kept: it is too large, or holds what looks like a card's number (SPEC 24).
    private func kept(_ answer: StoredAnswer) -> StoredAnswer? {
        var kept = answer
        kept.fields = keptFields.copyReadable()
        kept.trailers = answer.trailers.map(StoredAnswer.withoutCookies)
        let holdsCard = [kept.fields, kept.body, kept.trailers ?? []].contains { Masking.holdsCard($0.span) }
        return holdsCard || kept.isTooLarge ? nil : kept
    }

    func flush() {
        guard passes else { return }
        if let (_, wire) = listening { wire.flush() } else { finish(status) }
    }

    /// All of the body has been there from the beginning.
    func resumeBody(of exchange: Exchange) {}

    // MARK: - The end

    private func submit(_ claim: UpstreamClaim) {
        let submission = Submission(ticket: asker, work: .claim(claim), repeatKey: key)
        if !worker.shared.core.submit(submission) {
            worker.deliver(Reply(ticket: asker, outcome: claim.outcomeUnwritten(.notRepeated)))
        }
    }

    private func finish(_ status: UInt16) {
        guard let exchange = exchange.take() else { return }
        if let origin = exchange.origin {
            exchange.origin = nil
            origin.cancel()
        }
        exchange.status = status
        worker.finish(exchange)
        worker.callsUnderWay -= 1
    }

    // MARK: - Flow, of an answer that passes

    func pause() { exchange?.origin?.pause() }
    func resume() { exchange?.origin?.resume() }
    func cancel() { finish(status) }
}

extension StoredAnswer {
    /// It says that nothing was done and that one may come again: so may the key.
    fileprivate var isDeclined: Bool {
        if let grpcStatus { return grpcStatus == GRPCStatus.unavailable.rawValue || grpcStatus == 8 }
        return [408, 425, 429, 503].contains(status)
    }
}
