import Exchanges
import Pipeline
import Routes

/// CORS on the worker: preflights answered before any stage, and the rules that answers are written by.
extension Worker {
    /// Answers the request if it is a preflight for a route with CORS rules. It counts and is logged as a
    /// request of that route.
    func answersPreflight(_ exchange: Exchange, era: Era, _ session: Session) -> Bool {
        guard let text = exchange.text, let wire = exchange.wire else { return false }
        let table = era.table
        let found = text.withReadable { table.preflight(exchange.head, in: $0, listener: session.listener) }
        guard let found, let policy = table.cors(of: table.rules[Int(found.route)]) else { return false }
        exchange.route = found.route
        exchange.rule = table.rules[Int(found.route)]
        var reply = LocalReply(status: 204, contentType: "", body: [])
        switch found.verdict {
        case .allowed: break
        case .origin: reply = refusal("this route does not allow the origin", exchange)
        case .method: reply = refusal("this route does not allow the method for other origins", exchange)
        case .header: reply = refusal("this route does not allow all of the headers for other origins", exchange)
        }
        let lines = Buffer(capacity: 512)
        text.withReadable { CORSFields.write(policy, found, exchange.head, $0, into: FieldLines(out: lines)) }
        reply.fields += lines.copyReadable()
        wire.answer(reply, of: exchange)
        return true
    }

    /// Browsers see in either case that nothing is allowed; people see why.
    private func refusal(_ why: StaticString, _ exchange: Exchange) -> LocalReply {
        Problem(Outcome(.forbidden, why), exchange, fields: nil).reply()
    }

    /// The rules for the exchange's answer. An OPTIONS that comes as far as an answer belongs to a route that
    /// keeps preflights for itself: what is said there is said by whoever answers.
    func corsPolicy(of exchange: Exchange) -> CORSPolicy? {
        guard exchange.rule.cors != Rule.none, exchange.route != Rule.none, exchange.head.verb != .options else { return nil }
        return era(of: exchange).table.cors(of: exchange.rule)
    }
}
