import EventCore
import Exchanges
import Pipeline
import Reactor
import Routes

/// Exchanges that the desk for people answers, off the worker.
extension Worker {
    func askDesk(_ subject: AdminRequest.Subject, _ exchange: Exchange, era: Era) {
        guard let desk = shared.desks.admin else {
            return refuse(exchange, Refusal(.unsupported, "nobody answers that here"))
        }
        guard let text = exchange.text, let request = adminRequest(subject, exchange, text, era) else {
            return refuse(exchange, Refusal(.validationError, "the path or the query is no UTF-8, or has too many parameters"))
        }
        watch(exchange)
        Task.detached { [ticket = exchange.ticket, mailbox] in
            let answer = await desk.answer(request)
            let type: StaticString = answer.status < 400 ? "application/json" : "application/problem+json"
            _ = mailbox.post(.local(ticket, LocalReply(status: answer.status, contentType: type, body: answer.body)))
        }
    }

    /// Nil when it cannot be read.
    private func adminRequest(
        _ subject: AdminRequest.Subject, _ exchange: Exchange, _ text: Buffer, _ era: Era
    ) -> AdminRequest? {
        var request = AdminRequest(subject: subject, verb: exchange.head.verb)
        for (place, name) in era.captureNames[Int(exchange.route)].enumerated() {
            guard let value = String(validating: captured(place, exchange), as: UTF8.self) else { return nil }
            request.path.append((name, value))
        }
        let query = text.withReadable { text in QueryText.parameters(text.extracting(exchange.head.query.range), most: 32) }
        guard let query else { return nil }
        for (name, value) in query {
            guard let name = String(validating: name, as: UTF8.self), let value = String(validating: value, as: UTF8.self)
            else { return nil }
            request.query.append((name, value))
        }
        request.body = exchange.body?.copyReadable() ?? []
        request.by = asker(exchange)
        return request
    }

    /// The best name there is for whoever asks.
    private func asker(_ exchange: Exchange) -> String {
        let name = exchange.loggedPrincipal
        return String(decoding: name.isEmpty ? exchange.wire?.session.peerText ?? [] : name, as: UTF8.self)
    }
}
