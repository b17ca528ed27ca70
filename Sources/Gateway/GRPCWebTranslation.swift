import Exchanges
import Pipeline
import Reactor
import WireGRPC

/// Between a client that speaks gRPC-Web and an origin that speaks gRPC: messages pass as they are, or in base64;
/// the trailers become the last frame of the body. The statuses of an answer without messages stay in its head.
final class GRPCWebTranslation: Translation {
    let client: any Wire
    private let worker: Worker
    /// The circle is broken when the exchange is given back.
    private let exchange: Exchange
    private let answersText: Bool
    /// What of the request's text has been read; it goes on from attempt to attempt.
    private var decoder: GRPCWebTextDecoder?
    /// The body was collected whole, and is bytes by now.
    private var isCollected = false
    private let scratch = Buffer(capacity: 512)

    // The answer.
    private var boundary = GRPCWebBoundary()
    /// Its head is all of it, the status included.
    private var isHeadOnly = false
    /// Nothing may be ended inside the calls that pass an answer on: it is kept for the flush that follows.
    private var fault: Outcome?

    /// Takes the client's wire's place in the exchange.
    init(_ exchange: Exchange, client: any Wire, worker: Worker) {
        self.exchange = exchange
        self.client = client
        self.worker = worker
        let isText = exchange.head.dialect == .grpcWebText
        decoder = isText ? GRPCWebTextDecoder() : nil
        answersText =
            exchange.text?.withReadable { text in
                let accept = exchange.head.first(.accept)?.value ?? .none
                return GRPCWebType.answersText(accept: text.extracting(accept.range), whenAsked: isText)
            } ?? isText
    }

    var session: Session { client.session }
    var callPath: [UInt8]? { nil }

    /// Is the exchange still the one this was made for?
    private var isLive: Bool { exchange.translation === self }

    // MARK: - The request

    func requestOrigin(_ origin: any Origin, of exchange: Exchange) -> any Origin {
        decoder == nil ? origin : GRPCWebTextOrigin(origin, of: self)
    }

    func resumeBody(of exchange: Exchange) { client.resumeBody(of: exchange) }

    /// Text of the request's body as bytes, into `out`. False = it is not base64.
    func decode(_ text: borrowing Span<UInt8>, into out: Buffer) -> Bool {
        guard var state = decoder else { return false }
        defer { decoder = state }
        return state.decode(text, into: out)
    }

    /// May the request's text end here?
    var isRequestWhole: Bool { decoder?.isWhole ?? true }

    func prepare(_ exchange: Exchange) -> Bool {
        guard decoder != nil, !isCollected, let text = exchange.body else { return true }
        isCollected = true
        let bytes = Buffer(capacity: text.count + 1)
        guard text.withReadable({ decode($0, into: bytes) }), isRequestWhole else {
            client.answer(.notBase64, of: exchange)
            return false
        }
        exchange.body = bytes
        exchange.requestBody = .known(UInt64(bytes.count))
        return true
    }

    // MARK: - Answers of the gateway's own

    func answer(_ outcome: Outcome, of exchange: Exchange) { client.answer(outcome, of: exchange) }

    func answer(_ reply: LocalReply, of exchange: Exchange) { client.answer(reply, of: exchange) }

    // MARK: - Answers of the origin

    func interim(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        client.interim(reply, in: text, of: exchange)
    }

    func start(_ reply: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        guard isLive else { return }
        isHeadOnly = size == .none
        let head = ReplyLines(status: 200)
        for field in reply.fields where !Self.replaced.contains(field.name) {
            // A status that more could follow is none: the trailers have it.
            if !isHeadOnly && Self.isStatus(field, text) { continue }
            head.add(field, of: text)
        }
        head.add(.contentType, "content-type") { appendType(to: $0) }
        head.withHead { client.start($0, size: isHeadOnly ? .none : .unknown, in: $1, of: exchange) }
    }

    private static let replaced = FieldNameSet(.contentType, .contentLength, .trailer)

    private static func isStatus(_ field: Field, _ text: borrowing Span<UInt8>) -> Bool {
        guard field.name == .other else { return false }
        let name = text.extracting(field.nameText.range)
        return name.equalsIgnoringCase("grpc-status") || name.equalsIgnoringCase("grpc-message")
    }

    /// The format is said even where the request left it out: PROTOCOL-WEB asks for that.
    private func appendType(to out: Buffer) {
        out.append(answersText ? "application/grpc-web-text" : "application/grpc-web" as StaticString)
        let before = out.count
        if let request = exchange.text, let asked = exchange.head.first(.contentType) {
            request.withReadable { text in
                let value = text.extracting(asked.value.range)
                out.append(GRPCWebType.format(of: value), of: value)
            }
        }
        if out.count == before { out.append("+proto" as StaticString) }
    }

    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        client.abort(exchange, UpstreamFault.protocolError.outcome)
    }

    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {
        guard isLive, fault == nil else { return }
        guard boundary.pass(bytes) else {
            fault = Outcome(.badUpstream, grpc: 13, "a message of the upstream's has unknown flags")
            return
        }
        pass(bytes)
    }

    private func pass(_ bytes: borrowing Span<UInt8>) {
        guard answersText else { return client.send(bytes, of: exchange) }
        scratch.clear()
        GRPCWebText.encode(bytes, into: scratch)
        scratch.withReadable { client.send($0, of: exchange) }
        scratch.clear()
    }

    func end(trailers: Buffer?, of exchange: Exchange) {
        guard isLive else { return }
        if let fault { return fail(fault) }
        if isHeadOnly { return client.end(trailers: nil, of: exchange) }
        guard let trailers, boundary.isBetweenMessages else {
            return client.abort(exchange, UpstreamFault.incomplete.outcome)
        }
        end(with: trailers)
    }

    private func end(with trailers: Buffer) {
        let frame = Buffer(capacity: trailers.count + 5)
        trailers.withReadable { GRPCWebTrailers.append($0, into: frame) }
        frame.withReadable { pass($0) }
        client.end(trailers: nil, of: exchange)
    }

    func flush() {
        if isLive, let fault { return fail(fault) }
        client.flush()
    }

    // MARK: - Endings that are not the origin's

    func abort(_ exchange: Exchange, _ why: Outcome) {
        if isLive { fail(why) }
    }

    /// The request's text is no base64.
    func refuseRequest() {
        if isLive { fail(.notBase64) }
    }

    /// Says how the call ends: in the head while that has not gone, else in a trailer frame, if one can follow.
    private func fail(_ why: Outcome) {
        fault = nil
        exchange.origin?.cancel()
        exchange.origin = nil
        if exchange.status == 0 { return client.answer(why, of: exchange) }
        guard boundary.isBetweenMessages, !isHeadOnly else { return client.abort(exchange, why) }
        if !exchange.isPastItsEnd(worker.loop.nowMS) { worker.countAborted(exchange, why) }
        exchange.grpcStatus = GRPCStatus(why).rawValue
        let trailers = Buffer(capacity: 384)
        Problem(why, exchange, fields: nil).trailers(into: trailers)
        end(with: trailers)
    }
}

extension Outcome {
    /// A body of `application/grpc-web-text` that is no base64.
    fileprivate static var notBase64: Outcome { Outcome(.validationError, grpc: 13, "the request body is not base64") }
}
