import Exchanges
import Identity
import Pipeline
public import Routes
public import Settings
import Telemetry

/// One immutable configuration, checked as a whole. Shared by all workers; replaced atomically.
public final class Generation: Sendable {
    public let number: UInt64
    public let configuration: Configuration
    public let table: RouteTable
    public let tls: TLSContexts
    public let contracts: RouteContracts
    public let stages: StageTables

    public init(
        number: UInt64, configuration: Configuration, table: RouteTable, tls: TLSContexts, contracts: RouteContracts,
        stages: StageTables
    ) {
        self.number = number
        self.configuration = configuration
        self.table = table
        self.tls = tls
        self.contracts = contracts
        self.stages = stages
    }
}

/// A worker's own view of a generation: its upstream pools and label numbers, and how many
/// exchanges still run under it. A reload makes a new era; an old one goes with its last exchange.
final class Era {
    let table: RouteTable
    /// By the numbers of `Target.upstream`.
    let clusters: [Cluster]
    /// The same numbers, for whoever knows only the name.
    let clusterNumbers: [String: UInt16]
    /// Metric label of each route: its template (SPEC O-6), shared by routes that differ in method or host.
    let routeLabels: [LabelTable.ID]
    /// A number for each route's name that stays over reloads, so that its limits do.
    let policies: [UInt16]
    /// Metric label of each policy, behind `Rule.access`.
    let accessLabels: [LabelTable.ID]
    /// Metric label of what matched no route.
    let unrouted: LabelTable.ID
    /// Metric label of the gateway's own calls.
    let outbound: LabelTable.ID
    /// Names of the routes, as logs show them.
    let routeNames: [[UInt8]]
    /// Of each flag: where its weight stands, its metric label, and its name as logs show it.
    let flagPlaces: [UInt16]
    let flagLabels: [LabelTable.ID]
    let flagNames: [[UInt8]]
    /// Names of each route's path parameters, in the order of the captures.
    let captureNames: [[String]]
    let contracts: RouteContracts
    let stages: StageTables
    let identity: IdentityTable
    /// In the order of the configuration.
    let issuers: [Issuer]
    let quotas: QuotaTables
    /// The gRPC services that the routes know, in order.
    let services: [String]
    /// The constant answers of the route files.
    let fixedReplies: [LocalReply]
    var exchanges = 0

    /// - Parameter previous: clusters whose settings did not change keep their pools.
    init(_ generation: Generation, previous: Era?, worker: Worker) {
        table = generation.table
        contracts = generation.contracts
        stages = generation.stages
        identity = generation.stages.identity
        issuers = worker.shared.issuers.issuers(of: identity.definitions)
        quotas = QuotaTables(generation.table.quotas, generation.configuration.limits, worker.shared.budgets)
        let meters = worker.shared.meters
        let specifications = generation.configuration.clusters
        clusters = generation.table.clusters.map { name in
            if let kept = previous?.clusters.first(where: { $0.specification.name == name }),
                specifications.contains(kept.specification)
            {
                // Files may have changed where their names have not; new connections use the new ones.
                kept.tls = generation.tls.cluster(name)
                return kept
            }
            // The table was compiled against this very configuration, so the name is there.
            let specification = specifications.first { $0.name == name } ?? Settings.Cluster(name: name, endpoints: [])
            return Cluster(specification, tls: generation.tls.cluster(name), worker: worker)
        }
        clusterNumbers = Dictionary(
            uniqueKeysWithValues: generation.table.clusters.enumerated().map { ($1, UInt16($0)) })
        routeLabels = generation.table.routes.map { meters.routes.intern($0.template) }
        policies = generation.table.routes.map { worker.shared.policies.intern($0.name) }
        accessLabels = generation.stages.access.routes.map {
            meters.policies.intern(String(decoding: $0.name, as: UTF8.self))
        }
        unrouted = meters.routes.intern("(none)")
        outbound = meters.routes.intern("(outbound)")
        routeNames = generation.table.routes.map { Array($0.name.utf8) }
        let flags = generation.table.flags.map(\.name)
        flagPlaces = flags.map { worker.shared.flags.place(of: $0) }
        flagLabels = flags.map { meters.flags.intern($0) }
        flagNames = flags.map { Array($0.utf8) }
        captureNames = generation.table.routes.map { $0.match.path.captureNames }
        services = Set(generation.table.routes.filter(\.match.grpc).map(\.service)).sorted()
        fixedReplies = generation.table.fixed.map { LocalReply($0) }
    }
}

extension RouteDefinition {
    /// The service of a gRPC route's method or methods: `package.Service`.
    fileprivate var service: String { String(match.path.text.dropFirst().prefix { $0 != "/" }) }
}

extension LocalReply {
    /// A constant answer of a route file.
    init(_ answer: FixedAnswer) {
        var fields: [UInt8] = []
        func line(_ name: [UInt8], _ value: [UInt8]) { fields += name + [0x3a, 0x20] + value + [0x0d, 0x0a] }
        if !answer.contentType.isEmpty { line(Array("Content-Type".utf8), answer.contentType) }
        for header in answer.headers { line(header.name, header.value) }
        self.init(status: answer.status, contentType: "", body: answer.body, fields: fields)
    }
}
