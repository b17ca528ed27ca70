import Exchanges
import Pipeline
import Policies
import Routes

/// On which side of its route's flag a request is. Nothing here makes a key: the user's id is looked at where it stands.
extension Worker {
    /// The stage `steer`: the flag's side for whoever asks.
    func steer(_ exchange: Exchange) -> Verdict {
        let isOn = isOn(exchange, era(of: exchange))
        exchange.arm = isOn ? .candidate : .control
        if isOn { exchange.target = exchange.rule.target }
        return .proceed
    }

    /// By the first of the route's keys that names somebody.
    private func isOn(_ exchange: Exchange, _ era: Era) -> Bool {
        let flag = Int(exchange.rule.flag)
        let steer = era.contracts.steers[flag]
        let weight = shared.flags.weight(at: era.flagPlaces[flag])
        for key in era.contracts.steeringKeys[Int(exchange.rule.steeringKey)].keys {
            if let side = side(key, exchange, era, steer, weight) { return side }
        }
        return steer.isOn(for: Span(), exchange.principal, weight: weight)
    }

    /// Nil when the request does not have it.
    private func side(
        _ key: SteeringKeys.Key, _ exchange: Exchange, _ era: Era, _ steer: Steer, _ weight: UInt16
    ) -> Bool? {
        switch key {
        case .principal:
            // A service asks for others, and is nobody's user itself.
            guard let principal = exchange.principal, principal.kind == .user || principal.kind == .session else { return nil }
            let subject = principal.subject
            return steer.side(for: subject.span, principal, weight)
        case .header(let name):
            return exchange.text?.withReadable { text in
                guard let field = exchange.head.first(named: name, in: text) else { return nil }
                return steer.side(for: text.extracting(field.value.range), exchange.principal, weight)
            }
        case .capture(let place):
            return exchange.text?.withReadable { text in
                let segment = text.extracting(exchange.captures[place].range)
                if segment.indices.allSatisfy({ segment[$0] != 0x25 }) {
                    return steer.side(for: segment, exchange.principal, weight)
                }
                let decoded = PercentDecoding.decode(segment)
                return steer.side(for: decoded.span, exchange.principal, weight)
            }
        case .body(let field):
            guard let body = exchange.body else { return nil }
            return field.withValue(in: body, era.contracts.schema) { steer.side(for: $0, exchange.principal, weight) }
        }
    }
}

extension Steer {
    /// Nil for an id that is empty.
    fileprivate func side(for user: borrowing Span<UInt8>, _ principal: Principal?, _ weight: UInt16) -> Bool? {
        user.count > 0 ? isOn(for: user, principal, weight: weight) : nil
    }
}
