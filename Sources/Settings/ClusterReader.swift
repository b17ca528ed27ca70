/// One entry of `clusters`.
extension Cluster {
    static func read(_ entry: Value.Entry, _ diagnostics: Diagnostics) -> Cluster {
        let fields = Fields(entry.value, "cluster '\(entry.key)'", diagnostics)
        var result = Cluster(name: entry.key, endpoints: [])
        let items = fields.list("endpoints") ?? []
        if items.isEmpty { diagnostics.error(at: entry.position, "cluster '\(entry.key)' needs at least one endpoint") }
        if items.count > 1024 {
            diagnostics.error(at: fields.position(of: "endpoints"), "at most 1024 endpoints are supported")
        }
        for item in items.prefix(1024) {
            guard let address = item.address("endpoints", diagnostics) else { continue }
            if case .tcp(_, port: 0) = address {
                diagnostics.error(at: item.position, "an endpoint needs a port from 1 to 65535")
            } else if result.endpoints.contains(address) {
                diagnostics.error(at: item.position, "the endpoint \(address) is listed twice")
            } else {
                result.endpoints.append(address)
            }
        }
        result.readProtocol(fields)
        result.readPolicies(fields)
        if let pool = fields.fields("pool", "the pool of a cluster") { result.pool.read(pool) }
        if let limits = fields.fields("limits", "the limits of a cluster") {
            result.limits.head = limits.count("head", in: 256...16 << 20) ?? result.limits.head
            result.limits.fields = limits.integer("fields", in: 1...10_000) ?? result.limits.fields
            result.limits.informational = limits.integer("informational", in: 0...1_000) ?? result.limits.informational
            limits.finish()
        }
        result.tls = ClusterTLS.read(fields)
        fields.finish()
        return result
    }
}

extension Cluster.Pool {
    fileprivate mutating func read(_ fields: Fields) {
        connections = fields.integer("connections", in: 1...65_535) ?? connections
        let given = fields.integer("idle", in: 0...65_535)
        idle = given ?? connections
        idleTimeout = fields.milliseconds("idle_timeout", in: 0...86_400_000) ?? idleTimeout
        maxAge = fields.milliseconds("max_age", in: 0...86_400_000) ?? maxAge
        pending = fields.integer("pending", in: 0...1_000_000) ?? pending
        requests = fields.integer("requests", in: 0...1_000_000_000) ?? requests
        fields.finish()
        if idle > connections {
            fields.diagnostics.error(
                at: fields.position(of: "idle"), "'idle' (\(idle)) cannot be larger than 'connections' (\(connections))")
        }
    }
}
