/// An outside MQTT broker that the gateway is a client of: one of `bridges`. Times are milliseconds.
public struct BridgeSettings: Sendable, Equatable {
    public enum Version: String, Sendable, CaseIterable {
        case v311 = "3.1.1"
        case v5 = "5"
    }

    /// TLS 1.2 or later. The certificate is always checked.
    public struct TLS: Sendable, Equatable {
        /// Nil = the system's authorities.
        public var authorities: PlacedPath?
        /// Ours, for brokers that ask.
        public var certificate: CertificateFiles?
        public var checksName = true
        public init() {}
    }

    public struct Inward: Sendable, Equatable {
        public var filter: String
        /// 0 or 1.
        public var qos = 1
        public init(filter: String, qos: Int = 1) {
            self.filter = filter
            self.qos = qos
        }
    }

    /// Its name, and where it stands.
    public let placed: PlacedName
    public var address: Address
    public var version = Version.v5
    /// Nil = plain.
    public var tls: TLS?
    public var clientID: String
    public var username: String?
    /// A file with the password on its first line.
    public var passwordFile: PlacedPath?
    public var isClean = false
    public var sessionExpiry: UInt32 = 24 * 3_600_000
    public var keepAlive: UInt32 = 60_000
    public var connectTimeout: UInt32 = 10_000
    public var backoff: UInt32 = 500
    public var backoffMost: UInt32 = 30_000
    /// Subject of the service as which its messages come in; there where `inward` has filters.
    public var principal: String?
    /// The listener by whose routes its messages go; there where `inward` has filters.
    public var listener: String?
    public var inward: [Inward] = []
    /// Messages read and not answered.
    public var inFlight = 64
    /// How long those may take together.
    public var patience: UInt32 = 10_000
    /// How often a service may fail on one message until it is refused.
    public var attempts = 8
    /// Bytes.
    public var maxPayload = 256 << 10
    public var outward: [FeedEntry] = []
    /// Messages published and not acknowledged.
    public var publishing = 64
    public var publishTimeout: UInt32 = 10_000

    public static let most = 16

    public var name: String { placed.name }

    init(name: String, at position: SourcePosition, address: Address) {
        placed = PlacedName(name, at: position)
        self.address = address
        clientID = "nexus-\(name)"
    }
}

extension BridgeSettings {
    /// - Parameter listeners: all there are.
    static func readAll(_ root: Fields, listeners: [Listener]) -> [BridgeSettings] {
        let speakers = listeners.filter { $0.mqtt != nil }.map(\.name)
        guard let value = root.value("bridges") else { return [] }
        if case .scalar("off", _) = value.shape { return [] }
        let items = root.list("bridges") ?? []
        if items.count > most { root.diagnostics.error(at: value.position, "at most \(most) bridges are supported") }
        var bridges: [BridgeSettings] = []
        for item in items {
            guard let bridge = read(Fields(item, "a bridge", root.diagnostics), speakers) else { continue }
            if bridges.contains(where: { $0.name == bridge.name }) {
                root.diagnostics.error(at: item.position, "two bridges are named '\(bridge.name)'")
            }
            bridges.append(bridge)
        }
        return bridges
    }

    private static func read(_ fields: Fields, _ speakers: [String]) -> BridgeSettings? {
        let diagnostics = fields.diagnostics
        let name = fields.string("name")
        let address = fields.value("address").flatMap { $0.address("address", diagnostics) }
        for key in ["name", "address"] where !fields.has(key) { diagnostics.error(at: fields.position, "a bridge needs '\(key)'") }
        var result = BridgeSettings(name: name ?? "", at: fields.position, address: address ?? .tcp(.name("nowhere"), port: 1883))
        if let name, !isName(name) {
            diagnostics.error(at: fields.position(of: "name"), "'\(name)' is not a name of 1 to 40 of a-z, 0-9 and -")
        }
        if let address {
            guard case .tcp(_, let port) = address, port > 0 else {
                diagnostics.error(at: fields.position(of: "address"), "a bridge needs a host and a port: broker.example:1883")
                return nil
            }
        }
        result.readConnection(fields)
        result.readMessages(fields)
        result.readListener(fields, speakers)
        fields.finish()
        return name == nil || address == nil ? nil : result
    }

    private mutating func readConnection(_ fields: Fields) {
        let diagnostics = fields.diagnostics
        version = fields.choice("version", Version.allCases.map(\.rawValue)).flatMap { Version(rawValue: $0) } ?? version
        tls = TLS.read(fields)
        if let id = fields.string("client_id") {
            clientID = id
            if !(1...128).contains(id.utf8.count) { diagnostics.error(at: fields.position(of: "client_id"), "'client_id' has 1 to 128 bytes") }
        }
        username = fields.string("username")
        passwordFile = fields.path("password_file")
        if passwordFile != nil && username == nil {
            diagnostics.error(at: fields.position(of: "password_file"), "'password_file' needs 'username'")
        }
        isClean = fields.bool("clean") ?? isClean
        if isClean {
            diagnostics.warning(at: fields.position(of: "clean"), "the broker forgets a clean session with its connection: messages are lost with it")
        }
        sessionExpiry = fields.seconds("session_expiry", in: 0...2_592_000_000) ?? sessionExpiry
        keepAlive = fields.seconds("keep_alive", in: 5_000...3_600_000) ?? keepAlive
        connectTimeout = fields.milliseconds("connect_timeout", in: 100...120_000) ?? connectTimeout
        backoff = fields.milliseconds("backoff", in: 10...3_600_000) ?? backoff
        backoffMost = fields.milliseconds("backoff_max", in: 10...3_600_000) ?? backoffMost
        if backoff > backoffMost {
            diagnostics.error(
                at: fields.position(of: fields.has("backoff") ? "backoff" : "backoff_max"), "'backoff' cannot be more than 'backoff_max'")
        }
    }

    private mutating func readMessages(_ fields: Fields) {
        let diagnostics = fields.diagnostics
        principal = fields.string("principal")
        inward = (fields.list("in") ?? []).compactMap { Inward.read(Fields($0, "an entry of 'in'", diagnostics)) }
        if inward.count > 64 { diagnostics.error(at: fields.position(of: "in"), "'in' has at most 64 entries") }
        if !inward.isEmpty && (principal ?? "").isEmpty {
            diagnostics.error(at: fields.position(of: "in"), "'in' needs 'principal': the service as which its messages come in")
        }
        inFlight = fields.integer("in_flight", in: 1...1_024) ?? inFlight
        patience = fields.milliseconds("patience", in: 100...600_000) ?? patience
        if patience > keepAlive {
            diagnostics.error(
                at: fields.position(of: fields.has("patience") ? "patience" : "keep_alive"),
                "'patience' cannot be more than 'keep_alive': nothing is sent to the broker meanwhile")
        }
        attempts = fields.integer("attempts", in: 1...1_000_000) ?? attempts
        maxPayload = fields.bytes("max_payload", in: 1...16 << 20).map { Int($0) } ?? maxPayload
        outward = FeedEntry.readAll("out", of: fields) ?? []
        publishing = fields.integer("publishing", in: 1...1_024) ?? publishing
        publishTimeout = fields.milliseconds("publish_timeout", in: 100...120_000) ?? publishTimeout
        if inward.isEmpty && outward.isEmpty && !fields.has("in") && !fields.has("out") {
            diagnostics.error(at: fields.position, "a bridge needs 'in', 'out' or both")
        }
    }

    /// The one that is named, or else the first that speaks MQTT.
    private mutating func readListener(_ fields: Fields, _ speakers: [String]) {
        if let name = fields.string("listener") {
            listener = name
            if !speakers.contains(name) {
                fields.diagnostics.error(
                    at: fields.position(of: "listener"), "no listener '\(name)' speaks MQTT" + Spelling.hint(name, among: speakers))
            }
        } else if !inward.isEmpty {
            listener = speakers.first
            if speakers.isEmpty {
                fields.diagnostics.error(
                    at: fields.position(of: "in"), "'in' needs a listener with 'mqtt': its messages go by that one's routes")
            }
        }
    }

    private static func isName(_ text: String) -> Bool {
        (1...40).contains(text.utf8.count) && text.utf8.allSatisfy { $0 >= 97 && $0 <= 122 || $0 >= 48 && $0 <= 57 || $0 == 0x2d }
    }
}

extension BridgeSettings.TLS {
    fileprivate static func read(_ fields: Fields) -> Self? {
        guard let value = fields.value("tls") else { return nil }
        if case .scalar("off", _) = value.shape { return nil }
        let section = Fields(value, "the TLS of a bridge", fields.diagnostics)
        var result = Self()
        result.authorities = section.path("ca")
        if section.has("certificate") || section.has("key") {
            let chain = section.neededPath("certificate")
            let key = section.neededPath("key")
            if result.authorities == nil {
                fields.diagnostics.error(at: section.position(of: "certificate"), "'certificate' needs 'ca'")
            }
            if let chain, let key { result.certificate = CertificateFiles(chain: chain, key: key) }
        }
        result.checksName = section.bool("check_name") ?? true
        if !result.checksName {
            fields.diagnostics.warning(
                at: section.position(of: "check_name"), "the broker's name is not checked: any certificate of the authorities will do")
        }
        section.finish()
        return result
    }
}

extension BridgeSettings.Inward {
    fileprivate static func read(_ fields: Fields) -> Self? {
        let filter = fields.string("filter")
        if !fields.has("filter") { fields.diagnostics.error(at: fields.position, "\(fields.what) needs 'filter'") }
        let qos = fields.integer("qos", in: 0...2) ?? 1
        fields.finish()
        if qos == 2 {
            fields.diagnostics.error(
                at: fields.position(of: "qos"),
                "a bridge subscribes with QoS 0 or 1: with 2, the only copy of a message would be in memory for a while")
        }
        guard let filter else { return nil }
        if !isFilter(filter) { fields.diagnostics.error(at: fields.position(of: "filter"), "'\(filter)' is not a topic filter") }
        return Self(filter: filter, qos: qos)
    }

    /// MQTT 5.0 sections 4.7 and 4.8.2.
    private static func isFilter(_ filter: String) -> Bool {
        guard (1...1024).contains(filter.utf8.count), !filter.utf8.contains(0) else { return false }
        var levels = filter.split(separator: "/", omittingEmptySubsequences: false)
        if levels[0] == "$share" {
            guard levels.count > 2, !levels[1].isEmpty, !levels[1].contains(where: { $0 == "+" || $0 == "#" }) else { return false }
            levels.removeFirst(2)
            if levels == [""] { return false }
        }
        for (i, level) in levels.enumerated() {
            if level.contains("#") && (level != "#" || i + 1 != levels.count) { return false }
            if level.contains("+") && level != "+" { return false }
        }
        return true
    }
}

extension Fields {
    /// A duration of whole seconds, in milliseconds.
    fileprivate func seconds(_ key: String, in range: ClosedRange<UInt32>) -> UInt32? {
        let time = milliseconds(key, in: range)
        if let time, time % 1000 != 0 { diagnostics.error(at: position(of: key), "'\(key)' is whole seconds") }
        return time
    }
}
