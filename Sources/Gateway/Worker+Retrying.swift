import Exchanges
import Pipeline
import Reactor
import Synchronization

/// Attempts that are made again: only where it can do no harm, only while the budget lasts.
extension Worker {
    /// May another attempt follow the one that ended with `reason`? Where it can do no harm: nothing of the
    /// request reached the upstream, or repeating it has the effect of sending it once (RFC 9110 section
    /// 9.2.2) — and all of it is still here to be sent. Takes the retry out of the budget.
    /// - Parameters:
    ///   - provenUnprocessed: the upstream has certainly not begun with the request.
    ///   - isFree: leave the budget alone.
    func takesRetry(
        _ exchange: Exchange, _ reason: RetryPolicy.Reasons, provenUnprocessed: Bool, isFree: Bool = false,
        of cluster: Cluster
    ) -> Bool {
        let policy = exchange.rule.retry
        guard exchange.attempts < policy.attempts, !policy.reasons.isDisjoint(with: reason),
            provenUnprocessed || exchange.head.verb.isIdempotent, exchange.isRepeatable, exchange.status == 0,
            isInTime(exchange)
        else { return false }
        if isFree || cluster.budget.takeRetry(nowMS: loop.nowMS) { return true }
        cluster.state.retriesRefused.add(1, ordering: .relaxed)
        return false
    }

    /// Does the exchange's life last beyond the longest wait before its next attempt?
    private func isInTime(_ exchange: Exchange) -> Bool {
        let longest = UInt64(exchange.rule.retry.longestBackoff(Int(exchange.attempts)))
        return exchange.endsByMS == 0 || loop.nowMS + longest < exchange.endsByMS
    }

    /// The next attempt, at once or after a wait, elsewhere if there is an elsewhere.
    func retry(_ exchange: Exchange, after endpoint: Endpoint) {
        let longest = Int(exchange.rule.retry.longestBackoff(Int(exchange.attempts)))
        let delay = longest == 0 ? 0 : draw(below: longest + 1)
        guard delay > 0 else { return proxy(exchange, by: endpoint.cluster, avoiding: endpoint) }
        let backoff = idleBackoffs.popLast() ?? Backoff(self)
        watch(exchange)
        backoff.wait(exchange.ticket, for: endpoint.cluster, avoiding: endpoint, afterMS: UInt64(delay))
    }
}

extension Exchange {
    /// Has all of it come from the client? Only then is an attempt's time the upstream's.
    var isAllHere: Bool { requestBody == .none || body != nil || sent.isWhole }

    /// It lasts no longer than that; loop milliseconds.
    func end(byMS: UInt64) { endsByMS = endsByMS == 0 ? byMS : min(endsByMS, byMS) }

    /// Is its own time (`stream_max`, `grpc-timeout`) over?
    func isPastItsEnd(_ nowMS: UInt64) -> Bool { endsByMS > 0 && nowMS >= endsByMS }
}

extension Exchange {
    /// Has its client no more patience? That is no fault of the endpoint. The gateway's own patience is as long
    /// as an answer may take.
    func isGivenUp(_ nowMS: UInt64) -> Bool { isPastItsEnd(nowMS) && wire?.isNull != true }
}

extension UpstreamFault {
    /// What a route's retry policy calls it; empty for what is never a reason to try again.
    var retryReason: RetryPolicy.Reasons {
        switch self {
        case .refused, .connectTimeout, .tlsCertificate, .tlsProtocol, .tlsTimeout: .connect
        case .unprocessed: .refused
        case .terminated, .streamCancelled, .streamUnwelcome, .streamInsecure, .streamReset: .reset
        case .timeout: .timeout
        case .unresolved, .saturated, .incomplete, .protocolError: []
        }
    }

    /// Does it speak against the endpoint?
    var isEndpointFailure: Bool {
        switch self {
        case .refused, .connectTimeout, .tlsCertificate, .tlsProtocol, .tlsTimeout: true
        case .terminated, .incomplete, .protocolError, .timeout: true
        case .streamCancelled, .streamUnwelcome, .streamInsecure, .streamReset: true
        // An endpoint that says no in order may be full, or going: it is not ill.
        case .unresolved, .saturated, .unprocessed: false
        }
    }
}
