import Exchanges
import Pipeline
import Reactor
import Settings
import Telemetry
import WireGRPC

/// Calls of the gateway's own, as exchanges.
extension Worker {
    func begin(_ pending: PendingCall) {
        let call = pending.call
        func refuse(_ outcome: Outcome) { pending.answer(.failed(outcome, mayHaveRun: false)) }
        guard let era = eras[Int(currentEra)], let number = era.clusterNumbers[call.cluster] else {
            return refuse(Outcome(.noRoute, "the configuration has no such cluster"))
        }
        let cluster = era.clusters[Int(number)]
        if case .grpc = call.form, cluster.specification.wireProtocol != .http2 {
            return refuse(Outcome(.unsupported, "gRPC needs a cluster with 'protocol: http2'"))
        }
        let wire = NullWire(pending, worker: self)
        let exchange = takeExchange(wire: wire)
        let text = Buffer(capacity: 512)
        call.write(&exchange.head, into: text)
        exchange.text = text
        exchange.target = .upstream(number)
        exchange.rule = .ofCalls
        exchange.endsByMS = (pending.endsNS + 999_999) / 1_000_000
        name(exchange, as: call)
        collect(call, of: exchange)
        wire.begin(exchange)
        callsUnderWay += 1
        pending.ticket = exchange.ticket
        guard !pending.isCancelled else { return wire.cut(.callCancelled) }
        guard !exchange.isPastItsEnd(loop.nowMS) else { return wire.cut(Outbound.late) }
        proxy(exchange, wire.session, era, by: cluster, avoiding: nil, hasPlace: false)
    }

    /// Correlation and trace go on from what the call is made for.
    private func name(_ exchange: Exchange, as call: OutboundCall) {
        if let id = call.correlationId, Identifiers.isAcceptable(correlationID: id.utf8Span.span) {
            exchange.correlationID.append(id)
        } else {
            identifiers.appendCorrelationID(to: exchange.correlationID)
        }
        let parent = call.traceparent.flatMap { TraceContext.parse($0.utf8Span.span) }
        exchange.trace = identifiers.trace(parent: parent, threshold: shared.traceThreshold)
    }

    /// The body is all here, as that of a client whose route collects it.
    private func collect(_ call: OutboundCall, of exchange: Exchange) {
        exchange.bytesIn = UInt64(call.body.count)
        guard call.saysLength else { return }
        let body = Buffer(capacity: call.body.count + 5)
        if case .grpc = call.form { GRPCMessageWriter.prefix(call.body.count, into: body) }
        body.append(call.body)
        exchange.body = body
        exchange.bodyComplete = true
        exchange.requestBody = .known(UInt64(body.count))
    }

    func cancel(_ pending: PendingCall) {
        guard let ticket = pending.ticket, let wire = exchange(ticket)?.wire as? NullWire else { return }
        wire.cut(.callCancelled)
    }

    /// The worker ends: so does every call, also those that have only just come.
    func endCalls() {
        for exchange in exchanges { (exchange.wire as? NullWire)?.cut(.gatewayStops) }
        mailbox.close()
        var left: [WorkerMessage] = []
        mailbox.take(into: &left)
        for case .call(let pending) in left { pending.answer(.failed(.gatewayStops, mayHaveRun: false)) }
        endIngestions(left)
    }
}

extension Rule {
    /// One attempt, and the call's own time bounds all that comes after the connection.
    fileprivate static var ofCalls: Rule {
        var rule = Rule()
        rule.timeouts.firstByte = 0
        rule.timeouts.streamIdle = 0
        rule.timeouts.queue = 0
        return rule
    }
}
