import Exchanges

/// The tables while they are being filled: definitions in, plain bits and indices out.
struct TableParts {
    var rules: [Rule] = []
    var routes: [RouteDefinition] = []
    var limits: [ShieldLimit] = []
    var identities: [IdentityDemand] = []
    var accesses: [AccessDemand] = []
    var quotas: [[QuotaDefinition]] = []
    var repetitions: [RepetitionRule] = []
    var fixed: [FixedAnswer] = []
    /// Those of the flag file first, whether or not a route asks them.
    var flags: [FlagDefinition]
    var calls: [CallDefinition] = []
    var steeringKeys: [[SteeringKey]] = []
    var headerEdits: [HeaderEdits] = []
    var edits: [HeaderEdit] = []
    var literals: [Slice] = []
    var cors: [CORSPolicy] = []
    var text: [UInt8] = []
    var translations: [TranslationTable]
    var rewrites = PathRewrites()
    var trie = Trie()

    init(flags: [FlagDefinition], translations: [TranslationTable]) {
        self.flags = flags
        self.translations = translations
    }

    /// Lowers one definition to its rule. The caller has bounded the number of routes, and with it
    /// every 16-bit index.
    mutating func add(_ route: RouteDefinition) {
        var rule = Rule()
        rule.route = UInt16(rules.count)
        let captures = route.match.path.captureNames
        rule.target = lower(route.target, captures)
        rule.fallback = route.fallback.map { lower($0, captures) }
        if let flag = route.flag { rule.flag = number(ofFlag: flag, route) }
        if let shield = route.shield {
            rule.stages.insert(StageSet(.shield))
            // One limit a route: two routes with equal numbers do not share a budget.
            rule.shield = UInt16(limits.count)
            limits.append(shield)
        }
        if let identity = route.identity {
            rule.stages.insert(StageSet(.identify))
            rule.identity = UInt16(identities.count)
            identities.append(identity)
        }
        if let access = route.access {
            rule.stages.insert(StageSet(.authorize))
            rule.access = UInt16(accesses.count)
            accesses.append(access)
        }
        if !route.quotas.isEmpty {
            rule.stages.insert(StageSet(.quota))
            rule.quota = UInt16(quotas.count)
            quotas.append(route.quotas)
        }
        if let repetition = route.repetition {
            rule.stages.insert(StageSet(.replay))
            rule.repetition = UInt16(repetitions.count)
            repetitions.append(repetition)
        }
        if let call = route.call {
            rule.call = UInt16(calls.count)
            calls.append(call)
        }
        // Of a request that becomes a call there is no message before it does; that is where it is inspected.
        let inspectsMessages = route.match.grpc && (!route.inspection.isEmpty || route.messageRule != nil)
        if inspectsMessages || route.bodySchema != nil { rule.stages.insert(StageSet(.inspect)) }
        if let steering = route.steering {
            rule.stages.insert(StageSet(.steer))
            rule.steeringKey = UInt16(steeringKeys.count)
            rule.affinity = steering.affinity
            steeringKeys.append(steering.keys)
        }
        if route.collect { rule.stages.insert(StageSet(.collect)) }
        rule.bodyLimit = route.bodyLimit
        rule.timeouts = route.timeouts
        rule.retry = route.retry
        rule.upgrade = route.upgrade
        rule.isGRPC = route.match.grpc
        if !route.requestEdits.isEmpty || !route.responseEdits.isEmpty {
            rule.headerEdits = UInt16(headerEdits.count)
            let request = lower(route.requestEdits)
            let response = lower(route.responseEdits)
            headerEdits.append(
                HeaderEdits(
                    requestStart: UInt32(request.lowerBound), requestCount: UInt32(request.count),
                    responseStart: UInt32(response.lowerBound), responseCount: UInt32(response.count)))
        }
        if let rules = route.cors {
            rule.cors = UInt16(cors.count)
            cors.append(CORSPolicy(rules))
        }
        if let rewrite = route.rewrite {
            rule.pathRewrite = rewrites.add(rewrite, captures: route.match.path.captureNames)
        }
        switch route.host {
        case .preserve: rule.host = .preserve
        case .upstream: rule.host = .upstream
        case .literal(let host):
            rule.host = .literal(UInt16(literals.count))
            literals.append(store(host))
        }
        rules.append(rule)
        routes.append(route)
    }

    private mutating func lower(_ target: TargetDefinition, _ captures: [String]) -> Target {
        switch target {
        case .cluster(_, let number): return .upstream(number)
        case .command(_, let number): return .command(number)
        // The reader has seen that it is there.
        case .anyCommand(let capture): return .anyCommand(UInt16(captures.firstIndex(of: capture) ?? 0))
        case .query(_, let number): return .query(number)
        case .operation(let operation): return .operation(operation)
        case .topics: return .topics
        case .fixed(let answer):
            fixed.append(answer)
            return .fixed(UInt16(fixed.count - 1))
        }
    }

    /// Removals first: what is then set or added cannot be taken away again.
    private mutating func lower(_ definitions: [EditDefinition]) -> Range<Int> {
        let start = edits.count
        for definition in definitions.sorted(by: { $0.kind.rawValue < $1.kind.rawValue }) {
            edits.append(
                HeaderEdit(
                    kind: definition.kind, name: FieldName.intern(Array(definition.name.utf8).span),
                    nameText: store(definition.name), value: store(definition.value)))
        }
        return start..<edits.count
    }

    /// A flag that no file knows is what its routes say of it.
    private mutating func number(ofFlag name: String, _ route: RouteDefinition) -> UInt16 {
        if let known = flags.firstIndex(where: { $0.name == name }) { return UInt16(known) }
        var flag = FlagDefinition(name: name, position: route.position)
        flag.weight = route.steering?.weight ?? 0
        flag.isOfFile = false
        flags.append(flag)
        return UInt16(flags.count - 1)
    }

    private mutating func store(_ string: String) -> Slice {
        let start = text.count
        text += Array(string.utf8)
        return Slice(start, text.count)
    }
}
