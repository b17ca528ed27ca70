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
