import Synchronization
import Telemetry

extension Upstreams {
    /// The state of all clusters as metric families.
    /// - Parameter nowMS: monotonic milliseconds, the clock of the loops.
    func families(nowMS: UInt64) -> [Family] {
        var endpoints: [Sample] = []
        var ejections: [Sample] = []
        var checks: [Sample] = []
        var breakers: [Sample] = []
        var opened: [Sample] = []
        var refused: [Sample] = []
        var waiting: [Sample] = []
        for cluster in all {
            let labels = [(name: "cluster", value: cluster.name)]
            func sample(_ value: some BinaryInteger, _ extra: (name: String, value: String)...) -> Sample {
                Sample(.integer(UInt64(value)), labels: labels + extra)
            }
            let states = cluster.allEndpoints.map { $0.standing.word(nowMS: nowMS) }
            for state in ["healthy", "unhealthy", "ejected"] {
                endpoints.append(sample(states.count { $0 == state }, ("state", state)))
            }
            ejections.append(sample(cluster.ejections.load(ordering: .relaxed)))
            checks.append(sample(cluster.checksPassed.load(ordering: .relaxed), ("result", "passed")))
            checks.append(sample(cluster.checksFailed.load(ordering: .relaxed), ("result", "failed")))
            breakers.append(sample(cluster.breaker.withLock { $0.state(nowMS: nowMS) }.rawValue))
            opened.append(sample(cluster.breakerOpened.load(ordering: .relaxed)))
            refused.append(sample(cluster.retriesRefused.load(ordering: .relaxed)))
            waiting.append(sample(cluster.bulkhead.load.waiting))
        }
        return [
            Family("nexus_upstream_endpoints", .gauge, "Endpoints by what is known of them.", samples: endpoints),
            Family("nexus_upstream_ejections", .counter, "Endpoints left out because their answers failed.", samples: ejections),
            Family("nexus_upstream_health_checks", .counter, "Active checks by result.", samples: checks),
            Family(
                "nexus_upstream_breaker_state", .gauge, "Circuit breaker: 0 closed (or none), 1 half open, 2 open.",
                samples: breakers),
            Family("nexus_upstream_breaker_opened", .counter, "How often the breaker has opened.", samples: opened),
            Family("nexus_upstream_retries_refused", .counter, "Retries that had no budget.", samples: refused),
            Family("nexus_upstream_bulkhead_waiting", .gauge, "Exchanges in the bulkhead's line.", samples: waiting),
        ]
    }
}
