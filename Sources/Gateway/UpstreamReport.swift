import Contracts
import Reactor
import Settings
import Synchronization

extension Upstreams {
    /// The state of every cluster and endpoint as JSON: what `GET /upstreams` answers.
    /// - Parameter nowMS: monotonic milliseconds, the clock of the loops.
    func report(nowMS: UInt64) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("clusters")
        json.beginArray()
        for cluster in all { cluster.report(nowMS, to: &json) }
        json.endArray()
        json.endObject()
        return json.sink
    }
}

extension ClusterState {
    fileprivate func report(_ nowMS: UInt64, to json: inout JSONWriter<[UInt8]>) {
        json.beginObject()
        json.name("name")
        json.string(name)
        let settings = settings
        json.name("breaker")
        json.string(settings?.breaker == nil ? "off" : breaker.withLock { $0.state(nowMS: nowMS) }.word)
        json.name("bulkhead")
        if let rule = settings?.bulkhead {
            let load = bulkhead.load
            json.beginObject()
            json.name("concurrent")
            json.integer(rule.concurrent)
            json.name("running")
            json.integer(load.inside)
            json.name("waiting")
            json.integer(load.waiting)
            json.endObject()
        } else {
            json.string("off")
        }
        let spent = budgets
        json.name("retryBudget")
        json.beginObject()
        json.name("percent")
        json.integer(settings?.retryBudget.percent ?? 0)
        json.name("requests")
        json.integer(spent.requests)
        json.name("retries")
        json.integer(spent.retries)
        json.name("refused")
        json.integer(retriesRefused.load(ordering: .relaxed))
        json.endObject()
        json.name("ejections")
        json.integer(ejections.load(ordering: .relaxed))
        json.name("endpoints")
        json.beginArray()
        for endpoint in allEndpoints { endpoint.report(nowMS, slowStart: settings?.slowStart ?? 0, to: &json) }
        json.endArray()
        json.endObject()
    }
}

extension EndpointState {
    fileprivate func report(_ nowMS: UInt64, slowStart: UInt32, to json: inout JSONWriter<[UInt8]>) {
        let standing = standing
        let load = load
        json.beginObject()
        json.name("address")
        json.string(address.description)
        json.name("state")
        json.string(standing.word(nowMS: nowMS))
        if standing.ejectedUntilMS > nowMS {
            json.name("ejectedForMs")
            json.integer(standing.ejectedUntilMS - nowMS)
        }
        json.name("sharePercent")
        let weight = standing.isAvailable(nowMS: nowMS) ? standing.weight(nowMS: nowMS, slowStart: slowStart) : 0
        json.integer(Int(weight) * 100 / Int(Selection.full))
        json.name("active")
        json.integer(load.active)
        json.name("connections")
        json.integer(load.open)
        json.endObject()
    }
}

extension Standing {
    /// As reports and metrics name it.
    func word(nowMS: UInt64) -> String {
        if !isHealthy { return "unhealthy" }
        return ejectedUntilMS > nowMS ? "ejected" : "healthy"
    }
}

extension CircuitBreaker.State {
    /// As reports name it.
    var word: String {
        switch self {
        case .closed: "closed"
        case .halfOpen: "half-open"
        case .open: "open"
        }
    }
}
