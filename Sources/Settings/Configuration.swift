/// The daemon's own configuration, checked as a whole: what `config/nexus.yaml` says, or the
/// defaults. Immutable; one value belongs to one generation. Times are milliseconds, sizes bytes.
public struct Configuration: Sendable, Equatable {
    public var workers = Workers.auto
    public var affinity = Affinity.none
    public var listeners = [Listener(name: "public", port: 8080)]
    /// Nil = off.
    public var admin: Listener? = Listener(name: Listener.adminName, port: 9901)
    /// Folders of route files, and single ones.
    public var routes = ["routes"]
    /// Sets of compiled contracts: `FileDescriptorSet`s as protoc writes them.
    public var descriptors: [PlacedPath] = []
    /// The folder with the events' schemas; nil = off. Line 0 = nobody has named it.
    public var eventSchemas: PlacedPath? = PlacedPath("contracts/events", at: SourcePosition(file: "contracts/events"))
    /// The folder with the commands' schemas; nil = off. Line 0 = nobody has named it.
    public var commandSchemas: PlacedPath? = PlacedPath("contracts/commands", at: SourcePosition(file: "contracts/commands"))
    /// The API's description as clients know it, which routes and schemas must not break; nil = there is none.
    public var publishedAPI: PlacedPath?
    /// The same of the gRPC services: a set of descriptors.
    public var publishedDescriptors: PlacedPath?
    /// How long running exchanges may finish after SIGTERM.
    public var drain: UInt32 = 30_000
    public var clusters: [Cluster] = []
    public var resolver = Resolver()
    public var store = Store()
    /// Nil = off.
    public var checkout: CheckoutSettings?
    public var bus = BusSettings()
    public var inventory = InventorySettings()
    /// Nil = off.
    public var accessLog: AccessLog? = AccessLog()
    public var telemetry = Telemetry()
    public var shield = Shield()
    public var identity = IdentitySettings()
    public var access = AccessSettings()
    public var limits = LimitSettings()
    public var idempotency = IdempotencySettings()
    /// The file of the flags; nil = there are none but those that routes weigh themselves.
    public var flags: PlacedPath?
    public var mqtt = MQTTSettings()
    /// Outside MQTT brokers.
    public var bridges: [BridgeSettings] = []
    /// Behind `by` of routes' parameters. Line 0 = nobody has named it.
    public var tables = [TableFile(name: "skus", file: PlacedPath("config/skus.yaml", at: SourcePosition(file: "config/skus.yaml")))]

    public init() {}

    /// Every listener in the order of its number: `listeners`, then `admin` if it is on. The number
    /// is what `RouteTable.match` takes.
    public var allListeners: [Listener] { listeners + (admin.map { [$0] } ?? []) }
}

public enum Workers: Sendable, Equatable {
    /// One for each core.
    case auto
    case count(Int)
}

public enum Affinity: Sendable, Equatable {
    case none
    /// Worker i on core i.
    case sequential
    /// Worker i on `cpus[i % count]`.
    case cpus([Int])
}

public struct Listener: Sendable, Equatable {
    public static let adminName = "admin"
    public var name: String
    public var address: Address
    public var backlog = 4096
    /// Peers whose Forwarded and X-Forwarded-* are believed.
    public var trustedProxies: [CIDR] = []
    /// Over all workers.
    public var maxConnections = 20_000
    /// Of one address (IPv6: of one /64), trusted proxies apart; 0 = as many as there are.
    public var maxConnectionsPerAddress = 0
    public var limits = Limits()
    public var timeouts = Timeouts()
    /// Nil = off: neither by ALPN nor by prior knowledge.
    public var http2: HTTP2? = HTTP2()
    /// Nil = plain.
    public var tls: ListenerTLS?
    /// Nil = it speaks HTTP; otherwise MQTT and nothing else.
    public var mqtt: ListenerMQTT?

    /// What one request may be on the wire, in bytes (`fields`: a count).
    public struct Limits: Sendable, Equatable {
        public var requestLine = 8 << 10
        public var fieldLine = 8 << 10
        public var fields = 100
        public var head = 32 << 10
        public var trailers = 8 << 10
        public var chunkExtension = 256
        public init() {}
    }

    /// Milliseconds; 0 = none where allowed.
    public struct Timeouts: Sendable, Equatable {
        /// From the first byte of a request to the end of its head.
        public var head: UInt32 = 10_000
        public var keepAlive: UInt32 = 75_000
        /// Age at which a connection is ended in order, a tenth more or less; so that balancers before the gateway
        /// get to spread long-lived ones again.
        public var maxAge: UInt32 = 0
        /// How long input is still read after the last answer, so that a reset does not eat it.
        public var linger: UInt32 = 2_000
        /// Longest wait for a client that does not read.
        public var send: UInt32 = 30_000
        public init() {}
    }

    public init(name: String, address: Address) {
        self.name = name
        self.address = address
    }

    /// On 127.0.0.1.
    public init(name: String, port: UInt16) {
        self.init(name: name, address: .tcp(.literal(IPAddress(v4: 0x7f00_0001)), port: port))
    }
}

public struct Cluster: Sendable, Equatable {
    public var name: String
    public var endpoints: [Address]
    public var wireProtocol = WireProtocol.http1
    public var http2 = HTTP2()
    public var balance = Balance.leastRequest
    public var pool = Pool()
    public var limits = Limits()
    /// Nil = plain.
    public var tls: ClusterTLS?
    /// Set when `balance` is by hash.
    public var hash: HashKey?
    /// Nil = no active checks.
    public var health: Health?
    /// Nil = off.
    public var ejection: Ejection? = Ejection()
    /// Time over which an endpoint that joins or comes back gets its full share; 0 = at once.
    public var slowStart: UInt32 = 0
    /// Percent: when fewer of the endpoints than this are available, all are used.
    public var panic = 50
    /// Nil = off.
    public var breaker: Breaker?
    /// Nil = off.
    public var bulkhead: Bulkhead?
    public var retryBudget = RetryBudget()

    /// For each worker and endpoint.
    public struct Pool: Sendable, Equatable {
        public var connections = 256
        public var idle = 256
        public var idleTimeout: UInt32 = 60_000
        public var maxAge: UInt32 = 600_000
        /// Exchanges that may wait for a free connection.
        public var pending = 1024
        /// Requests on one connection; 0 = no limit.
        public var requests = 0
        public init() {}
    }

    /// What an answer may be.
    public struct Limits: Sendable, Equatable {
        public var head = 32 << 10
        public var fields = 200
        /// 1xx answers before the final one.
        public var informational = 16
        public init() {}
    }

    public init(name: String, endpoints: [Address]) {
        self.name = name
        self.endpoints = endpoints
    }
}

public struct Resolver: Sendable, Equatable {
    /// Empty = the system's; literals only.
    public var servers: [Address] = []
    public var minTTL: UInt32 = 1_000
    public var maxTTL: UInt32 = 300_000
    public var timeout: UInt32 = 2_000
    public var tries = 2
    public init() {}
}

public struct Store: Sendable, Equatable {
    public var path = "data/events.db"
    /// Commands waiting for the writer.
    public var queue = 65_536
    /// Commands in one transaction.
    public var group = 4_096
    public var aggregatesInMemory = 100_000
    /// Bytes the database file may grow to, at most; 0 = no bound but the disk's.
    public var maxBytes: UInt64 = 0
    public var snapshots = Snapshots()

    /// When an aggregate's state is kept beside its events; 0 = not for this reason, all 0 = never.
    public struct Snapshots: Sendable, Equatable {
        /// Since the last one.
        public var events = 1000
        /// Of payload, since the last one.
        public var bytes: UInt64 = 1 << 20
        public var age: UInt32 = 86_400_000
        public init() {}
    }

    public init() {}
}

/// How stock is counted.
public struct InventorySettings: Sendable, Equatable {
    /// May pieces on hand fall below zero, where more goods are reported gone than were known of?
    public var belowZero = false
    public init() {}
}

public struct AccessLog: Sendable, Equatable {
    /// `-` = standard output.
    public var path = "-"
    public var format = Format.json
    public enum Format: String, Sendable, CaseIterable { case json }
    public init() {}
}

public struct Telemetry: Sendable, Equatable {
    public var service = "nexus-gateway"
    /// Fraction of new traces that are recorded, 0 to 1.
    public var sample = 0.01
    public init() {}
}

public struct Shield: Sendable, Equatable {
    /// Remembered peers over all limits.
    public var keys = 65_536
    public init() {}
}
