import Exchanges
import Pipeline
import Policies
import Routes

/// MQTT connections live for weeks, and each is an exchange: without this every configuration that one of them began under
/// would stay with its pools and tables for as long.
extension Worker {
    /// Connections that are open go on under the newest configuration. Nothing is decided anew: who is in stays in.
    ///
    /// What stays behind: one whose route is no more, and one that has charges, which its own configuration settles.
    func moveConnections() {
        var places: [UInt16: [UInt16?]] = [:]
        for exchange in exchanges where exchange.era != currentEra {
            guard let connection = exchange.wire as? MQTTConnection, connection.phase == .open, exchange.charges.isEmpty,
                exchange.route != Rule.none
            else { continue }
            if places[exchange.era] == nil { places[exchange.era] = findRoutes(of: era(of: exchange)) }
            if let place = places[exchange.era]?[Int(exchange.route)] { move(exchange, to: place) }
        }

        func findRoutes(of old: Era) -> [UInt16?] {
            let new = eras[Int(currentEra)]
            return old.routeNames.map { name in new?.routeNames.firstIndex(of: name).map { UInt16($0) } }
        }
    }

    private func move(_ exchange: Exchange, to route: UInt16) {
        let (old, number) = (era(of: exchange), exchange.era)
        guard let new = eras[Int(currentEra)] else { return }
        let rule = new.table.rules[Int(route)]
        if !isSamePolicy(exchange, old, rule, new) { exchange.accessMark = AccessMark() }
        exchange.route = route
        exchange.rule = rule
        exchange.era = currentEra
        new.exchanges += 1
        old.exchanges -= 1
        retireIfOver(number)
    }

    /// Does the number of the rule that decided mean the same?
    private func isSamePolicy(_ exchange: Exchange, _ old: Era, _ rule: Rule, _ new: Era) -> Bool {
        guard exchange.rule.access != Rule.none, rule.access != Rule.none else { return false }
        let (one, other) = (old.stages.access.routes[Int(exchange.rule.access)], new.stages.access.routes[Int(rule.access)])
        return one.name == other.name && one.version == other.version
    }
}
