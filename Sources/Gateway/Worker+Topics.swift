import Exchanges
import Pipeline
import Topics

/// Exchanges whose target is the broker, and what it says to connections.
extension Worker {
    func topics(_ exchange: Exchange) {
        exchange.wire?.answer(Outcome(.upstreamUnavailable, "there is no broker here"), of: exchange)
    }

    func deliver(_ reply: BrokerReply) {}
}
