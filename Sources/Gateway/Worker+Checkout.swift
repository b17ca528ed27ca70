import EventCore
import Exchanges
import Pipeline
import Reactor
import Telemetry

/// Exchanges that the checkout answers: what takes more than one decision, and whose end can be waited for.
extension Worker {
    func checkout(_ request: CheckoutRequest, _ exchange: Exchange, _ expected: ExpectedVersion) {
        guard let desk = shared.desks.checkout else { return refuse(exchange, Refusal(.unsupported, "there is no checkout here")) }
        var request = request
        if case .cancel(let order, let reason, .any) = request {
            request = .cancel(order: order, reason: reason, expected: expected)
        }
        let patience = patience(of: exchange)
        let circumstances = Circumstances(
            metadata: exchange.metadata, patience: patience, access: exchange.access, repeatKey: exchange.repeatKey)
        watch(exchange)
        guard desk.take(request, ticket: exchange.ticket, circumstances) else {
            return refuse(
                exchange, Refusal(.upstreamUnavailable, "too many orders are being placed", retryAfterMS: 1000))
        }
    }

    /// Callers of a method wait for the end (SPEC T-6), others as long as they say.
    private func patience(of exchange: Exchange) -> Patience {
        if facade(of: exchange) != nil { return .required(milliseconds: within(exchange, 60_000)) }
        guard let wait = exchange.text?.withReadable({ Preference.wait(exchange.head, in: $0) }) else { return .none }
        exchange.wishes.wait = Int16(wait)
        return .preferred(milliseconds: within(exchange, UInt32(wait) * 1000))
    }

    /// `most` milliseconds, but shorter than the exchange's own time by enough for the answer to arrive: else
    /// nobody would hear why it is late. Clients round the time they send up, by a hundredth and more.
    private func within(_ exchange: Exchange, _ most: UInt32) -> UInt32 {
        guard exchange.endsByMS > 0 else { return most }
        let left = exchange.endsByMS > loop.nowMS ? exchange.endsByMS - loop.nowMS : 0
        return UInt32(min(UInt64(most), left - min(left / 10, 500 + left / 100)))
    }
}

extension LocalReply {
    /// Says which wait was honoured, if one was.
    func preferenceApplied(of exchange: Exchange) -> LocalReply {
        guard exchange.wishes.wait >= 0, exchange.head.dialect == .http else { return self }
        var reply = self
        reply.fields += Array("Preference-Applied: wait=\(exchange.wishes.wait)\r\n".utf8)
        return reply
    }
}
