/// `config/nexus.yaml` → `Configuration`. Every section is read with what the defaults leave, every
/// problem is reported at its place, and only then does anybody use the result.
extension Configuration {
    /// The configuration in the file at `path`. Check `diagnostics.errors` before using it.
    public static func read(path: String, _ diagnostics: Diagnostics) -> Configuration {
        Document.read(path: path, diagnostics).map { read($0, diagnostics) } ?? Configuration()
    }

    /// The configuration a document says.
    public static func read(_ document: Value, _ diagnostics: Diagnostics) -> Configuration {
        var result = Configuration()
        let root = Fields(document, "the configuration", diagnostics)
        if let value = root.value("workers") { result.workers = readWorkers(value, diagnostics) ?? .auto }
        if let value = root.value("affinity") { result.affinity = readAffinity(value, diagnostics) ?? .none }
        result.readListeners(root)
        result.routes = root.string("routes") ?? result.routes
        result.drain = root.milliseconds("drain", in: 0...3_600_000) ?? result.drain
        if let clusters = root.fields("clusters", "the clusters") { result.readClusters(clusters) }
        if let resolver = root.fields("resolver", "the resolver") { result.resolver.read(resolver) }
        if let store = root.fields("store", "the store") { result.store.read(store) }
        if let value = root.value("access_log") { result.accessLog = AccessLog.read(value, diagnostics) }
        if let telemetry = root.fields("telemetry", "telemetry") { result.telemetry.read(telemetry) }
        if let shield = root.fields("shield", "the shield") {
            result.shield.keys = shield.integer("keys", in: 1...16_777_216) ?? result.shield.keys
            shield.finish()
        }
        root.finish()
        return result
    }

    private static func readWorkers(_ value: Value, _ diagnostics: Diagnostics) -> Workers? {
        if case .scalar("auto", _) = value.shape { return .auto }
        return value.integer("workers", in: 1...256, diagnostics).map { .count($0) }
    }

    private static func readAffinity(_ value: Value, _ diagnostics: Diagnostics) -> Affinity? {
        guard case .list(let items) = value.shape else {
            return value.bool("affinity", diagnostics).map { $0 ? .sequential : .none }
        }
        guard !items.isEmpty else {
            diagnostics.error(at: value.position, "'affinity' needs at least one cpu, or false")
            return nil
        }
        return .cpus(items.compactMap { $0.integer("affinity", in: 0...1023, diagnostics) })
    }

    private mutating func readListeners(_ root: Fields) {
        let diagnostics = root.diagnostics
        var places: [(listener: Listener, position: SourcePosition)] = []
        if let value = root.value("listeners") {
            listeners = []
            if case .list(let items) = value.shape {
                if items.isEmpty { diagnostics.error(at: value.position, "at least one listener is needed") }
                for item in items {
                    let fields = Fields(item, "a listener", diagnostics)
                    var listener = Listener(name: "", port: 0)
                    if let name = fields.name() { listener.name = name }
                    if !fields.has("address") { fields.diagnostics.error(at: item.position, "a listener needs an address") }
                    listener.read(fields)
                    if listener.name == Listener.adminName {
                        diagnostics.error(
                            at: fields.position(of: "name"), "the name 'admin' belongs to the section `admin`")
                    }
                    listeners.append(listener)
                    places.append((listener, item.position))
                }
            } else {
                diagnostics.error(at: value.position, "'listeners' must be a list, not \(value.summary)")
            }
        } else {
            places = listeners.map { ($0, root.position) }
        }
        if let value = root.value("admin") {
            if case .scalar("off", _) = value.shape {
                admin = nil
            } else if var listener = admin {
                let fields = Fields(value, "the admin listener", diagnostics)
                listener.read(fields)
                admin = listener
                places.append((listener, value.position))
            }
        } else if let admin {
            places.append((admin, root.position))
        }
        if places.count > 64 {
            diagnostics.error(at: root.position(of: "listeners"), "at most 64 listeners are supported")
        }
        Configuration.checkListeners(places, diagnostics)
    }

    private static func checkListeners(
        _ places: [(listener: Listener, position: SourcePosition)], _ diagnostics: Diagnostics
    ) {
        for (i, (listener, position)) in places.enumerated() {
            for (other, place) in places[..<i] {
                if other.name == listener.name && !listener.name.isEmpty {
                    diagnostics.error(at: position, "the listener name '\(listener.name)' is taken at \(place)")
                }
                if case .tcp(_, port: 0) = listener.address { continue }
                if other.address == listener.address {
                    diagnostics.error(
                        at: position,
                        "the address \(listener.address) is already used by listener '\(other.name)' at \(place)")
                }
            }
        }
    }

    private mutating func readClusters(_ fields: Fields) {
        for entry in fields.named() {
            checkName(entry.key, "a cluster", at: entry.position, fields.diagnostics)
            clusters.append(Cluster.read(entry, fields.diagnostics))
        }
        if clusters.count > 4096 {
            fields.diagnostics.error(at: fields.position, "at most 4096 clusters are supported")
        }
    }
}

extension Listener {
    fileprivate mutating func read(_ fields: Fields) {
        let diagnostics = fields.diagnostics
        if let value = fields.value("address"), let parsed = value.address("address", diagnostics) {
            // A listener binds before any resolver runs.
            if case .tcp(.name(let name), _) = parsed {
                diagnostics.error(
                    at: value.position, "a listener needs a literal address, not the name '\(name)' (localhost is 127.0.0.1)")
            } else {
                address = parsed
            }
        }
        backlog = fields.integer("backlog", in: 1...65_535) ?? backlog
        maxConnections = fields.integer("max_connections", in: 1...10_000_000) ?? maxConnections
        for (text, position) in fields.strings("trusted_proxies") ?? [] {
            if let block = CIDR(text) {
                trustedProxies.append(block)
            } else {
                diagnostics.error(
                    at: position,
                    "'\(text)' is not an address block such as 10.0.0.0/8 or fd00::/8 (bits behind the prefix must be zero)")
            }
        }
        if let section = fields.fields("limits", "the limits of a listener") { limits.read(section) }
        if let section = fields.fields("timeouts", "the timeouts of a listener") {
            timeouts.head = section.milliseconds("head", in: 1...3_600_000) ?? timeouts.head
            timeouts.keepAlive = section.milliseconds("keep_alive", in: 0...86_400_000) ?? timeouts.keepAlive
            timeouts.linger = section.milliseconds("linger", in: 0...60_000) ?? timeouts.linger
            timeouts.send = section.milliseconds("send", in: 1...3_600_000) ?? timeouts.send
            section.finish()
        }
        fields.finish()
    }
}

extension Listener.Limits {
    fileprivate mutating func read(_ fields: Fields) {
        requestLine = fields.count("request_line", in: 64...1 << 20) ?? requestLine
        fieldLine = fields.count("field_line", in: 64...1 << 20) ?? fieldLine
        self.fields = fields.integer("fields", in: 1...10_000) ?? self.fields
        head = fields.count("head", in: 256...16 << 20) ?? head
        trailers = fields.count("trailers", in: 0...16 << 20) ?? trailers
        chunkExtension = fields.count("chunk_extension", in: 0...64 << 10) ?? chunkExtension
        pipeline = fields.count("pipeline", in: 256...16 << 20) ?? pipeline
        fields.finish()
        for (key, part) in [("request_line", requestLine), ("field_line", fieldLine)] where part > head {
            fields.diagnostics.error(
                at: fields.position(of: fields.has(key) ? key : "head"),
                "'\(key)' (\(Quantity.text(bytes: UInt64(part)))) cannot be larger than 'head' (\(Quantity.text(bytes: UInt64(head))))"
            )
        }
    }
}

extension Cluster {
    fileprivate static func read(_ entry: Value.Entry, _ diagnostics: Diagnostics) -> Cluster {
        let fields = Fields(entry.value, "cluster '\(entry.key)'", diagnostics)
        var result = Cluster(name: entry.key, endpoints: [])
        let items = fields.list("endpoints") ?? []
        if items.isEmpty { diagnostics.error(at: entry.position, "cluster '\(entry.key)' needs at least one endpoint") }
        if items.count > 1024 {
            diagnostics.error(at: fields.position(of: "endpoints"), "at most 1024 endpoints are supported")
        }
        for item in items.prefix(1024) {
            guard let address = item.address("endpoints", diagnostics) else { continue }
            if case .tcp(_, port: 0) = address {
                diagnostics.error(at: item.position, "an endpoint needs a port from 1 to 65535")
            } else if result.endpoints.contains(address) {
                diagnostics.error(at: item.position, "the endpoint \(address) is listed twice")
            } else {
                result.endpoints.append(address)
            }
        }
        if let word = fields.choice("balance", Balance.allCases.map(\.rawValue)), let balance = Balance(rawValue: word) {
            result.balance = balance
        }
        if let pool = fields.fields("pool", "the pool of a cluster") { result.pool.read(pool) }
        if let limits = fields.fields("limits", "the limits of a cluster") {
            result.limits.head = limits.count("head", in: 256...16 << 20) ?? result.limits.head
            result.limits.fields = limits.integer("fields", in: 1...10_000) ?? result.limits.fields
            result.limits.informational = limits.integer("informational", in: 0...1_000) ?? result.limits.informational
            limits.finish()
        }
        fields.finish()
        return result
    }
}

extension Cluster.Pool {
    fileprivate mutating func read(_ fields: Fields) {
        connections = fields.integer("connections", in: 1...65_535) ?? connections
        let given = fields.integer("idle", in: 0...65_535)
        idle = given ?? min(idle, connections)
        idleTimeout = fields.milliseconds("idle_timeout", in: 0...86_400_000) ?? idleTimeout
        maxAge = fields.milliseconds("max_age", in: 0...86_400_000) ?? maxAge
        pending = fields.integer("pending", in: 0...1_000_000) ?? pending
        requests = fields.integer("requests", in: 0...1_000_000_000) ?? requests
        fields.finish()
        if idle > connections {
            fields.diagnostics.error(
                at: fields.position(of: "idle"), "'idle' (\(idle)) cannot be larger than 'connections' (\(connections))")
        }
    }
}

extension Resolver {
    fileprivate mutating func read(_ fields: Fields) {
        for item in fields.list("servers") ?? [] {
            guard let address = item.address("servers", fields.diagnostics) else { continue }
            guard case .tcp(.literal, let port) = address, port > 0 else {
                fields.diagnostics.error(at: item.position, "a resolver needs a literal address and a port: 127.0.0.1:53")
                continue
            }
            servers.append(address)
        }
        minTTL = fields.milliseconds("min_ttl", in: 0...86_400_000) ?? minTTL
        maxTTL = fields.milliseconds("max_ttl", in: 1...86_400_000) ?? maxTTL
        timeout = fields.milliseconds("timeout", in: 10...60_000) ?? timeout
        tries = fields.integer("tries", in: 1...10) ?? tries
        fields.finish()
        if minTTL > maxTTL {
            fields.diagnostics.error(
                at: fields.position(of: fields.has("min_ttl") ? "min_ttl" : "max_ttl"),
                "'min_ttl' cannot be longer than 'max_ttl'")
        }
    }
}

extension Store {
    fileprivate mutating func read(_ fields: Fields) {
        path = fields.string("path") ?? path
        queue = fields.integer("queue", in: 1...16_777_216) ?? queue
        group = fields.integer("group", in: 1...1_048_576) ?? group
        cartsInMemory = fields.integer("carts_in_memory", in: 1...100_000_000) ?? cartsInMemory
        maxBytes = fields.bytes("max_bytes", in: 0...(1 << 50)) ?? maxBytes
        fields.finish()
    }
}

extension AccessLog {
    fileprivate static func read(_ value: Value, _ diagnostics: Diagnostics) -> AccessLog? {
        var result = AccessLog()
        if case .scalar(let text, _) = value.shape {
            if text == "off" { return nil }
            result.path = text
            return result
        }
        let fields = Fields(value, "the access log", diagnostics)
        result.path = fields.string("path") ?? result.path
        if let word = fields.choice("format", Format.allCases.map(\.rawValue)), let format = Format(rawValue: word) {
            result.format = format
        }
        fields.finish()
        return result.path == "off" ? nil : result
    }
}

extension Telemetry {
    fileprivate mutating func read(_ fields: Fields) {
        service = fields.string("service") ?? service
        if let value = fields.value("sample") { sample = value.fraction("sample", fields.diagnostics) ?? sample }
        fields.finish()
    }
}

extension Fields {
    /// A size that also fits into an `Int`.
    fileprivate func count(_ key: String, in range: ClosedRange<UInt64>) -> Int? {
        bytes(key, in: range).map { Int($0) }
    }

    /// The `name` of the thing, which it must have.
    fileprivate func name() -> String? {
        guard let value = value("name") else {
            diagnostics.error(at: position, "\(what) needs a name")
            return nil
        }
        guard let text = value.string("name", diagnostics) else { return nil }
        checkName(text, what, at: value.position, diagnostics)
        return text
    }
}

extension Value {
    public func address(_ what: String, _ diagnostics: Diagnostics) -> Address? {
        guard let text = string(what, diagnostics) else { return nil }
        do {
            return try Address(text)
        } catch {
            diagnostics.error(at: position, "'\(text)' is not an address: \(error.message)")
            return nil
        }
    }
}

/// Names are labels of metrics and arguments of commands: `a-z`, `0-9` and `-`, up to 64 of them.
/// Reports and returns false when `name` is anything else.
@discardableResult
public func checkName(_ name: String, _ what: String, at position: SourcePosition, _ diagnostics: Diagnostics) -> Bool {
    let legal = name.utf8.allSatisfy { ($0 >= 97 && $0 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 0x2d }
    if legal && name.utf8.count >= 1 && name.utf8.count <= 64 { return true }
    diagnostics.error(at: position, "the name of \(what) must be 1 to 64 of a-z, 0-9 and -, not '\(name)'")
    return false
}
