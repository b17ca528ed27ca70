/// The order of the pipeline is this enum (DESIGN 1.4). A route switches stages on and numbers them.
public enum Stage: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// Per-peer limit, before any cryptography.
    case shield
    /// Session, client certificate, token → principal.
    case identify
    /// May this principal do this?
    case authorize
    /// Per-principal limits.
    case quota
    /// Wait for the whole body, bounded.
    case collect
    /// The body against its contract.
    case inspect
    /// Idempotency: reserve, or repeat the stored outcome.
    case replay
    /// Flag, canary, affinity: may change the target.
    case steer

    /// As logs show it.
    public var label: StaticString {
        switch self {
        case .shield: "shield"
        case .identify: "identify"
        case .authorize: "authorize"
        case .quota: "quota"
        case .collect: "collect"
        case .inspect: "inspect"
        case .replay: "replay"
        case .steer: "steer"
        }
    }
}

/// A set of stages, one bit each.
public struct StageSet: OptionSet, Sendable, Hashable, BitwiseCopyable {
    public var rawValue: UInt8
    @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
    @inlinable public init(_ stage: Stage) { rawValue = 1 << stage.rawValue }

    /// The first stage of `self` that is not in `done`, in pipeline order.
    @inlinable public func first(without done: StageSet) -> Stage? {
        let left = rawValue & ~done.rawValue
        return left == 0 ? nil : Stage(rawValue: UInt8(truncatingIfNeeded: left.trailingZeroBitCount))
    }
}

/// Where an admitted exchange goes. The number indexes a table of the generation the rule belongs to.
public enum Target: Sendable, Hashable, BitwiseCopyable {
    /// A cluster of upstreams.
    case upstream(UInt16)
    /// A registered command of the event core.
    case command(UInt16)
    /// The command whose name is in the path: the capture with this number.
    case anyCommand(UInt16)
    /// A registered query of the event core.
    case query(UInt16)
    /// A constant answer from the route file.
    case fixed(UInt16)
    /// Health, metrics and the like, answered by the gateway itself.
    case operation(Operation)
    /// The broker: sessions, subscribers.
    case topics
}

/// What the gateway answers about itself.
public enum Operation: UInt8, Sendable, BitwiseCopyable, CaseIterable, CustomStringConvertible {
    case live, ready, metrics, routes, upstreams
    /// For people: what goes on in the event core, and what they want done about it.
    case sagas, deadLetters
    /// For people: flags and their weights, and credentials that are no longer believed.
    case flags, revocations
    /// For people: MQTT sessions, and messages that were refused.
    case mqtt
    /// The HTTP surface in OpenAPI's words.
    case openAPI
    /// gRPC services: `grpc.health.v1.Health`, `grpc.reflection.v1.ServerReflection`.
    case grpcHealth, grpcReflection

    /// The name in route files.
    public var description: String {
        switch self {
        case .live: "live"
        case .ready: "ready"
        case .metrics: "metrics"
        case .routes: "routes"
        case .upstreams: "upstreams"
        case .sagas: "sagas"
        case .deadLetters: "dead_letters"
        case .flags: "flags"
        case .revocations: "revocations"
        case .mqtt: "mqtt"
        case .openAPI: "openapi"
        case .grpcHealth: "grpc_health"
        case .grpcReflection: "grpc_reflection"
        }
    }

    /// Does it answer gRPC calls, and nothing else?
    public var answersCalls: Bool { self == .grpcHealth || self == .grpcReflection }

    /// Is it asked with a body?
    public var takesBodies: Bool { [.sagas, .deadLetters, .flags, .revocations, .mqtt].contains(self) }
}

/// Milliseconds; 0 = no limit. DESIGN 4.5: separate deadlines, none of them total.
public struct Timeouts: Sendable, Hashable, BitwiseCopyable {
    /// TCP (or Unix) connect to an upstream.
    public var connect: UInt32 = 1_000
    /// TLS handshake with an upstream.
    public var tls: UInt32 = 2_000
    /// Longest silence while a request body is being received.
    public var body: UInt32 = 15_000
    /// Bytes per second a request body must come at on average, counting only the time the client was
    /// waited for, after `body` milliseconds of grace; 0 = no minimum.
    public var bodyRate: UInt32 = 256
    /// From the last byte of the request sent to the first byte of the answer.
    public var firstByte: UInt32 = 30_000
    /// Longest silence of an answer, a stream or a tunnel, in either direction.
    public var streamIdle: UInt32 = 300_000
    /// Longest life of an exchange after admission.
    public var streamMax: UInt32 = 0
    /// How long the client's connection may idle after this exchange; 0 = the listener's value.
    public var keepAlive: UInt32 = 0
    /// How long an exchange may wait for a free upstream connection.
    public var queue: UInt32 = 1_000
    public init() {}
}

/// How the authority is sent upstream.
public enum HostRewrite: Sendable, Hashable, BitwiseCopyable {
    /// As the client sent it.
    case preserve
    /// The endpoint's own `host:port`.
    case upstream
    /// A literal, index into the generation's byte strings.
    case literal(UInt16)
}

/// What a request is to the thing that stays on one side of a flag until it is finished (SPEC R-5).
public enum AffinityRole: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// Nothing: the weight decides.
    case none
    /// It begins it, or adds to it.
    case start
    /// It looks at it.
    case follow
    /// With its success the thing is over.
    case finish
}

/// One compiled route: plain bits and indices into the tables of its generation. No references.
public struct Rule: Sendable, BitwiseCopyable {
    /// Index into the table's routes (name, template, source position): the label of metrics and logs.
    public var route: UInt16 = 0
    public var stages: StageSet = []
    public var target: Target = .operation(.live)
    /// Taken when the flag is off, or (later) when steering says so.
    public var fallback: Target? = nil
    /// Index into the generation's flags; `none` = no flag.
    public var flag: UInt16 = Rule.none
    /// Index into the generation's limits for `shield`; `none` = the stage is off.
    public var shield: UInt16 = Rule.none
    /// Index into the generation's identity demands; `none` = the stage is off.
    public var identity: UInt16 = Rule.none
    /// Index into the generation's access demands; `none` = the stage is off.
    public var access: UInt16 = Rule.none
    /// Index into the generation's quotas; `none` = the stage is off.
    public var quota: UInt16 = Rule.none
    /// Index into the generation's repetition rules; `none` = the stage is off.
    public var repetition: UInt16 = Rule.none
    /// Bytes of request body; `UInt64.max` = unlimited.
    public var bodyLimit: UInt64 = 1 << 20
    public var timeouts = Timeouts()
    public var retry = RetryPolicy()
    /// May a request switch protocols (`Upgrade`) on this route?
    public var upgrade = false
    /// Index into the generation's header edits; `none` = none.
    public var headerEdits: UInt16 = Rule.none
    /// Index into the generation's path rewrites; `none` = the path as matched.
    public var pathRewrite: UInt16 = Rule.none
    public var host: HostRewrite = .preserve
    /// Index into the generation's CORS rules; `none` = pages of other origins get no permission.
    public var cors: UInt16 = Rule.none
    /// The route is a gRPC method, or all of a service: what goes upstream is a gRPC call.
    public var isGRPC = false
    /// Index into the generation's calls: requests become calls of a gRPC method; `none` = they do not.
    public var call: UInt16 = Rule.none
    /// Index into the generation's steering keys: who or what a request is counted for; `none` = the stage is off.
    public var steeringKey: UInt16 = Rule.none
    /// What its flag's affinity has to do with it.
    public var affinity = AffinityRole.none

    @inlinable public static var none: UInt16 { .max }
    public init() {}

    /// Where the exchange goes while nothing has turned the route's flag on: to the fallback, because
    /// a new way is not taken before somebody says so.
    @inlinable public var targetWithFlagsOff: Target {
        flag == Self.none ? target : fallback ?? target
    }
}
