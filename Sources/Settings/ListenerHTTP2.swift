/// HTTP/2 on a listener: what one connection may do. RFC 9113 leaves these bounds to the receiver
/// (section 10.5); the field-section bounds are the listener's `limits`.
extension Listener {
    public struct HTTP2: Sendable, Equatable {
        public var maxConcurrentStreams = 100
        /// Bytes of body that may come on a stream before any have been used.
        public var streamWindow = 64 << 10
        /// The same over all streams of a connection.
        public var connectionWindow = 1 << 20
        /// Streams ended before their answer, by the client or through its errors.
        public var resets = Allowance(burst: 200, perSecond: 50)
        /// Frames that carry nothing: PING, SETTINGS, PRIORITY, empty DATA and the like.
        public var control = Allowance(burst: 1000, perSecond: 200)
        /// CONTINUATION frames of one field section.
        public var continuations = 8
        public init() {}
    }

    /// So many at once, and so many a second in the long run.
    public struct Allowance: Sendable, Equatable {
        public var burst: Int
        public var perSecond: Int
        public init(burst: Int, perSecond: Int) {
            self.burst = burst
            self.perSecond = perSecond
        }
    }
}

extension Listener.HTTP2 {
    mutating func read(_ fields: Fields) {
        maxConcurrentStreams = fields.integer("max_concurrent_streams", in: 1...10_000) ?? maxConcurrentStreams
        streamWindow = fields.bytes("stream_window", in: 1...1 << 30).map { Int($0) } ?? streamWindow
        // RFC 9113 section 6.9.2: the connection's window begins at 65,535 and cannot be made smaller.
        connectionWindow = fields.bytes("connection_window", in: 64 << 10...1 << 30).map { Int($0) } ?? connectionWindow
        if let section = fields.fields("resets", "the bound on resets") { resets.read(section) }
        if let section = fields.fields("control", "the bound on control frames") { control.read(section) }
        continuations = fields.integer("continuations", in: 0...1_000) ?? continuations
        fields.finish()
    }
}

extension Listener.Allowance {
    fileprivate mutating func read(_ fields: Fields) {
        burst = fields.integer("burst", in: 1...1_000_000) ?? burst
        perSecond = fields.integer("per_second", in: 0...1_000_000) ?? perSecond
        fields.finish()
    }
}
