/// A whole answer of an upstream, as it can be given again.
public struct StoredAnswer: Sendable, Equatable {
    /// Bytes of fields, trailers and body together that are kept.
    public static let most = 1 << 20

    public var status: UInt16
    /// Whole field lines, CRLF each.
    public var fields: [UInt8]
    public var body: [UInt8]
    /// Whole lines; nil = none came.
    public var trailers: [UInt8]?
    /// The status of a gRPC call.
    public var grpcStatus: UInt32?

    public init(status: UInt16, fields: [UInt8], body: [UInt8], trailers: [UInt8]? = nil, grpcStatus: UInt32? = nil) {
        self.status = status
        self.fields = fields
        self.body = body
        self.trailers = trailers
        self.grpcStatus = grpcStatus
    }

    public var count: Int { fields.count + body.count + (trailers?.count ?? 0) }
}
