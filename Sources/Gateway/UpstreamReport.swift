import Contracts
import Reactor
import Synchronization

extension Upstreams {
    /// The state of every cluster and endpoint as JSON: what `GET /upstreams` answers.
    func report(nowMS: UInt64) -> [UInt8] {
        var json = JSONWriter<[UInt8]>([])
        json.beginObject()
        json.name("clusters")
        json.beginArray()
        for cluster in all {
            json.beginObject()
            json.name("name")
            json.string(cluster.name)
            json.name("endpoints")
            json.beginArray()
            for endpoint in cluster.allEndpoints { endpoint.report(nowMS, to: &json) }
            json.endArray()
            json.name("ejections")
            json.integer(cluster.ejections.load(ordering: .relaxed))
            json.name("retriesRefused")
            json.integer(cluster.retriesRefused.load(ordering: .relaxed))
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.sink
    }
}

extension EndpointState {
    fileprivate func report(_ nowMS: UInt64, to json: inout JSONWriter<[UInt8]>) {
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
