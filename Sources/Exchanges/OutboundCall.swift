/// A call that the gateway makes on its own behalf: a saga's step, a delivery, a question to a service. It goes
/// through the same pools, breakers, bulkheads and metrics as what clients ask for.
public struct OutboundCall: Sendable {
    public enum Form: Sendable {
        /// A unary method: `/package.Service/Method`. `body` is the message, without its prefix.
        case grpc(path: String)
        /// `contentType` is sent when there is a body.
        case http(verb: String, path: String, contentType: String)
    }

    /// Of the configuration in force when the call is made.
    public var cluster: String
    public var form: Form
    public var body: [UInt8]
    /// Further fields (metadata, for gRPC); names in lower case.
    public var fields: [(name: String, value: String)] = []
    /// From now until the answer is complete, in milliseconds; a gRPC call tells the service.
    public var timeoutMS: UInt32
    public var correlationId: String?
    public var traceparent: String?

    public init(cluster: String, form: Form, body: [UInt8] = [], timeoutMS: UInt32) {
        self.cluster = cluster
        self.form = form
        self.body = body
        self.timeoutMS = timeoutMS
    }
}

/// What came of an outbound call.
public enum OutboundAnswer: Sendable {
    /// The service has answered.
    /// - `status`: of gRPC (any number, not only the known ones), or of HTTP.
    /// - `message`: gRPC's status message, decoded; empty for HTTP.
    /// - `body`: the message, without its prefix, or the HTTP body. At most 4 MiB.
    case answered(status: UInt32, message: String, body: [UInt8])
    /// It has not. `mayHaveRun`: the request has left, so nobody here knows whether it was carried out.
    case failed(Outcome, mayHaveRun: Bool)
}

/// Makes outbound calls. One attempt each: whether another one does harm, only the caller knows.
public protocol CallOut: Sendable {
    func call(_ call: OutboundCall) async -> OutboundAnswer
}
