import Exchanges
import Reactor

/// The way to an endpoint: the connect, and whatever handshake follows before a request can be sent.
struct Approach {
    enum Step: Equatable {
        case waiting
        case arrived
        case failed(UpstreamFault)
    }

    /// Goes on after a report from the loop.
    mutating func advance(_ readiness: Readiness, _ transport: inout Transport) -> Step {
        guard readiness.contains(.writable) || !readiness.isDisjoint(with: .failed) else { return .waiting }
        return Dial.outcome(transport.descriptor) == 0 ? .arrived : .failed(.refused)
    }

    /// Milliseconds the present step may take.
    func patience(_ timeouts: Timeouts) -> UInt32 { timeouts.connect }

    /// Why it failed when its time is up.
    var lateFault: UpstreamFault { .connectTimeout }
}
