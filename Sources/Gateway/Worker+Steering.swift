import Contracts
import Exchanges
import Pipeline
import Policies
import Routes

/// Whom a request is counted for when its route's flag is on for some.
extension Worker {
    /// 0 to 9,999. Who cannot be told from others shares a bucket with all of them: nobody is moved about.
    func bucket(of exchange: Exchange, _ era: Era) -> UInt16 {
        let steer = era.generation.contracts.steers[Int(exchange.rule.flag)]
        guard exchange.rule.steeringKey != Rule.none else { return steer.bucket(of: [UInt8]().span) }
        let key: [UInt8]
        switch era.table.steeringKeys[Int(exchange.rule.steeringKey)] {
        case .header(let name):
            key = exchange.text?.withReadable { text -> [UInt8] in
                guard let field = exchange.head.first(named: Array(name.utf8), in: text) else { return [] }
                return text.extracting(field.value.range).bytes
            } ?? []
        case .capture(_, let place):
            key = exchange.text?.withReadable {
                PercentDecoding.decode($0.extracting(exchange.captures[place].range))
            } ?? []
        case .field:
            key = era.generation.contracts.steeringValue(of: exchange)
        }
        return steer.bucket(of: key.span)
    }
}
