import Contracts
import Exchanges
import Pipeline
import Routes
import WireGRPC

/// A gRPC call that a client makes in JSON: by a route's `transcode`, or by the unary form of the Connect
/// protocol. The client's wire is behind it; to the origin it looks like a gRPC client. This file is the
/// answer, `+Request` the way there.
final class JSONCall: Translation {
    let client: any Wire
    let call: CompiledCall
    let worker: Worker
    /// A message of the answer that is not whole yet, and how much of it there may be.
    private var frames: GRPCMessageReader
    /// Where messages become JSON.
    private let json = Buffer(capacity: 512)
    private var phase = Phase.waiting
    /// It holds this object, and lets it go at its end.
    private unowned let exchange: Exchange
    /// How a stream of messages is written.
    private let form: StreamForm
    /// The origin's own fields for the client, as lines.
    private var fields: [UInt8] = []
    /// Why the answer cannot go on. Nothing may be ended inside the calls that pass it on: it is kept for the
    /// flush that follows.
    private var failure: CallStatus?
    var isPrepared = false
    /// A line of the request that is not whole yet; it goes on from attempt to attempt.
    private(set) lazy var line = Buffer(capacity: 512)
    /// The request has ended with that line, and the origin was not open yet.
    var lastLineWaits = false
    /// What the head of the answer already said.
    private var early: CallStatus?

    private enum Phase {
        /// Nothing has gone to the client: the status is still open.
        case waiting
        /// The one message of a unary answer is in `json`.
        case message
        /// Messages of a stream have gone.
        case streaming
        case over
    }

    init(_ call: CompiledCall, of exchange: Exchange, client: any Wire, worker: Worker) {
        self.call = call
        self.client = client
        self.worker = worker
        self.exchange = exchange
        frames = GRPCMessageReader(limit: call.messageLimit)
        form = StreamForm(accept: exchange)
    }

    var callPath: [UInt8]? { call.path }
    var session: Session { client.session }

    // MARK: - What the gateway says

    func answer(_ outcome: Outcome, of exchange: Exchange) {
        phase = .over
        client.answer(outcome, of: exchange)
    }

    func answer(_ reply: LocalReply, of exchange: Exchange) {
        phase = .over
        client.answer(reply, of: exchange)
    }

    func abort(_ exchange: Exchange, _ why: Outcome) {
        fail(exchange, CallStatus(why))
    }

    // MARK: - What the origin says

    func interim(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {}

    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        failure = CallStatus(.internalError, "the origin switched protocols")
    }

    func start(_ reply: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        early = CallStatus(head: reply, in: text)
        for field in reply.fields where !JSONCall.ownFields.contains(field.name) {
            let name = text.extracting(field.nameText.range)
            if name.isGRPCsOwn { continue }
            fields += name.bytes + [0x3a, 0x20] + text.extracting(field.value.range).bytes + [0x0d, 0x0a]
        }
    }

    /// Of the answer to the call, not of the answer to the client.
    private static let ownFields: FieldNameSet = {
        var set = FieldNameSet(.contentType, .contentLength, .trailer, .date, .server, .transferEncoding, .connection)
        set.insert(.correlationID)
        return set
    }()

    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {
        guard phase != .over, early == nil else { return }
        var at = 0
        while failure == nil {
            switch frames.next(bytes, at: &at) {
            case .needMore: return
            case .message(flags: 0): take(frames.message, of: exchange)
            case .message: failure = CallStatus(.internalError, "the origin compressed a message, which it was not asked to")
            case .failed(.tooLarge): failure = CallStatus(.resourceExhausted, "the origin's message is larger than it may be")
            case .failed(.badFlag): failure = CallStatus(.internalError, "the origin's answer is no sequence of messages")
            }
        }
    }

    /// A whole message of the answer.
    private func take(_ message: Buffer, of exchange: Exchange) {
        guard phase == .waiting || call.serverStreams else {
            failure = CallStatus(.internalError, "the origin sent more than one message")
            return
        }
        json.clear()
        if call.serverStreams { form.begin(json) }
        do throws(ProtoJSONError) {
            try message.withReadable { text throws(ProtoJSONError) in
                try call.appendAnswer(text, into: json, &worker.transcoder)
            }
        } catch {
            failure = CallStatus(.internalError, "the origin's message is not what its contract says")
            return
        }
        guard call.serverStreams else {
            phase = .message
            return
        }
        form.end(json)
        if phase == .waiting { begin(exchange) }
        json.withReadable { client.send($0, of: exchange) }
    }

    private func begin(_ exchange: Exchange) {
        phase = .streaming
        let head = ReplyLines(status: 200)
        head.add(.contentType, "content-type", form.contentType)
        head.add(.cacheControl, "cache-control", "no-store")
        if form == .events { head.add(.other, "x-accel-buffering", "no") }
        head.add(lines: fields)
        head.withHead { client.start($0, size: .unknown, in: $1, of: exchange) }
    }

    func end(trailers: Buffer?, of exchange: Exchange) {
        guard phase != .over else { return }
        if let failure { return fail(exchange, failure) }
        let status = early ?? CallStatus(trailers: trailers)
        exchange.grpcStatus = status.status.rawValue
        guard status.status == .ok else { return fail(exchange, status) }
        guard frames.isBetweenMessages else {
            return fail(exchange, CallStatus(.internalError, "the origin's last message is cut short"))
        }
        switch phase {
        case .message:
            phase = .over
            client.answer(LocalReply(status: 200, body: json.copyReadable(), fields: fields), of: exchange)
        case .waiting where !call.serverStreams:
            fail(exchange, CallStatus(.internalError, "the origin sent no message"))
        case .waiting, .streaming:
            if phase == .waiting { begin(exchange) }
            phase = .over
            client.end(trailers: nil, of: exchange)
        case .over: break
        }
    }

    func flush() {
        if let failure, phase != .over {
            fail(exchange, failure)
        } else if phase == .streaming {
            client.flush()
        }
    }

    func resumeBody(of exchange: Exchange) {
        guard lastLineWaits, let origin = exchange.origin else { return client.resumeBody(of: exchange) }
        lastLineWaits = false
        origin.endBody(trailers: nil)
        origin.flush()
    }

    // MARK: - Failure

    /// The call has failed: an answer of its own while nothing has gone to the client, else a last object.
    func fail(_ exchange: Exchange, _ status: CallStatus) {
        guard phase != .over else { return }
        let hasBegun = phase == .streaming
        phase = .over
        exchange.grpcStatus = status.status.rawValue
        if let origin = exchange.origin {
            exchange.origin = nil
            origin.cancel()
        }
        guard hasBegun else { return client.answer(status.reply(of: exchange, fields: fields), of: exchange) }
        json.clear()
        form.beginError(json)
        json.append(status.reply(of: exchange, fields: []).body)
        form.endError(json)
        json.withReadable { client.send($0, of: exchange) }
        client.end(trailers: nil, of: exchange)
    }
}

extension Span where Element == UInt8 {
    /// `grpc-status`, `grpc-encoding` and the like, which end with the call.
    fileprivate var isGRPCsOwn: Bool { count > 5 && extracting(0..<5).equalsIgnoringCase("grpc-") }
}
