import Exchanges
import Settings

/// One entry of a route file → `RouteDefinition`, every name resolved and every contradiction reported
/// where it stands. The parts with rules of their own are in `RouteReader+….swift`.
struct RouteReader {
    let configuration: Configuration
    let vocabulary: Vocabulary
    /// Nil = there is none, or none that can be read.
    var flags: FlagFile?
    let diagnostics: Diagnostics

    /// Bytes of body that `collect` may hold for one exchange.
    static let collectLimit: UInt64 = 64 << 20
    /// The same for what people ask of the gateway itself.
    static let operationLimit: UInt64 = 64 << 10

    /// Nil when the route lacks what nothing can be done without: name, match or target.
    func read(_ value: Value) -> RouteDefinition? {
        let fields = Fields(value, "a route", diagnostics)
        guard case .map = value.shape else { return nil }
        let name = readName(fields)
        let label = name.map { "route '\($0)'" } ?? "a route"
        let match = readMatch(fields, label)
        let action = statedAction(fields)
        let target = readTarget(fields, "target", label, of: action)
        if !fields.has("target") { diagnostics.error(at: value.position, "\(label) needs a target") }

        var route = RouteDefinition(
            name: name ?? "", position: value.position,
            match: match ?? RouteMatch(listeners: [], listenerMask: 0, path: .root),
            target: target ?? .operation(.live))
        route.fallback = readTarget(fields, "fallback", label, of: action)
        readFlag(fields, &route)
        readTranscode(fields, &route)
        readParameters(fields, &route)
        readStatuses(fields, &route)
        readStages(fields, &route)
        applyDefaultQuota(fields, &route)
        if route.match.grpc {
            route.timeouts = .ofCalls(isCollected: route.collect)
            // A stream of messages has no whole that could be too large; what is collected has.
            if !route.collect { route.bodyLimit = .max }
        }
        if let action = route.match.mqtt { route.bodyLimit = action == .publish ? RouteReader.messageLimit : 0 }
        readBodyLimit(fields, &route)
        if let timeouts = fields.fields("timeouts", "the timeouts of a route") { route.timeouts.read(timeouts) }
        readRetry(fields, &route)
        route.upgrade = fields.bool("upgrade") ?? false
        readHost(fields, &route)
        readRewrite(fields, &route)
        readEdits(fields, &route)
        readCORS(fields, &route)
        fields.finish()
        checkFlag(fields, route)
        guard name != nil, match != nil, target != nil else { return nil }
        checkCombinations(fields, route)
        return route
    }

    private func readName(_ fields: Fields) -> String? {
        guard let value = fields.value("name") else {
            diagnostics.error(at: fields.position, "a route needs a name")
            return nil
        }
        guard let name = value.string("name", diagnostics),
            checkName(name, "a route", at: value.position, diagnostics)
        else { return nil }
        return name
    }

    private func readFlag(_ fields: Fields, _ route: inout RouteDefinition) {
        if let value = fields.value("flag"), let flag = value.string("flag", diagnostics),
            checkName(flag, "a flag", at: value.position, diagnostics)
        {
            route.flag = flag
            if !fields.has("fallback") {
                diagnostics.error(at: value.position, "the flag '\(flag)' needs a fallback: where do requests go while it is off?")
            }
        } else if fields.has("fallback"), !fields.has("flag") {
            diagnostics.error(at: fields.position(of: "fallback"), "a fallback without a flag is never used")
        }
        if route.fallback == route.target {
            diagnostics.error(at: fields.position(of: "fallback"), "the fallback is the target itself")
        }
    }

    private func readStages(_ fields: Fields, _ route: inout RouteDefinition) {
        let isCollected = route.targets.contains { target in
            switch target {
            case .command, .anyCommand: true
            case .operation(let operation): operation.takesBodies
            // What a query is asked for stands in the message.
            case .query: route.match.grpc
            case .cluster, .fixed, .topics: false
            }
        }
        route.collect = route.collect || isCollected || route.match.mqtt == .publish
        guard let stages = fields.fields("stages", "the stages of a route") else { return }
        if let shield = stages.fields("shield", "the stage 'shield'") { route.shield = readShield(shield) }
        if let collect = stages.bool("collect") {
            if !collect, route.collect {
                diagnostics.error(
                    at: stages.position(of: "collect"), "this route needs the whole body, so 'collect' cannot be false")
            }
            route.collect = route.collect || collect
        }
        readIdentity(stages, &route)
        readAccess(stages, &route)
        readQuotas(stages, &route)
        readInspection(stages, &route)
        readRepetition(stages, &route)
        readSteering(stages, &route)
        stages.finish()
    }

    private func readShield(_ fields: Fields) -> ShieldLimit? {
        for key in ["requests", "per"] where !fields.has(key) {
            diagnostics.error(at: fields.position, "the stage 'shield' needs '\(key)'")
        }
        let requests = fields.integer("requests", in: 1...1_000_000_000)
        let per = fields.milliseconds("per", in: 1...86_400_000)
        let burst = fields.integer("burst", in: 1...1_000_000_000)
        fields.finish()
        guard let requests, let per else { return nil }
        guard UInt64(per) * 1_000_000 >= UInt64(requests) else {
            diagnostics.error(at: fields.position(of: "requests"), "more than one request a nanosecond is no limit")
            return nil
        }
        return ShieldLimit(requests: UInt32(requests), per: per, burst: UInt32(burst ?? requests))
    }

    private func readBodyLimit(_ fields: Fields, _ route: inout RouteDefinition) {
        let asksOperation = route.targets.contains { if case .operation(let operation) = $0 { operation.takesBodies } else { false } }
        if asksOperation { route.bodyLimit = RouteReader.operationLimit }
        guard let value = fields.value("body_limit") else { return }
        if case .scalar("unlimited", _) = value.shape {
            route.bodyLimit = .max
        } else if let bytes = value.bytes("body_limit", in: 0...1 << 50, diagnostics) {
            route.bodyLimit = bytes
        }
        if asksOperation, route.bodyLimit > RouteReader.operationLimit {
            diagnostics.error(
                at: value.position,
                "what an operation is asked with may have at most \(Quantity.text(bytes: RouteReader.operationLimit))")
        } else if route.collect, route.bodyLimit > RouteReader.collectLimit {
            diagnostics.error(
                at: value.position,
                "a collected body may have at most \(Quantity.text(bytes: RouteReader.collectLimit))")
        }
    }

    private func readHost(_ fields: Fields, _ route: inout RouteDefinition) {
        guard let value = fields.value("host"), let text = value.string("host", diagnostics) else { return }
        switch text {
        case "preserve": route.host = .preserve
        case "upstream": route.host = .upstream
        default:
            // With or without a port, but always a host.
            let withPort = (try? Address(text)).flatMap { if case .tcp(_, let port) = $0 { port > 0 } else { false } }
            if withPort == true || HostPattern(text)?.isWildcard == false {
                route.host = .literal(text)
            } else {
                diagnostics.error(at: value.position, "'\(text)' is not a host; 'host' is preserve, upstream or a host[:port]")
            }
        }
    }

    /// What single keys cannot see.
    private func checkCombinations(_ fields: Fields, _ route: RouteDefinition) {
        let proxied = route.targets.contains(where: \.isCluster)
        if let action = route.match.mqtt { checkTopics(fields, route, action) }
        if route.upgrade {
            let place = fields.position(of: "upgrade")
            if route.collect {
                diagnostics.error(at: place, "a route that collects its body cannot upgrade: a tunnel has no body to wait for")
            }
            if let other = route.targets.first(where: { !$0.isCluster }) {
                diagnostics.error(at: place, "only a cluster can take over an upgraded connection, not \(other)")
            }
            for case .cluster(let name, let number) in route.targets
            where configuration.clusters[Int(number)].wireProtocol == .http2 {
                diagnostics.error(at: place, "an upgrade needs HTTP/1.1, and cluster \(name) speaks HTTP/2")
            }
            if !route.methods.isEmpty, !route.methods.contains("GET") {
                diagnostics.error(at: place, "an upgrade begins with GET, which this route does not match")
            }
        }
        if !proxied {
            for key in ["host", "rewrite", "retries", "retry"] where fields.has(key) {
                diagnostics.error(at: fields.position(of: key), "'\(key)' has no effect: the route never reaches a cluster")
            }
            if !route.requestEdits.isEmpty {
                diagnostics.error(
                    at: fields.position(of: "headers"), "changing request headers has no effect: the route never reaches a cluster")
            }
        }
        for case .anyCommand(let capture) in route.targets where !route.match.path.captureNames.contains(capture) {
            diagnostics.error(at: fields.position(of: "target"), "the path has no parameter {\(capture)} that could name a command")
        }
        if route.match.grpc { checkFacade(fields, route) }
        checkStreamedCall(fields, route)
        checkInspection(fields, route)
        for case .operation(let operation) in route.targets where operation.answersCalls && !route.match.grpc {
            diagnostics.error(at: fields.position(of: "match"), "operation \(operation) answers gRPC calls: match 'grpc'")
        }
        if let call = route.call {
            if route.match.grpc {
                diagnostics.error(at: call.position, "requests of a gRPC route are calls already")
            } else if !proxied {
                diagnostics.error(at: call.position, "'transcode' has no effect: the route never reaches a cluster")
            }
            if route.rewrite != nil {
                diagnostics.error(at: fields.position(of: "rewrite"), "a call has the path of its method; there is nothing to rewrite")
            }
        }
        if route.match.grpc || route.call != nil {
            for case .cluster(let name, let number) in route.targets
            where configuration.clusters[Int(number)].wireProtocol != .http2 {
                diagnostics.error(
                    at: fields.position(of: "match"), "gRPC needs HTTP/2, and cluster \(name) speaks HTTP/1.1: give it 'protocol: http2'")
            }
        }
        if route.match.path.isAsterisk, route.rewrite != nil {
            diagnostics.error(at: fields.position(of: "rewrite"), "the target * has no path to rewrite")
        }
    }
}

extension Timeouts {
    /// What gRPC routes begin with. A stream may be silent for long in either direction, and a call without a
    /// deadline waits as long as it likes: what bounds it is `grpc-timeout`.
    fileprivate static func ofCalls(isCollected: Bool) -> Timeouts {
        var timeouts = Timeouts()
        timeouts.firstByte = 0
        timeouts.streamIdle = 0
        if !isCollected {
            timeouts.body = 0
            timeouts.bodyRate = 0
        }
        return timeouts
    }

    /// 0 where waiting for ever is a reasonable wish; never for connecting and queueing.
    fileprivate mutating func read(_ fields: Fields) {
        let hour: UInt32 = 3_600_000
        let month: UInt32 = 30 * 86_400_000
        connect = fields.milliseconds("connect", in: 1...hour) ?? connect
        tls = fields.milliseconds("tls", in: 1...hour) ?? tls
        body = fields.milliseconds("body", in: 0...hour) ?? body
        firstByte = fields.milliseconds("first_byte", in: 0...month) ?? firstByte
        bodyRate = fields.bytes("body_rate", in: 0...1 << 30).map { UInt32($0) } ?? bodyRate
        streamIdle = fields.milliseconds("stream_idle", in: 0...month) ?? streamIdle
        streamMax = fields.milliseconds("stream_max", in: 0...month) ?? streamMax
        keepAlive = fields.milliseconds("keep_alive", in: 0...hour) ?? keepAlive
        queue = fields.milliseconds("queue", in: 1...hour) ?? queue
        fields.finish()
    }
}
