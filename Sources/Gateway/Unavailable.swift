import Exchanges
import Pipeline

/// Why the gateway does not even try an upstream. Fast, and with word of when to come back.
enum Unavailable: Equatable {
    /// Every endpoint is unhealthy or ejected.
    case noneAvailable
    /// Calls failed too often lately.
    case breakerOpen(retryAfterMS: UInt32)
    /// Too many calls run already, and no place became free in time.
    case bulkheadFull

    var outcome: Outcome {
        switch self {
        case .noneAvailable:
            Outcome(.upstreamUnavailable, "no endpoint of the upstream is available", retryAfterMS: 1000)
        case .breakerOpen(let retryAfterMS):
            Outcome(.upstreamUnavailable, "the upstream has failed too often lately", retryAfterMS: retryAfterMS)
        case .bulkheadFull:
            Outcome(.upstreamUnavailable, "too many calls of the upstream run already", retryAfterMS: 1000)
        }
    }

    /// RFC 9209 section 2.3.
    var proxyStatus: StaticString {
        switch self {
        case .noneAvailable, .breakerOpen: "destination_unavailable"
        case .bulkheadFull: "connection_limit_reached"
        }
    }
}

extension Worker {
    /// The exchange ends without an attempt.
    func refuse(_ exchange: Exchange, _ why: Unavailable) {
        fail(exchange, why.outcome, proxyStatus: why.proxyStatus)
    }
}
