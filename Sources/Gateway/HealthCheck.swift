import Reactor
import Settings
import Telemetry

/// The active checks of one endpoint. One worker makes them; what they come to counts for all.
///
/// Each check is a connection of its own, so that it also shows whether one can be made, and none of the
/// connections that carry requests can stand in its way.
final class HealthCheck: Source {
    let endpoint: Endpoint
    private let rule: Settings.Cluster.Health
    private let worker: Worker
    private var tally: HealthTally
    private var probe: HealthProbe?
    private var startedMS: UInt64 = 0

    /// The first check begins at once; until it is known to be ill an endpoint is used.
    init(of endpoint: Endpoint, _ rule: Settings.Cluster.Health, worker: Worker) {
        self.endpoint = endpoint
        self.rule = rule
        self.worker = worker
        tally = HealthTally(isHealthy: endpoint.state.standing.isHealthy)
        super.init()
        _ = worker.loop.register(self, descriptor: nil)
        worker.loop.setDeadline(self, afterMS: 1)
    }

    func stop() {
        probe?.cancel()
        probe = nil
        worker.loop.unregister(self)
    }

    /// The time of the next check.
    override func deadlinePassed() {
        // A reload has replaced the cluster; its last exchanges need no checks of their own.
        guard worker.isCurrent(endpoint.cluster), !worker.isDraining else { return }
        startedMS = worker.loop.nowMS
        probe = HealthProbe(endpoint, rule, worker: worker) { [unowned self] passed in ended(passed) }
        if probe == nil { ended(false) }
    }

    private func ended(_ passed: Bool) {
        probe = nil
        let cluster = endpoint.cluster
        // As above; and whatever the newest generation knows by now, this one would not set right again.
        guard worker.isCurrent(cluster) else { return }
        cluster.state.checked(passed)
        if tally.record(passed, rule), endpoint.state.setHealthy(passed, nowMS: worker.loop.nowMS) {
            cluster.state.changed()
            worker.shared.log.warning(
                passed ? "an endpoint is healthy again" : "an endpoint is unhealthy",
                ["cluster": cluster.specification.name, "endpoint": "\(endpoint.address)"])
        }
        // A tenth either way, so that the checks of many gateways do not fall together.
        let interval = Int(rule.interval)
        let next = UInt64(interval - interval / 10 + worker.draw(below: interval / 5 + 1))
        let elapsed = worker.loop.nowMS - startedMS
        worker.loop.setDeadline(self, afterMS: next > elapsed ? next - elapsed : 1)
    }
}
