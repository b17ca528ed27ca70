import Exchanges
import Pipeline
import Reactor
import Telemetry

/// Sending exchanges upstream: choosing, connecting, and what happens when that fails.
extension Worker {
    /// Gives the exchange a connection of the cluster, or lets it wait for one.
    /// - Parameter hasPlace: the cluster's bulkhead has let it in.
    func proxy(_ exchange: Exchange, by cluster: Cluster, avoiding: Endpoint?, hasPlace: Bool = false) {
        guard let session = exchange.wire?.session else { return }
        proxy(exchange, session, era(of: exchange), by: cluster, avoiding: avoiding, hasPlace: hasPlace)
    }

    func proxy(_ exchange: Exchange, _ session: Session, _ era: Era, by cluster: Cluster, avoiding: Endpoint?, hasPlace: Bool) {
        guard var endpoint = cluster.choose(for: exchange, session, avoiding: avoiding) else {
            if hasPlace { leaveBulkhead(of: cluster) }
            // A name that has just been configured is being asked for.
            if cluster.isResolving && cluster.wait(exchange) { return }
            return cluster.endpoints.isEmpty ? fail(exchange, .unresolved) : refuse(exchange, .noneAvailable)
        }
        if !endpoint.hasRoom {
            guard let other = cluster.firstWithRoom() else {
                if hasPlace { leaveBulkhead(of: cluster) }
                if !cluster.wait(exchange) { fail(exchange, .saturated) }
                return
            }
            endpoint = other
        }
        guard passesGates(exchange, to: cluster, hasPlace: hasPlace) else { return }
        meters.count(.attempt, cluster: cluster.label)
        if exchange.attempts > 0 {
            meters.count(.retry, cluster: cluster.label)
        } else {
            cluster.budget.request(nowMS: loop.nowMS)
        }
        // The last try must not meet another connection that ended together with the first.
        let policy = exchange.rule.retry
        let mayFail =
            exchange.head.verb.isIdempotent && exchange.requestBody == .none && exchange.attempts + 1 < policy.attempts
            && policy.reasons.contains(.reset)
        guard endpoint.carry(exchange, session: session, era: era, mustBeQuiet: !mayFail) else {
            exchange.attempts += 1
            endpoint.attemptBegan()
            endpoint.attemptEnded(.failed(.refused), of: exchange)
            return attemptFailed(exchange, .refused, from: endpoint, mayRepeat: true, provenUnprocessed: true)
        }
        if let translation = exchange.translation, let origin = exchange.origin {
            exchange.origin = translation.requestOrigin(origin, of: exchange)
        }
        if exchange.requestBody != .none, let origin = exchange.origin, origin.wantsBody { exchange.wire?.resumeBody(of: exchange) }
    }

    /// The head of an answer is here, and is passed on.
    /// - Parameter nanoseconds: from the request sent.
    func answerBegins(_ exchange: Exchange, from endpoint: Endpoint, nanoseconds: UInt64) {
        replay.lose(exchange)
        meters.recordFirstByte(cluster: endpoint.cluster.label, nanoseconds: nanoseconds)
    }

    /// An attempt ended without an answer. Another one is made where the route wants it and it can do no harm.
    /// - Parameter wasStale: a pooled connection turned out to be dead. Trying again costs no budget: each such
    ///   connection has carried a good answer before, so these retries cannot outnumber the answers.
    func attemptFailed(
        _ exchange: Exchange, _ fault: UpstreamFault, from endpoint: Endpoint, mayRepeat: Bool, provenUnprocessed: Bool,
        wasStale: Bool = false
    ) {
        meters.count(fault.event, cluster: endpoint.cluster.label)
        if !provenUnprocessed { exchange.mayHaveRun = true }
        if fault == .tlsTimeout { meters.count(.timedOut, side: .upstream) }
        if mayRepeat,
            takesRetry(
                exchange, fault.retryReason, provenUnprocessed: provenUnprocessed, isFree: wasStale, of: endpoint.cluster)
        {
            retry(exchange, after: endpoint)
        } else {
            fail(exchange, fault)
        }
    }

    /// The exchange ends with the outcome of this fault.
    func fail(_ exchange: Exchange, _ fault: UpstreamFault) {
        fail(exchange, fault.outcome, proxyStatus: fault.proxyStatus)
    }

    /// The exchange ends with an outcome that the upstream is the reason of.
    func fail(_ exchange: Exchange, _ outcome: Outcome, proxyStatus: StaticString) {
        guard let wire = exchange.wire else { return }
        if wire.isNull { return wire.answer(outcome, of: exchange) }
        var problem = Problem(outcome, exchange, fields: nil)
        problem.proxyStatus = proxyStatus
        wire.answer(problem.reply(), of: exchange)
    }

    /// An answer was cut after its head had gone to the client. That its credential has ended is not the upstream's doing.
    func countAborted(_ exchange: Exchange, _ why: Outcome) {
        guard case .upstream(let index) = exchange.target, why.code != .unauthenticated else { return }
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
        case .streamCancelled, .streamUnwelcome, .streamInsecure, .streamReset: .reset
        case .protocolError: .badAnswer
        case .timeout: .firstByteTimeout
        }
    }
}
