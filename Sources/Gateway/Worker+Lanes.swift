import Contracts
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
        if exchange.rule.call != Rule.none, exchange.head.dialect != .http {
            return Outcome(.unsupported, status: 415, "this route takes JSON")
        }
        switch exchange.head.dialect {
        case .grpc:
            // A gRPC call on a route of plain HTTP is a request like any other; its errors are still gRPC's.
            guard exchange.head.version == .http2 else {
                return Outcome(.unsupported, status: 505, "gRPC needs HTTP/2")
            }
            return nil
        case .grpcWeb, .grpcWebText:
            // Whoever is behind a route of plain HTTP may speak gRPC-Web itself.
            guard exchange.rule.isGRPC, let client = exchange.wire else { return nil }
            boundBody(of: exchange)
            let translation = GRPCWebTranslation(exchange, client: client, worker: self)
            exchange.translation = translation
            exchange.wire = translation
            return nil
        case .connect: return takeConnect(exchange, era.contracts)
        case .http:
            translate(exchange, by: era.contracts.calls[Int(exchange.rule.call)])
            return nil
        case .soap, .eventStream, .webSocket, .mqtt: return nil
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

    /// gRPC's streams may be silent for ever. What browsers send is one body like any other, and has to come.
    private func boundBody(of exchange: Exchange) {
        guard exchange.rule.timeouts.body == 0 else { return }
        let plain = Timeouts()
        exchange.rule.timeouts.body = plain.body
        exchange.rule.timeouts.bodyRate = plain.bodyRate
    }

    /// The unary form of the Connect protocol: the method's message in JSON, and nothing around it.
    private func takeConnect(_ exchange: Exchange, _ contracts: RouteContracts) -> Outcome? {
        let method = exchange.text?.withReadable { text -> Int? in
            guard let type = exchange.head.first(.contentType), text.extracting(type.value.range).isJSON else { return nil }
            return contracts.schema?.method(path: text.extracting(exchange.head.path.range))
        }
        guard let call = method.map({ contracts.methods[$0] }), !call.clientStreams, !call.serverStreams else {
            // Whoever sent this speaks something else: plain HTTP is what he will understand.
            exchange.head.dialect = .http
            return Outcome(.validationError, status: 415, "this method takes application/grpc")
        }
        boundBody(of: exchange)
        // A message is made of the whole body.
        exchange.rule.stages.insert(StageSet(.collect))
        exchange.rule.bodyLimit = min(exchange.rule.bodyLimit, UInt64(call.messageLimit))
        translate(exchange, by: call)
        return nil
    }

    /// The target is known: the request becomes a call, where it has to.
    /// - Returns: false = it cannot, and the client has been told.
    func isTranslated(_ exchange: Exchange) -> Bool {
        guard let translation = exchange.translation else { return true }
        if exchange.rule.call == Rule.none { return translation.prepare(exchange) }
        if case .upstream = exchange.target { return translation.prepare(exchange) }
        // On this side of its flag the route takes requests as they are.
        exchange.translation = nil
        exchange.wire = translation.client
        return true
    }

    func translate(_ exchange: Exchange, by call: CompiledCall) {
        guard let client = exchange.wire else { return }
        let translation = JSONCall(call, of: exchange, client: client, worker: self)
        exchange.translation = translation
        exchange.wire = translation
    }
}

extension Span where Element == UInt8 {
    /// `application/json`, with parameters or without.
    fileprivate var isJSON: Bool {
        guard count >= 16, extracting(0..<16).equalsIgnoringCase("application/json") else { return false }
        return count == 16 || [0x3b, 0x20, 0x09].contains(self[16])
    }
}
