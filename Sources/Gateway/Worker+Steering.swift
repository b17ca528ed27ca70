import Exchanges
import Pipeline
import Policies
import Routes

/// On which side of its route's flag a request is. Nothing here makes a key: the user's id is looked at where it stands.
extension Worker {
    /// The stage `steer`: the flag's side for whoever asks.
    func steer(_ exchange: Exchange) -> Verdict {
        let era = era(of: exchange)
        let isOn: Bool
        switch held(exchange, era) {
        case .side(let side): isOn = side
        case .nobody: isOn = isOnByWeight(exchange, era)
        case .wait: return .park
        case .refused(let outcome): return .answer(outcome)
        }
        exchange.arm = isOn ? .candidate : .control
        if isOn { exchange.target = exchange.rule.target }
        return .proceed
    }

    /// Where what the request is about was begun: what the first of the route's keys names that names somebody.
    private func held(_ exchange: Exchange, _ era: Era) -> Held {
        guard exchange.rule.affinity != .none, era.table.flags[Int(exchange.rule.flag)].affinity > 0 else { return .nobody }
        let entity = exchange.entity ?? Buffer(capacity: 64)
        exchange.entity = entity
        if entity.isEmpty {
            for key in era.contracts.steeringKeys[Int(exchange.rule.steeringKey)].keys {
                let isNamed = withUser(key, exchange, era) { user in
                    if user.count > 0, user.count <= Self.longestEntity { entity.append(user) }
                    return user.count > 0
                }
                if isNamed == true { break }
            }
        }
        return entity.isEmpty ? .nobody : heldSide(exchange, era, entity: entity)
    }

    /// By the first of the route's keys that names somebody.
    func isOnByWeight(_ exchange: Exchange, _ era: Era) -> Bool {
        let flag = Int(exchange.rule.flag)
        let steer = era.contracts.steers[flag]
        let weight = shared.flags.weight(at: era.flagPlaces[flag])
        for key in era.contracts.steeringKeys[Int(exchange.rule.steeringKey)].keys {
            let side = withUser(key, exchange, era) { user in
                user.count > 0 ? steer.isOn(for: user, exchange.principal, weight: weight) : nil
            }
            if case let side?? = side { return side }
        }
        return steer.isOn(for: Span(), exchange.principal, weight: weight)
    }

    /// Nil when the request does not have it.
    private func withUser<R>(_ key: SteeringKeys.Key, _ exchange: Exchange, _ era: Era, _ use: (borrowing Span<UInt8>) -> R) -> R? {
        switch key {
        case .principal:
            // A service asks for others, and is nobody's user itself.
            guard let principal = exchange.principal, principal.kind == .user || principal.kind == .session else { return nil }
            let subject = principal.subject
            return use(subject.span)
        case .header(let name):
            return exchange.text?.withReadable { text in
                guard let field = exchange.head.first(named: name, in: text) else { return nil }
                return use(text.extracting(field.value.range))
            }
        case .capture(let place):
            return exchange.text?.withReadable { text in
                let segment = text.extracting(exchange.captures[place].range)
                if segment.indices.allSatisfy({ segment[$0] != 0x25 }) { return use(segment) }
                let decoded = PercentDecoding.decode(segment)
                return use(decoded.span)
            }
        case .body(let field):
            guard let body = exchange.body else { return nil }
            return field.withValue(in: body, era.contracts.schema) { use($0) }
        }
    }
}
