import Settings
import WireHTTP

extension HTTP1Limits {
    /// Bounds for what clients of a listener send.
    init(_ limits: Settings.Listener.Limits) {
        self.init()
        line = limits.requestLine
        fieldLine = limits.fieldLine
        fieldCount = limits.fields
        head = limits.head
        trailers = limits.trailers
        chunkExtension = limits.chunkExtension
    }

    /// Bounds for what an upstream answers.
    init(_ limits: Settings.Cluster.Limits) {
        self.init()
        line = limits.head
        fieldLine = limits.head
        fieldCount = limits.fields
        head = limits.head
        informational = limits.informational
    }
}

extension HTTP2Settings {
    /// Bounds for connections to a cluster's endpoints.
    init(_ cluster: Settings.Cluster) {
        self.init()
        maxConcurrentStreams = UInt32(cluster.http2.maxConcurrentStreams)
        streamWindow = UInt32(cluster.http2.streamWindow)
        connectionWindow = UInt32(cluster.http2.connectionWindow)
        limits = HTTP1Limits(cluster.limits)
        // An endpoint has all its clients' requests in one connection, and some measure the path with a
        // PING for every few frames.
        control = HTTP2Allowance(burst: 20_000, perSecond: 20_000)
    }
}
