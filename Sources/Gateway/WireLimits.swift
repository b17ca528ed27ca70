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
        // gRPC says how a call ended there, at length where it says why.
        trailers = limits.head
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

    /// What clients of a listener may do.
    init(_ listener: Settings.Listener) {
        self.init()
        limits = HTTP1Limits(listener.limits)
        guard let http2 = listener.http2 else { return }
        maxConcurrentStreams = UInt32(clamping: http2.maxConcurrentStreams)
        streamWindow = UInt32(clamping: http2.streamWindow)
        connectionWindow = UInt32(clamping: http2.connectionWindow)
        resets = HTTP2Allowance(http2.resets)
        control = HTTP2Allowance(http2.control)
        continuations = http2.continuations
    }
}

extension HTTP2Allowance {
    init(_ allowance: Settings.Listener.Allowance) {
        self.init(burst: UInt32(clamping: allowance.burst), perSecond: UInt32(clamping: allowance.perSecond))
    }
}
