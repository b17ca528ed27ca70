/// `protocol` and `http2` of a cluster.
extension Cluster {
    /// What its endpoints speak.
    public enum WireProtocol: String, Sendable, CaseIterable {
        /// HTTP/1.1: one exchange at a time on a connection.
        case http1
        /// HTTP/2: many exchanges share a connection. In the clear by prior knowledge (RFC 9113 section 3.3).
        case http2
    }

    /// Bounds of one HTTP/2 connection, bytes unless said otherwise.
    public struct HTTP2: Sendable, Equatable {
        /// Exchanges on one connection; the endpoint's own setting counts as well.
        public var maxConcurrentStreams = 100
        /// What an endpoint may send on a stream before the client has taken it.
        public var streamWindow = 64 << 10
        /// The same for all streams of a connection together.
        public var connectionWindow = 1 << 20
        public init() {}

        mutating func read(_ fields: Fields) {
            maxConcurrentStreams = fields.integer("max_concurrent_streams", in: 1...100_000) ?? maxConcurrentStreams
            streamWindow = fields.count("stream_window", in: 1 << 10...16 << 20) ?? streamWindow
            // Every connection begins with 65,535 bytes, and what was once given cannot be taken back.
            let given = fields.count("connection_window", in: 64 << 10...256 << 20)
            connectionWindow = given ?? max(connectionWindow, streamWindow)
            fields.finish()
            if streamWindow > connectionWindow {
                fields.diagnostics.error(
                    at: fields.position(of: fields.has("stream_window") ? "stream_window" : "connection_window"),
                    "'stream_window' cannot be larger than 'connection_window'")
            }
        }
    }

    /// Reads both keys. Goes before `pool`, whose default depends on the protocol.
    mutating func readProtocol(_ fields: Fields) {
        if let word = fields.choice("protocol", WireProtocol.allCases.map(\.rawValue)),
            let found = WireProtocol(rawValue: word)
        {
            wireProtocol = found
        }
        if wireProtocol == .http2 {
            pool.connections = Pool.sharedConnections
            pool.idle = Pool.sharedConnections
        }
        if let section = fields.fields("http2", "the HTTP/2 bounds of a cluster") {
            http2.read(section)
            if wireProtocol != .http2 {
                fields.diagnostics.error(at: fields.position(of: "http2"), "'http2' has no effect without 'protocol: http2'")
            }
        }
    }
}

extension Cluster.Pool {
    /// Connections by default where exchanges share them: another is opened when the streams of all are taken.
    public static let sharedConnections = 4
}
