import Exchanges
import Pipeline
import WireGRPC

/// The wire of an exchange that the gateway has begun itself: nobody listens behind it. It collects the answer,
/// and hands it to whoever made the call.
final class NullWire: Wire {
    private let pending: PendingCall
    private let worker: Worker
    private let isCall: Bool
    /// Nil once the call is over.
    private var exchange: Exchange?

    /// HTTP's.
    private var status: UInt16 = 0
    /// gRPC's, where the head has said it already.
    private var early: CallStatus?
    private var frames = GRPCMessageReader(limit: OutboundCall.mostBytes)
    /// The message, or the body.
    private var body: [UInt8]?
    /// Why the answer is of no use. Nothing may be ended inside the calls that bring it: it is kept for the
    /// flush, or the end, that follows.
    private var failure: Outcome?

    init(_ pending: PendingCall, worker: Worker) {
        self.pending = pending
        self.worker = worker
        if case .grpc = pending.call.form { isCall = true } else { isCall = false }
    }

    var session: Session { .inside }
    var isNull: Bool { true }

    func begin(_ exchange: Exchange) { self.exchange = exchange }

    // MARK: - What the gateway says

    func answer(_ outcome: Outcome, of exchange: Exchange) { fail(outcome, mayHaveRun: exchange.mayHaveRun) }

    /// Upstreams do not make these, and no other target is a call's.
    func answer(_ reply: LocalReply, of exchange: Exchange) {
        fail(Outcome(.internalError, "the call was answered by the gateway"), mayHaveRun: exchange.mayHaveRun)
    }

    func abort(_ exchange: Exchange, _ why: Outcome) {
        worker.countAborted(exchange, why)
        fail(why, mayHaveRun: true)
    }

    /// It ends before its answer: an attempt that is under way may have its effect all the same.
    func cut(_ why: Outcome) {
        guard let exchange else { return }
        fail(why, mayHaveRun: exchange.mayHaveRun || exchange.origin != nil)
    }

    // MARK: - What the origin says

    func interim(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {}

    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        failure = Outcome(.badUpstream, "the upstream switched protocols")
    }

    func start(_ reply: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange) {
        status = reply.status
        if isCall { early = CallStatus(head: reply, in: text) }
        if let bytes = size.bytes, bytes > UInt64(OutboundCall.mostBytes + 5) { failure = Self.tooLarge }
    }

    private static var tooLarge: Outcome { Outcome(.badUpstream, grpc: 8, "the upstream's answer is larger than it may be") }

    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange) {
        guard failure == nil else { return }
        exchange.bytesOut += UInt64(bytes.count)
        if isCall { return take(bytes) }
        var all = body.take() ?? []
        if all.count + bytes.count > OutboundCall.mostBytes {
            failure = Self.tooLarge
        } else {
            bytes.withUnsafeBufferPointer { all.append(contentsOf: $0) }
        }
        body = all
    }

    /// Messages of a call's answer: there is one.
    private func take(_ bytes: borrowing Span<UInt8>) {
        var at = 0
        while failure == nil {
            switch frames.next(bytes, at: &at) {
            case .needMore: return
            case .message(flags: 0) where body == nil: body = frames.message.copyReadable()
            case .message(flags: 0): failure = Outcome(.badUpstream, grpc: 13, "the upstream sent more than one message")
            case .message: failure = Outcome(.badUpstream, grpc: 13, "the upstream compressed a message, which it was not asked to")
            case .failed(.tooLarge): failure = Self.tooLarge
            case .failed(.badFlag): failure = Outcome(.badUpstream, grpc: 13, "the upstream's answer is no sequence of messages")
            }
        }
    }

    func end(trailers: Buffer?, of exchange: Exchange) {
        if let failure { return fail(failure, mayHaveRun: true) }
        guard isCall else { return finish(.answered(status: UInt32(status), message: "", body: body ?? [])) }
        guard exchange.grpcStatus != nil else { return fail(GRPCAnswer.missingStatus(hasTrailers: trailers != nil), mayHaveRun: true) }
        let end = trailers == nil ? early ?? CallStatus(trailers: nil) : CallStatus(trailers: trailers)
        let message = String(decoding: end.message, as: UTF8.self)
        guard end.status == .ok else { return finish(.answered(status: end.status.rawValue, message: message, body: [])) }
        guard let body, frames.isBetweenMessages else {
            return fail(Outcome(.badUpstream, grpc: 13, "the upstream's answer has no whole message"), mayHaveRun: true)
        }
        finish(.answered(status: 0, message: message, body: body))
    }

    func flush() {
        if let failure { fail(failure, mayHaveRun: true) }
    }

    /// All of the body has been there from the beginning.
    func resumeBody(of exchange: Exchange) {}

    // MARK: - The end

    private func fail(_ outcome: Outcome, mayHaveRun: Bool) { finish(.failed(outcome, mayHaveRun: mayHaveRun)) }

    private func finish(_ answer: OutboundAnswer) {
        guard let exchange = exchange.take() else { return }
        if let origin = exchange.origin {
            exchange.origin = nil
            origin.cancel()
        }
        switch answer {
        case .answered: exchange.status = status
        case .failed(let outcome, _):
            exchange.status = outcome.httpStatus
            if isCall { exchange.grpcStatus = GRPCStatus(outcome).rawValue }
        }
        worker.finish(exchange)
        worker.callsUnderWay -= 1
        pending.answer(answer)
    }
}
