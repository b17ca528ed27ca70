import EventCore
import Exchanges
import Foundation
import Gateway

/// A checkout that says what it was asked, or ends as the order's e-mail address wants: `full`, `late`,
/// `refuse CODE text…`.
struct ScriptedCheckout: CheckoutDesk {
    let deliver: EventLog.Deliver

    func take(_ request: CheckoutRequest, ticket: Ticket, _ circumstances: Circumstances) -> Bool {
        let (metadata, patience) = (circumstances.metadata, circumstances.patience)
        var asked = "\(patience) \(metadata.source) \(metadata.correlationId ?? "-")"
        var script = ""
        switch request {
        case .place(let placement):
            asked = "place \(placement.user.map { "\($0)" } ?? "-") \(asked)"
            script = placement.email
        case .pay(let order, let card): asked = "pay \(order) \(card.expirationYear) \(asked)"
        case .cancel(let order, let reason, let expected): asked = "cancel \(order) \(reason) \(expected) \(asked)"
        }
        if script == "full" { return false }
        let (deliver, words) = (deliver, asked)
        Task {
            let outcome = await Self.outcome(script, words, patience)
            deliver(ticket.worker, [Reply(ticket: ticket, outcome: outcome)])
        }
        return true
    }

    private static func outcome(_ script: String, _ asked: String, _ patience: Patience) async -> Reply.Outcome {
        if script == "late", case .required(let milliseconds) = patience {
            try? await Task.sleep(for: .milliseconds(milliseconds))
            var refusal = Refusal(.deadline, "the order is not through yet")
            refusal.text = "order o-1 is not through yet"
            return .refused(refusal)
        }
        let words = script.split(separator: " ", maxSplits: 2)
        if words.count == 3, words[0] == "refuse", let code = Code.allCases.first(where: { "\($0.name)" == words[1] }) {
            var refusal = Refusal(code, "a constant")
            refusal.text = String(words[2])
            return .refused(refusal)
        }
        // The legacy method's answer; REST has it as it is.
        let body = try? JSONSerialization.data(withJSONObject: ["order": ["orderId": "o-1", "shippingTrackingId": asked], "version": 1])
        return .answered(status: 202, body: [UInt8](body ?? Data()), fields: Array("Location: /api/v1/orders/o-1\r\n".utf8))
    }
}

/// Says what it was asked; `status` in the query is the answer's.
struct EchoingDesk: AdminDesk {
    func answer(_ request: AdminRequest) async -> AdminAnswer {
        let said: [String: Any] = [
            "subject": "\(request.subject)", "verb": "\(request.verb)", "path": request.path.map { [$0.name, $0.value] },
            "query": request.query.map { [$0.name, $0.value] }, "body": String(decoding: request.body, as: UTF8.self),
        ]
        let body = try? JSONSerialization.data(withJSONObject: said)
        return AdminAnswer(status: request.query("status").flatMap { UInt16($0) } ?? 200, body: [UInt8](body ?? Data()))
    }
}
