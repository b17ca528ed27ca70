import Exchanges
import Pipeline
import Reactor
import Telemetry

/// Sending exchanges upstream: choosing, connecting, and the one more try that is safe.
extension Worker {
    /// Gives the exchange a connection of the cluster, or lets it wait for one.
    func proxy(_ exchange: Exchange, by cluster: Cluster, avoiding: Endpoint?) {
        guard let session = exchange.wire?.session else { return }
        guard var endpoint = cluster.choose(avoiding: avoiding) else {
            // A name that has just been configured is being asked for.
            if cluster.isResolving && cluster.wait(exchange) { return }
            return fail(exchange, .unresolved)
        }
        if !endpoint.hasRoom {
            guard let other = cluster.firstWithRoom() else {
                if !cluster.wait(exchange) { fail(exchange, .saturated) }
                return
            }
            endpoint = other
        }
        meters.count(.attempt, cluster: cluster.label)
        if exchange.attempts > 0 { meters.count(.retry, cluster: cluster.label) }
        // The last try must not meet another connection that ended together with the first.
        let mayFail =
            exchange.head.verb.isIdempotent && exchange.requestBody == .none && exchange.attempts < exchange.rule.retries
        guard endpoint.carry(exchange, session: session, mustBeQuiet: !mayFail) else {
            exchange.attempts += 1
            return attemptFailed(exchange, .refused, from: endpoint, mayRepeat: true, provenUnprocessed: true)
        }
        if let origin = exchange.origin, origin.wantsBody { exchange.wire?.resumeBody(of: exchange) }
    }

    /// An attempt ended without an answer. Another one is made where it can do no harm: nothing of
    /// the request reached the upstream, or repeating it has the effect of sending it once (RFC 9110
    /// section 9.2.2) — and all of it is still here to be sent.
    func attemptFailed(
        _ exchange: Exchange, _ fault: UpstreamFault, from endpoint: Endpoint, mayRepeat: Bool, provenUnprocessed: Bool
    ) {
        meters.count(fault.event, cluster: endpoint.cluster.label)
        if fault == .tlsTimeout { meters.count(.timedOut, side: .upstream) }
        if mayRepeat, exchange.isRepeatable, exchange.attempts <= exchange.rule.retries,
            provenUnprocessed || exchange.head.verb.isIdempotent
        {
            proxy(exchange, by: endpoint.cluster, avoiding: endpoint)
        } else {
            fail(exchange, fault)
        }
    }

    /// The exchange ends with the outcome of this fault.
    func fail(_ exchange: Exchange, _ fault: UpstreamFault) {
        var problem = Problem(fault.outcome, exchange, fields: nil)
        problem.proxyStatus = fault.proxyStatus
        exchange.wire?.answer(problem.reply(), of: exchange)
    }

    /// An answer was cut after its head had gone to the client.
    func countAborted(_ exchange: Exchange) {
        guard case .upstream(let index) = exchange.target else { return }
        meters.count(.badAnswer, cluster: era(of: exchange).clusters[Int(index)].label)
    }
}

extension UpstreamFault {
    /// How metrics count it.
    fileprivate var event: UpstreamEvent {
        switch self {
        case .refused: .connectFailed
        case .connectTimeout, .tlsTimeout: .connectTimeout
        case .tlsCertificate: .tlsCertificate
        case .tlsProtocol: .tlsProtocol
        case .unresolved: .resolveFailed
        case .saturated: .poolFull
        case .unprocessed, .terminated, .incomplete: .reset
        case .protocolError: .badAnswer
        case .timeout: .firstByteTimeout
        }
    }
}
