import Exchanges
import Pipeline
import WireGRPC

/// Between a client that speaks gRPC-Web and an origin that speaks gRPC: messages pass as they are, or in base64;
/// the trailers become the last frame of the body. The statuses of an answer without messages stay in its head.
final class GRPCWebTranslation: Translation {
    /// Why an answer cannot go on.
    private struct Fault {
        var status: GRPCStatus
        var message: StaticString
    }

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
    /// Its head has the status already: there is no trailer frame.
    private var hasStatus = false
    /// Nothing may be ended inside the calls that pass an answer on: it is kept for the flush that follows.
    private var fault: Fault?

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
        let type = reply.first(.contentType)?.value ?? .none
        guard reply.status == 200, Dialect(contentType: text.extracting(type.range)) == .grpc else {
            fault = Fault(status: GRPCStatus(httpStatus: reply.status), message: "the upstream's answer is not gRPC")
            return
        }
        for field in reply.fields where text.extracting(field.nameText.range).equalsIgnoringCase("grpc-status") {
            hasStatus = true
            exchange.grpcStatus = GRPCStatus(decimal: text.extracting(field.value.range))?.rawValue
        }
        guard size != .none || hasStatus else {
            fault = Fault(status: .unknown, message: "the upstream's answer has no status")
            return
        }
        let own = worker.takeReply()
        defer { worker.giveReply(own) }
        scratch.clear()
        rewrite(reply, of: text, into: &own.head)
        scratch.withReadable { client.start(own.head, size: size == .none ? .none : .unknown, in: $0, of: exchange) }
        scratch.clear()
    }

    /// The head as gRPC-Web's: another type, no length, all else as it is. Its text goes to `scratch`.
    private func rewrite(_ reply: borrowing ReplyHead, of text: borrowing Span<UInt8>, into own: inout ReplyHead) {
        own.status = 200
        for field in reply.fields where !Self.replaced.contains(field.name) {
            let start = scratch.count
            scratch.append(field.nameText, of: text)
            scratch.append(": " as StaticString)
            scratch.append(field.value, of: text)
            let nameEnd = start + Int(field.nameText.count)
            own.fields.append(
                Field(name: field.name, nameText: Slice(start, nameEnd), value: Slice(nameEnd + 2, scratch.count)))
        }
        let start = scratch.count
        scratch.append("content-type: " as StaticString)
        let nameEnd = scratch.count - 2
        appendType(to: scratch)
        own.fields.append(
            Field(name: .contentType, nameText: Slice(start, nameEnd), value: Slice(nameEnd + 2, scratch.count)))
    }

    private static let replaced = FieldNameSet(.contentType, .contentLength, .trailer)

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
            fault = Fault(status: .internalError, message: "the upstream's answer was malformed")
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
        let status = trailers?.withReadable { GRPCWebTrailers.status(in: $0) }
        if let status { exchange.grpcStatus = status.rawValue }
        if hasStatus && status == nil { return client.end(trailers: nil, of: exchange) }
        guard let trailers, status != nil else {
            return fail(Fault(status: .unknown, message: "the upstream's answer has no status"))
        }
        guard boundary.isBetweenMessages else { return client.abort(exchange, UpstreamFault.incomplete.outcome) }
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
        guard isLive else { return }
        fail(Fault(status: GRPCStatus(why), message: why.detail))
    }

    /// The request's text is no base64.
    func refuseRequest() {
        guard isLive else { return }
        fail(Fault(status: GRPCStatus(.notBase64), message: Outcome.notBase64.detail))
    }

    /// Says how the call ends: in the head while that has not gone, else in a trailer frame, if one can follow.
    private func fail(_ fault: Fault) {
        self.fault = nil
        exchange.origin?.cancel()
        exchange.origin = nil
        if exchange.status == 0 {
            exchange.grpcStatus = fault.status.rawValue
            return client.answer(head(of: fault), of: exchange)
        }
        guard boundary.isBetweenMessages, !hasStatus else {
            return client.abort(exchange, Outcome(.badUpstream, fault.message))
        }
        exchange.grpcStatus = fault.status.rawValue
        worker.countAborted(exchange)
        let frame = Buffer(capacity: 128)
        GRPCWebTrailers.append(fault.status, fault.message, into: frame)
        frame.withReadable { pass($0) }
        client.end(trailers: nil, of: exchange)
    }

    private func head(of fault: Fault) -> LocalReply {
        let fields = Buffer(capacity: 128)
        fields.append("Content-Type: " as StaticString)
        appendType(to: fields)
        fields.append("\r\n" as StaticString)
        GRPCWebTrailers.appendLines(fault.status, fault.message, into: fields)
        return LocalReply(status: 200, contentType: "", body: [], fields: fields.copyReadable())
    }
}

extension Outcome {
    /// A body of `application/grpc-web-text` that is no base64.
    fileprivate static var notBase64: Outcome { Outcome(.internalError, "the request body is not base64") }
}
