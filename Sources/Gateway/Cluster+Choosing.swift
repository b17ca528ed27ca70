import Exchanges
import Pipeline
import Reactor
import Settings
import Synchronization
import Telemetry

/// Choosing an endpoint of a cluster.
extension Cluster {
    /// An endpoint for the exchange; nil when there is none, or none may be used. `avoiding` is left out while
    /// there is another.
    func choose(for exchange: Exchange, _ session: Session, avoiding: Endpoint?) -> Endpoint? {
        if state.version.load(ordering: .relaxed) != seenVersion || worker.loop.nowMS >= balancer.selection.nextChangeMS {
            reselect()
        }
        let members = balancer.selection.members.count
        guard members > 1 else { return members == 1 ? endpoints[balancer.selection.members[0]] : nil }
        switch specification.balance {
        case .leastRequest: return leastRequest(avoiding: avoiding)
        case .roundRobin: return endpoints[balancer.roundRobin(avoiding: avoiding?.number)]
        case .consistentHash:
            guard let hash = hash(of: exchange, session) else { return leastRequest(avoiding: avoiding) }
            // More than its share and a half is too much for one endpoint, whoever's key it is.
            let bound = max(Self.hashLoadFloor, active * 3 / (2 * members))
            let chosen = balancer.byHash(hash, avoiding: avoiding?.number) { endpoints[$0].active >= bound }
            return chosen.map { endpoints[$0] } ?? leastRequest(avoiding: avoiding)
        }
    }

    /// Exchanges a worker may have at a key's own endpoint however uneven that is.
    static var hashLoadFloor: Int { 32 }

    private func leastRequest(avoiding: Endpoint?) -> Endpoint {
        endpoints[
            balancer.leastRequest(
                avoiding: avoiding?.number, draw: { worker.draw(below: $0) }, active: { endpoints[$0].active })]
    }

    private func hash(of exchange: Exchange, _ session: Session) -> UInt64? {
        guard let requestHash, let text = exchange.text else { return nil }
        let client = requestHash.usesClient ? worker.clientAddress(exchange, session) : session.peer
        return text.withReadable { requestHash.of(exchange.head, in: $0, client: client) }
    }

    /// An endpoint that may be used and still takes a connection, when the chosen one is full.
    func firstWithRoom() -> Endpoint? {
        for number in balancer.selection.members where endpoints[number].hasRoom { return endpoints[number] }
        return nil
    }

    /// Finds out anew who may be chosen.
    func reselect() {
        seenVersion = state.version.load(ordering: .relaxed)
        balancer.adopt(
            Selection(
                of: endpoints.map(\.state.standing), nowMS: worker.loop.nowMS, panic: specification.panic,
                slowStart: specification.slowStart), of: endpoints.count)
    }

    /// The endpoints are other ones now.
    func endpointsChanged() {
        for (number, endpoint) in endpoints.enumerated() { endpoint.number = number }
        if specification.balance == .consistentHash {
            balancer.place(endpoints.map { $0.authority + [0x20] + $0.label })
        }
        checkEndpoints()
        reselect()
    }

    /// An attempt at `endpoint` is over.
    func attemptEnded(_ result: AttemptResult, of exchange: Exchange?, at endpoint: Endpoint) {
        active -= 1
        passGates(result, of: exchange)
        switch result {
        case .cancelled: return
        case .answered(let status) where !(502...504).contains(status): endpoint.state.succeeded()
        case .failed(let fault) where !fault.isEndpointFailure: return
        case .answered, .failed:
            guard let rule = specification.ejection else { return }
            guard state.failed(endpoint.state, rule, of: endpoints.count, nowMS: worker.loop.nowMS) else { return }
            worker.shared.log.warning(
                "an endpoint is left out for a while: its answers failed",
                ["cluster": specification.name, "endpoint": "\(endpoint.address)"])
        }
    }
}
