import Exchanges
import Pipeline
import Reactor
import Routes
import WireGRPC

/// Which dialect a request speaks, and what stands between it and an origin that speaks another one.
extension Worker {
    /// The route for the request. A POST that no route of plain HTTP takes may stand at the address of a gRPC
    /// method: then it is that method's to say what it takes.
    func matched(_ exchange: Exchange, in text: borrowing Span<UInt8>, _ table: RouteTable, _ session: Session) -> Match {
        let match = table.match(exchange.head, in: text, listener: session.listener, captures: &exchange.captures)
        guard match == .none, exchange.head.verb == .post, exchange.head.dialect == .http else { return match }
        exchange.head.dialect = .connect
        let call = table.match(exchange.head, in: text, listener: session.listener, captures: &exchange.captures)
        if call == .none { exchange.head.dialect = .http }
        return call
    }

    /// A call has found its route: what will translate it, if anything has to.
    /// - Returns: why it cannot be made in this form.
    func takeLane(_ exchange: Exchange, era: Era) -> Outcome? {
        if let refusal = takeDeadline(exchange) { return refusal }
        switch exchange.head.dialect {
        case .grpc:
            // A gRPC call on a route of plain HTTP is a request like any other; its errors are still gRPC's.
            guard exchange.head.version == .http2 else {
                return Outcome(.unsupported, status: 505, "gRPC needs HTTP/2")
            }
            return nil
        case .grpcWeb, .grpcWebText, .connect:
            return Outcome(.validationError, status: 415, "this method takes application/grpc")
        case .http, .soap, .eventStream, .webSocket, .mqtt:
            return nil
        }
    }

    /// The call ends when its client's patience does. A timeout that cannot be read is INTERNAL, as gRPC's own
    /// servers say.
    private func takeDeadline(_ exchange: Exchange) -> Outcome? {
        guard let field = exchange.head.first(.grpcTimeout), let text = exchange.text else { return nil }
        guard let left = text.withReadable({ GRPCTimeout.milliseconds($0.extracting(field.value.range)) }) else {
            return Outcome(.validationError, grpc: 13, "malformed grpc-timeout")
        }
        guard left > 0 else { return Outcome(.deadline, "the call's time was over before it began") }
        exchange.end(byMS: loop.nowMS + left)
        return nil
    }
}
