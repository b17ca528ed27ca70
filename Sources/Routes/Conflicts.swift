import Settings

/// What only shows when all routes are seen together: names given twice, requests claimed twice,
/// routes no request can reach.
enum Conflicts {
    static func check(_ routes: [RouteDefinition], _ diagnostics: Diagnostics) {
        var names: [String: SourcePosition] = [:]
        var claims: [Claim: [RouteDefinition]] = [:]
        for route in routes {
            if let taken = names[route.name] {
                diagnostics.error(at: route.position, "the route name '\(route.name)' is taken at \(taken)")
            } else {
                names[route.name] = route.position
            }
            // A listener that could not be read has been reported already. Routes of MQTT may stand there while nothing
            // listens for it.
            if route.match.listenerMask == 0, route.match.mqtt == nil, diagnostics.errors == 0 {
                diagnostics.warning(at: route.position, "no listener serves route '\(route.name)', so nothing reaches it")
            }
            var reported = false
            for host in route.match.hosts.isEmpty ? [nil] : route.match.hosts.map(Optional.some) {
                let claim = Claim(host, route.match)
                if !reported, let other = claims[claim]?.first(where: { overlap($0.match, route.match) }) {
                    reported = true
                    diagnostics.error(
                        at: route.position,
                        "route '\(route.name)' matches the same requests as route '\(other.name)' at \(other.position)")
                }
                claims[claim, default: []].append(route)
            }
        }
    }

    /// A flag has one weight: with two, a principal would be on both its sides.
    static func checkWeights(_ routes: [RouteDefinition], _ diagnostics: Diagnostics) {
        var first: [String: RouteDefinition] = [:]
        for route in routes {
            guard let flag = route.flag, route.steering?.place == nil else { continue }
            let weight = route.steering?.weight ?? 0
            if let other = first[flag], other.steering?.weight ?? 0 != weight {
                diagnostics.error(
                    at: route.position, "the flag '\(flag)' has another weight here than in route '\(other.name)' at \(other.position)")
            } else {
                first[flag] = route
            }
        }
    }

    /// Everything of a match but methods and listeners; parameters have no names here, because
    /// `/a/{x}` and `/a/{y}` are the same requests.
    private struct Claim: Hashable {
        let host: HostPattern?
        let path: [PathTemplate.Segment]
        let headers: [HeaderCondition]
        let query: [HeaderCondition]
        let grpc: Bool
        let mqtt: MQTTAction?

        init(_ host: HostPattern?, _ match: RouteMatch) {
            self.host = host
            path = match.path.segments.map { segment in
                switch segment {
                case .literal: segment
                case .parameter: .parameter("")
                case .rest: .rest("")
                }
            }
            headers = match.headers
            query = match.query
            grpc = match.grpc
            mqtt = match.mqtt
        }
    }

    /// Do two matches with equal claims have a listener and a method in common? One that names its
    /// methods comes before one for any, so such a pair is no conflict.
    private static func overlap(_ a: RouteMatch, _ b: RouteMatch) -> Bool {
        guard a.listenerMask & b.listenerMask != 0, a.methods.isEmpty == b.methods.isEmpty else { return false }
        return a.methods.isEmpty || !Set(a.methods).isDisjoint(with: b.methods)
    }
}
