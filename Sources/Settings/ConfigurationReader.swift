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
        result.routes = root.strings("routes")?.map(\.text) ?? result.routes
        if let contracts = root.fields("contracts", "the contracts") {
            result.descriptors = contracts.list("descriptors")?.compactMap { item in
                item.string("descriptors", diagnostics).map { PlacedPath($0, at: item.position) }
            } ?? []
            if let value = contracts.value("event_schemas"), let path = value.string("event_schemas", diagnostics) {
                result.eventSchemas = path == "off" ? nil : PlacedPath(path, at: value.position)
            }
            if let value = contracts.value("command_schemas"), let path = value.string("command_schemas", diagnostics) {
                result.commandSchemas = path == "off" ? nil : PlacedPath(path, at: value.position)
            }
            if let value = contracts.value("published"), let path = value.string("published", diagnostics) {
                result.publishedAPI = path == "off" ? nil : PlacedPath(path, at: value.position)
            }
            if let value = contracts.value("published_descriptors"), let path = value.string("published_descriptors", diagnostics) {
                result.publishedDescriptors = path == "off" ? nil : PlacedPath(path, at: value.position)
            }
            contracts.finish()
        }
        result.drain = root.milliseconds("drain", in: 0...3_600_000) ?? result.drain
        if let clusters = root.fields("clusters", "the clusters") { result.readClusters(clusters) }
        if let resolver = root.fields("resolver", "the resolver") { result.resolver.read(resolver) }
        if let store = root.fields("store", "the store") { result.store.read(store) }
        result.checkout = CheckoutSettings.read(root, clusters: result.clusters)
        if let bus = root.fields("bus", "the bus") { result.bus.read(bus, clusters: result.clusters) }
        if let inventory = root.fields("inventory", "the inventory") {
            result.inventory.belowZero = inventory.bool("below_zero") ?? result.inventory.belowZero
            inventory.finish()
        }
        if let value = root.value("access_log") { result.accessLog = AccessLog.read(value, diagnostics) }
        if let telemetry = root.fields("telemetry", "telemetry") { result.telemetry.read(telemetry) }
        if let shield = root.fields("shield", "the shield") {
            result.shield.keys = shield.integer("keys", in: 1...16_777_216) ?? result.shield.keys
            shield.finish()
        }
        if let identity = root.fields("identity", "the identities") { result.identity.read(identity, clusters: result.clusters) }
        if let access = root.fields("access", "the access policies") { result.access.read(access, clusters: result.clusters) }
        if let limits = root.fields("limits", "the limits") { result.limits.read(limits, issuers: result.identity.issuers) }
        if let idempotency = root.fields("idempotency", "idempotency") { result.idempotency.read(idempotency) }
        if let value = root.value("flags"), let path = value.string("flags", diagnostics) {
            result.flags = path == "off" ? nil : PlacedPath(path, at: value.position)
        }
        result.readTables(root)
        if let mqtt = root.fields("mqtt", "what MQTT clients have in common") { result.mqtt.read(mqtt) }
        result.bridges = BridgeSettings.readAll(root, listeners: result.allListeners)
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
        aggregatesInMemory = fields.integer("aggregates_in_memory", in: 1...100_000_000) ?? aggregatesInMemory
        maxBytes = fields.bytes("max_bytes", in: 0...(1 << 50)) ?? maxBytes
        if let fields = fields.fields("snapshots", "the snapshots") {
            snapshots.events = fields.integer("events", in: 0...1_000_000_000) ?? snapshots.events
            snapshots.bytes = fields.bytes("bytes", in: 0...(1 << 40)) ?? snapshots.bytes
            snapshots.age = fields.milliseconds("age", in: 0...(40 * 86_400_000)) ?? snapshots.age
            fields.finish()
        }
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
    func count(_ key: String, in range: ClosedRange<UInt64>) -> Int? {
        bytes(key, in: range).map { Int($0) }
    }

    /// The `name` of the thing, which it must have.
    func name() -> String? {
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
