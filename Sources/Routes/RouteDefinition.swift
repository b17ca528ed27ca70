public import Exchanges
public import Settings

/// One route as its author wrote it, with every name resolved: what `routes` and `explain` show. The
/// request path reads the plain bits compiled from it instead (`Rule` and the tables beside it).
public struct RouteDefinition: Sendable {
    public var name: String
    public var position: SourcePosition
    public var match: RouteMatch
    public var target: TargetDefinition
    public var fallback: TargetDefinition?
    /// Name of the flag that chooses between target and fallback.
    public var flag: String?
    /// How the flag is asked; nil = it is off for everybody.
    public var steering: SteeringDefinition?
    /// gRPC statuses by their names, for endings of the event core that its callers know under another one.
    public var grpcStatuses: [StatusName] = []
    /// What the stage `inspect` wants of messages.
    public var inspection: [FieldRule] = []
    /// The same of whole messages; nil = whatever can be passed on.
    public var messageRule: MessageRule?
    /// What it wants of JSON bodies; nil = nothing.
    public var bodySchema: BodySchema?
    /// Requests become calls of this method.
    public var call: CallDefinition?
    public var shield: ShieldLimit?
    /// Nil = nobody is asked who he is.
    public var identity: IdentityDemand?
    /// Nil = whoever gets here may.
    public var access: AccessDemand?
    /// Charged in this order.
    public var quotas: [QuotaDefinition] = []
    /// Nil = requests are not told from their repetitions.
    public var repetition: RepetitionRule?
    /// Parameters that the path gives under other names.
    public var parameters: [RouteParameter] = []
    public var collect = false
    /// Bytes; `UInt64.max` = unlimited.
    public var bodyLimit: UInt64 = 1 << 20
    public var timeouts = Timeouts()
    public var retry = RetryPolicy()
    public var upgrade = false
    public var host = HostDefinition.preserve
    public var rewrite: RewriteDefinition?
    public var requestEdits: [EditDefinition] = []
    public var responseEdits: [EditDefinition] = []
    /// Nil = pages of other origins get no permission.
    public var cors: CORSDefinition?

    /// The label of metrics and logs.
    public var template: String { match.path.text }
    /// Upper-case tokens; empty = any.
    public var methods: [String] { match.methods }

    /// What of a command the path says, by the command's names.
    public var givenNames: [String] { match.path.captureNames + parameters.map(\.name) }

    /// Target, then fallback.
    public var targets: [TargetDefinition] { [target] + (fallback.map { [$0] } ?? []) }
}

/// A status of gRPC as a route file names it.
public struct StatusName: Sendable, Hashable {
    /// The ending: `UPSTREAM_UNAVAILABLE` …
    public var code: Code
    /// `FAILED_PRECONDITION` …
    public var status: String
    public var position: SourcePosition
}

/// What a request must be for a route. Empty lists mean "any".
public struct RouteMatch: Sendable, Hashable {
    /// Names; default: every listener but `admin`.
    public var listeners: [String]
    /// Bit i = listener i of `Configuration.allListeners`.
    public var listenerMask: UInt64
    public var hosts: [HostPattern] = []
    public var methods: [String] = []
    public var path: PathTemplate
    /// Sorted by name.
    public var headers: [HeaderCondition] = []
    /// The same for parameters of the query, by their names as they are written there.
    public var query: [HeaderCondition] = []
    /// Written as `grpc: package.Service/Method`: only the gRPC dialect matches.
    public var grpc = false
    /// Written as `connect`, `publish` or `subscribe`: only what MQTT clients do there matches. The path is the client
    /// identifier or the topic, level by level.
    public var mqtt: MQTTAction?

    /// How many conditions beside host, path and method; more of them come first.
    public var conditionCount: Int { headers.count + query.count + (grpc ? 1 : 0) }

    /// How many of the header conditions want one value.
    var exactCount: Int {
        (headers + query).count { condition in
            if case .equals = condition.test { return true }
            return false
        }
    }
}

/// What an MQTT client does that a route can be about.
public enum MQTTAction: String, Sendable, Hashable, CaseIterable {
    case connect, publish, subscribe

    /// The verb of its exchanges.
    public var verb: Verb {
        switch self {
        case .connect: .connect
        case .publish: .publish
        case .subscribe: .subscribe
        }
    }

    /// What the route file calls the broker's part in it.
    var target: String {
        switch self {
        case .connect: "session"
        case .publish: "relay"
        case .subscribe: "subscribe"
        }
    }
}

/// A header field, or a parameter of the query, that a request must have.
public struct HeaderCondition: Sendable, Hashable, CustomStringConvertible {
    public enum Test: Sendable, Hashable {
        /// One of the field's lines is exactly this.
        case equals([UInt8])
        case present
        case absent
    }
    /// Lower case.
    public var name: String
    public var test: Test

    public var description: String {
        switch test {
        case .equals(let value): "\(name): \(String(decoding: value, as: UTF8.self))"
        case .present: "\(name) present"
        case .absent: "\(name) absent"
        }
    }
}

public enum TargetDefinition: Sendable, Hashable, CustomStringConvertible {
    /// Index into `Configuration.clusters`.
    case cluster(String, UInt16)
    /// Index into `Vocabulary.commands`.
    case command(String, UInt16)
    /// The command that the path names, by the name of its capture.
    case anyCommand(String)
    /// Index into `Vocabulary.queries`.
    case query(String, UInt16)
    case operation(Operation)
    case fixed(FixedAnswer)
    /// The broker.
    case topics

    public var isCluster: Bool {
        if case .cluster = self { return true }
        return false
    }

    public var description: String {
        switch self {
        case .cluster(let name, _): "cluster \(name)"
        case .command(let name, _): "command \(name)"
        case .anyCommand(let capture): "command {\(capture)}"
        case .query(let name, _): "query \(name)"
        case .operation(let operation): "operation \(operation)"
        case .fixed(let answer): "fixed \(answer.status)"
        case .topics: "topics"
        }
    }
}

/// An answer from the route file. `headers` are in the order written, names in lower case.
public struct FixedAnswer: Sendable, Hashable {
    public var status: UInt16
    public var body: [UInt8]
    /// Empty = no Content-Type.
    public var contentType: [UInt8]
    public var headers: [Header]

    public struct Header: Sendable, Hashable {
        public var name: [UInt8]
        public var value: [UInt8]
    }
}

public enum HostDefinition: Sendable, Hashable, CustomStringConvertible {
    case preserve, upstream
    case literal(String)

    public var description: String {
        switch self {
        case .preserve: "preserve"
        case .upstream: "upstream"
        case .literal(let text): text
        }
    }
}

public enum RewriteDefinition: Sendable, Hashable, CustomStringConvertible {
    /// Each segment is a literal or a capture of the match; a `.rest` stands last.
    case template(PathTemplate)
    /// Taken off the front of the path; begins and does not end with `/`.
    case stripPrefix(String)

    public var description: String {
        switch self {
        case .template(let template): "path \(template)"
        case .stripPrefix(let prefix): "strip \(prefix)"
        }
    }
}

/// One change of a header section.
public struct EditDefinition: Sendable, Hashable, CustomStringConvertible {
    public var kind: HeaderEdit.Kind
    /// Lower case.
    public var name: String
    public var value: String

    public var description: String {
        switch kind {
        case .remove: "remove \(name)"
        case .set, .add: "\(kind) \(name): \(value)"
        }
    }
}

/// Numbers of one `shield` stage, for GCRA: one request every `emissionInterval` in the long run, at
/// most `burst` at once.
public struct ShieldLimit: Sendable, Hashable, BitwiseCopyable {
    public var requests: UInt32
    /// Milliseconds.
    public var per: UInt32
    public var burst: UInt32

    /// Nanoseconds between two requests at the allowed rate; at least 1.
    public var emissionInterval: UInt64 { UInt64(per) * 1_000_000 / UInt64(requests) }
    /// Nanoseconds by which a request may come early: `(burst - 1)` intervals.
    public var tolerance: UInt64 {
        let (product, isTooLong) = emissionInterval.multipliedReportingOverflow(by: UInt64(burst - 1))
        return isTooLong ? .max >> 2 : min(product, .max >> 2)  // centuries; far from where sums overflow
    }
}

/// The names the event core answers to; a target's number is the position in these lists, so the
/// same lists must be used for every generation.
public struct Vocabulary: Sendable, Equatable {
    public var commands: [String]
    public var queries: [String]
    /// The gRPC methods of the contracts, by `package.Service/Method`.
    public var methods: [String: MethodShape]

    public init(commands: [String] = [], queries: [String] = [], methods: [String: MethodShape] = [:]) {
        self.commands = commands
        self.queries = queries
        self.methods = methods
    }
}
