import Exchanges
import Pipeline

/// Why the gateway does not even try an upstream. Fast, and with word of when to come back.
enum Unavailable {
    /// Every endpoint is unhealthy or ejected.
    case noneAvailable

    var outcome: Outcome {
        switch self {
        case .noneAvailable:
            Outcome(.upstreamUnavailable, "no endpoint of the upstream is available", retryAfterMS: 1000)
        }
    }

    /// RFC 9209 section 2.3.
    var proxyStatus: StaticString {
        switch self {
        case .noneAvailable: "destination_unavailable"
        }
    }
}

extension Worker {
    /// The exchange ends without an attempt.
    func refuse(_ exchange: Exchange, _ why: Unavailable) {
        var problem = Problem(why.outcome, exchange, fields: nil)
        problem.proxyStatus = why.proxyStatus
        exchange.wire?.answer(problem.reply(), of: exchange)
    }
}
