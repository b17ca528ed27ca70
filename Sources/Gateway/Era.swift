import Exchanges
import Pipeline
public import Routes
public import Settings
import Telemetry

/// One immutable configuration, checked as a whole. Shared by all workers; replaced atomically.
public final class Generation: Sendable {
    public let number: UInt64
    public let configuration: Configuration
    public let table: RouteTable

    public init(number: UInt64, configuration: Configuration, table: RouteTable) {
        self.number = number
        self.configuration = configuration
        self.table = table
    }
}

/// A worker's own view of a generation: its upstream pools and label numbers, and how many
/// exchanges still run under it. A reload makes a new era; an old one goes with its last exchange.
final class Era {
    let generation: Generation
    /// By the numbers of `Target.upstream`.
    let clusters: [Cluster]
    /// Metric label of each route.
    let routeLabels: [LabelTable.ID]
    /// Metric label of what matched no route.
    let unrouted: LabelTable.ID
    var exchanges = 0

    /// - Parameter previous: clusters whose settings did not change keep their pools.
    init(_ generation: Generation, previous: Era?, worker: Worker) {
        self.generation = generation
        let meters = worker.shared.meters
        let specifications = generation.configuration.clusters
        clusters = generation.table.clusters.map { name in
            if let kept = previous?.clusters.first(where: { $0.specification.name == name }),
                specifications.contains(kept.specification)
            {
                return kept
            }
            // The table was compiled against this very configuration, so the name is there.
            let specification = specifications.first { $0.name == name } ?? Settings.Cluster(name: name, endpoints: [])
            return Cluster(specification, worker: worker)
        }
        routeLabels = generation.table.routes.map { meters.routes.intern($0.name) }
        unrouted = meters.routes.intern("(none)")
    }

    var table: RouteTable { generation.table }
}
