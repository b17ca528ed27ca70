import Exchanges
import Pipeline
import Policies
import Routes

/// Whom a request is counted for when its route's flag is on for some.
extension Worker {
    /// The stage `steer`: the flag's side for whoever asks.
    func steer(_ exchange: Exchange) -> Verdict {
        let rule = exchange.rule
        let isForAll = rule.weight == Steer.buckets
        let isOn = isForAll || rule.weight > 0 && Steer.isOn(bucket: bucket(of: exchange, era(of: exchange)), weight: rule.weight)
        exchange.arm = isOn ? .candidate : .control
        if isOn { exchange.target = rule.target }
        return .proceed
    }

    /// 0 to 9,999. Who cannot be told from others shares a bucket with all of them: nobody is moved about.
    func bucket(of exchange: Exchange, _ era: Era) -> UInt16 {
        let key = steeringKey(of: exchange, era)
        return era.contracts.steers[Int(exchange.rule.flag)].bucket(of: key.span)
    }

    private func steeringKey(of exchange: Exchange, _ era: Era) -> [UInt8] {
        guard exchange.rule.steeringKey != Rule.none, let text = exchange.text else { return [] }
        switch era.table.steeringKeys[Int(exchange.rule.steeringKey)] {
        case .header(let name):
            return text.withReadable { text in
                guard let field = exchange.head.first(named: Array(name.utf8), in: text) else { return [] }
                return text.extracting(field.value.range).bytes
            }
        case .capture(_, let place):
            return text.withReadable { PercentDecoding.decode($0.extracting(exchange.captures[place].range)) }
        case .field: return era.contracts.steeringValue(of: exchange)
        }
    }
}
