/// One outside broker, and how to speak with it. Times are milliseconds unless they say otherwise.
public struct BridgeOptions: Sendable {
    public enum Version: Sendable { case v311, v5 }

    /// TLS 1.2 or later, with the broker's certificate always checked.
    public struct TLS: Sendable {
        /// A PEM file; nil = the system's authorities.
        public var authorities: String?
        /// PEM files; only together with `authorities`.
        public var certificate: (chain: String, key: String)?
        /// Whether the certificate has to bear the broker's name.
        public var checksName = true
        public init() {}
    }

    /// A filter that is subscribed to.
    public struct Inward: Sendable {
        /// May begin with `$share/{name}/`.
        public var filter: String
        /// 0 or 1. With 2 libmosquitto would hold the only copy of a message in memory between PUBREC and PUBREL.
        public var qos: Int32
        public init(filter: String, qos: Int32 = 1) {
            self.filter = filter
            self.qos = qos
        }
    }

    public var name: String
    public var host: String
    public var port: UInt16
    public var version = Version.v5
    public var tls: TLS?
    /// The same in every life of the process: the broker keeps what comes meanwhile under it.
    public var clientID: String
    public var username: String?
    public var password: String?
    /// The broker forgets the session with every connection.
    public var isClean = false
    /// Seconds that the broker keeps the session (MQTT 5).
    public var sessionExpiry: UInt32 = 24 * 3600
    /// Seconds.
    public var keepAlive: UInt16 = 60
    /// From the first byte to CONNACK.
    public var connectMS: UInt64 = 10_000
    /// Between two attempts at first; each further one waits twice as long, up to `backoffMostMS`. Half of it is drawn.
    public var backoffMS: UInt64 = 500
    public var backoffMostMS: UInt64 = 30_000
    public var inward: [Inward] = []
    /// Messages read from the broker and not yet answered, at most.
    public var inFlight = 64
    /// How long those may take together; then the broker has to send them again.
    public var patienceMS: UInt64 = 10_000
    /// How often one message may fail, alone and in a row, until it is refused (`IngestOutcome.failed`).
    public var attempts = 8
    /// Bytes of a message's payload.
    public var largestPayload = 256 << 10
    /// Messages published and not yet acknowledged, at most.
    public var outFlight = 64
    /// How long the broker may take with one.
    public var publishMS: UInt64 = 10_000

    public init(name: String, host: String, port: UInt16, clientID: String) {
        self.name = name
        self.host = host
        self.port = port
        self.clientID = clientID
    }
}
