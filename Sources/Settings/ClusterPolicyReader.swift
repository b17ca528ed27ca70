/// The keys of a cluster that say what happens when endpoints fail.
extension Cluster {
    mutating func readPolicies(_ fields: Fields) {
        readBalance(fields)
        if let section = fields.fields("health", "the health check of a cluster") { health = Health.read(section, wireProtocol) }
        switch fields.policy("ejection", "the ejection of a cluster") {
        case .unsaid: break
        case .off: ejection = nil
        case .map(let map):
            var read = Ejection()
            read.consecutive = map.integer("consecutive", in: 1...1_000) ?? read.consecutive
            read.time = map.milliseconds("time", in: 100...3_600_000) ?? read.time
            read.maxTime = map.milliseconds("max_time", in: 100...86_400_000) ?? max(read.maxTime, read.time)
            read.maxPercent = map.integer("max_percent", in: 0...100) ?? read.maxPercent
            map.finish()
            if read.maxTime < read.time {
                map.diagnostics.error(at: map.position(of: "max_time"), "'max_time' cannot be shorter than 'time'")
            }
            ejection = read
        }
        slowStart = fields.milliseconds("slow_start", in: 0...3_600_000) ?? slowStart
        panic = fields.integer("panic", in: 0...100) ?? panic
        switch fields.policy("breaker", "the breaker of a cluster") {
        case .unsaid, .off: break
        case .map(let map): breaker = Breaker.read(map)
        }
        switch fields.policy("bulkhead", "the bulkhead of a cluster") {
        case .unsaid, .off: break
        case .map(let map):
            var read = Bulkhead()
            read.concurrent = map.integer("concurrent", in: 1...1_000_000) ?? read.concurrent
            read.wait = map.milliseconds("wait", in: 0...600_000) ?? read.wait
            map.finish()
            bulkhead = read
        }
        if let map = fields.fields("retry_budget", "the retry budget of a cluster") {
            retryBudget.percent = map.integer("percent", in: 0...100) ?? retryBudget.percent
            retryBudget.minimum = map.integer("minimum", in: 0...10_000) ?? retryBudget.minimum
            map.finish()
        }
    }

    private mutating func readBalance(_ fields: Fields) {
        if let word = fields.choice("balance", Balance.allCases.map(\.rawValue)), let read = Balance(rawValue: word) {
            balance = read
        }
        if let map = fields.fields("hash", "the hash of a cluster") {
            hash = HashKey.read(map)
            if balance != .consistentHash {
                map.diagnostics.error(
                    at: fields.position(of: "hash"), "'hash' has no effect: 'balance' is not consistent_hash")
            }
        } else if balance == .consistentHash {
            fields.diagnostics.error(
                at: fields.position(of: "balance"), "consistent_hash needs 'hash': header, cookie, source or path")
        }
    }
}

extension Cluster.HashKey {
    fileprivate static func read(_ fields: Fields) -> Cluster.HashKey? {
        let kinds = ["header", "cookie", "source", "path"]
        let given = kinds.filter { fields.value($0) != nil }
        fields.finish()
        guard given.count == 1, let kind = given.first, let value = fields.value(kind) else {
            fields.diagnostics.error(at: fields.position, "a hash is exactly one of \(kinds.joined(separator: ", "))")
            return nil
        }
        if kind == "source" || kind == "path" {
            guard let wanted = value.bool(kind, fields.diagnostics) else { return nil }
            if !wanted { fields.diagnostics.error(at: value.position, "a hash is exactly one of \(kinds.joined(separator: ", "))") }
            return kind == "source" ? .source : .path
        }
        guard let name = value.string(kind, fields.diagnostics) else { return nil }
        guard isToken(name) else {
            fields.diagnostics.error(at: value.position, "'\(name)' is not the name of a \(kind)")
            return nil
        }
        return kind == "header" ? .header(name.lowercased()) : .cookie(name)
    }

    /// RFC 9110 section 5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 256
            && text.utf8.allSatisfy { byte in
                (byte | 0x20) >= 97 && (byte | 0x20) <= 122 || byte >= 48 && byte <= 57
                    || "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
    }
}

extension Cluster.Health {
    fileprivate static func read(_ fields: Fields, _ wireProtocol: Cluster.WireProtocol) -> Cluster.Health? {
        let kinds = ["http", "grpc", "tcp"]
        let given = kinds.filter { fields.has($0) }
        var probe: Probe?
        if let map = fields.fields("http", "an HTTP health check") { probe = readHTTP(map) }
        if let map = fields.fields("grpc", "a gRPC health check") {
            probe = readGRPC(map)
            if wireProtocol != .http2 {
                fields.diagnostics.error(at: fields.position(of: "grpc"), "a gRPC health check needs 'protocol: http2'")
            }
        }
        if let value = fields.value("tcp"), value.bool("tcp", fields.diagnostics) == true { probe = .tcp }
        if given.count != 1 {
            fields.diagnostics.error(
                at: fields.position, "a health check is exactly one of \(kinds.joined(separator: ", "))")
        }
        var result = Cluster.Health(probe: probe ?? .tcp)
        result.interval = fields.milliseconds("interval", in: 100...3_600_000) ?? result.interval
        let timeout = fields.milliseconds("timeout", in: 10...600_000)
        result.timeout = timeout ?? min(result.timeout, result.interval)
        result.healthy = fields.integer("healthy", in: 1...100) ?? result.healthy
        result.unhealthy = fields.integer("unhealthy", in: 1...100) ?? result.unhealthy
        fields.finish()
        if result.timeout > result.interval {
            fields.diagnostics.error(
                at: fields.position(of: "timeout"), "'timeout' cannot be longer than 'interval'")
        }
        return result
    }

    private static func readGRPC(_ fields: Fields) -> Probe {
        var service = ""
        if let value = fields.value("service") {
            service = value.string("service", fields.diagnostics) ?? ""
            let legal = service.utf8.count <= 127 && service.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
            if !legal { fields.diagnostics.error(at: value.position, "'\(service)' is not the name of a service") }
        }
        fields.finish()
        return .grpc(service: service)
    }

    private static func readHTTP(_ fields: Fields) -> Probe {
        var path = "/"
        if let value = fields.value("path") {
            path = value.string("path", fields.diagnostics) ?? path
            let legal = path.hasPrefix("/") && path.utf8.count <= 1024 && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
            if !legal { fields.diagnostics.error(at: value.position, "'\(path)' is not a path: visible ASCII that begins with /") }
        } else {
            fields.diagnostics.error(at: fields.position, "an HTTP health check needs a path")
        }
        var expect: ClosedRange<UInt16> = 200...299
        if let value = fields.value("expect"), let text = value.string("expect", fields.diagnostics) {
            if let read = statusRange(text) {
                expect = read
            } else {
                fields.diagnostics.error(at: value.position, "'expect' must be a status or a range such as 200-299, not '\(text)'")
            }
        }
        var host: String?
        if let value = fields.value("host"), let text = value.string("host", fields.diagnostics) {
            host = text
            // A name or an address, with or without a port: nothing that could end the field's line.
            let legal = !text.isEmpty && text.utf8.count <= 255 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x2f && $0 != 0x40 }
            if !legal { fields.diagnostics.error(at: value.position, "'\(text)' is not a host") }
        }
        fields.finish()
        return .http(path: path, expect: expect, host: host)
    }

    private static func statusRange(_ text: String) -> ClosedRange<UInt16>? {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, ends.allSatisfy({ $0.utf8.count == 3 }), let low = UInt16(ends[0]),
            let high = UInt16(ends[ends.count - 1]), low >= 100, high <= 599, low <= high
        else { return nil }
        return low...high
    }
}

extension Cluster.Breaker {
    fileprivate static func read(_ fields: Fields) -> Cluster.Breaker {
        var result = Cluster.Breaker()
        result.window = fields.integer("window", in: 1...1_000) ?? result.window
        result.minimum = fields.integer("minimum", in: 1...1_000) ?? min(result.minimum, result.window)
        result.failures = fields.integer("failures", in: 1...100) ?? result.failures
        result.open = fields.milliseconds("open", in: 10...3_600_000) ?? result.open
        result.halfOpen = fields.integer("half_open", in: 1...1_000) ?? result.halfOpen
        fields.finish()
        if result.minimum > result.window {
            fields.diagnostics.error(
                at: fields.position(of: "minimum"),
                "'minimum' (\(result.minimum)) cannot be larger than 'window' (\(result.window))")
        }
        return result
    }
}

extension Fields {
    enum Policy {
        case unsaid
        case off
        case map(Fields)
    }

    /// `off`, or a map whose keys all have defaults.
    func policy(_ key: String, _ what: String) -> Policy {
        guard let value = value(key) else { return .unsaid }
        switch value.shape {
        case .scalar("off", _): return .off
        case .map: return .map(Fields(value, what, diagnostics))
        case .scalar, .list:
            diagnostics.error(at: value.position, "'\(key)' must be off or a map, not \(value.summary)")
            return .unsaid
        }
    }
}
