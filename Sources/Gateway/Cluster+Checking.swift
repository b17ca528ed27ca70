import Reactor
import Settings

/// Active health checks of a cluster's endpoints.
extension Cluster {
    /// Checks exactly the endpoints there are. Only the first worker does: its word counts for all.
    func checkEndpoints() {
        guard worker.index == 0 else { return }
        guard let rule = specification.health else {
            // Whatever checks of an earlier generation have found, nobody would ever find out otherwise.
            for endpoint in endpoints where endpoint.state.setHealthy(true, nowMS: worker.loop.nowMS) { state.changed() }
            return
        }
        for check in checks where !endpoints.contains(where: { $0 === check.endpoint }) { check.stop() }
        checks = endpoints.map { endpoint in
            checks.first { $0.endpoint === endpoint } ?? HealthCheck(of: endpoint, rule, worker: worker)
        }
    }

    func stopChecks() {
        for check in checks { check.stop() }
        checks.removeAll()
    }
}

extension Worker {
    /// Is the cluster one of the newest generation's?
    func isCurrent(_ cluster: Cluster) -> Bool {
        eras[Int(currentEra)]?.clusters.contains { $0 === cluster } ?? false
    }
}
