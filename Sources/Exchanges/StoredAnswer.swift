/// A whole answer of an upstream, as it can be given again.
public struct StoredAnswer: Sendable, Equatable {
    /// Bytes of a body that are kept.
    public static let most = 1 << 20
    /// Bytes of fields and trailers together.
    public static let mostFields = 64 << 10

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

    public var isTooLarge: Bool {
        body.count > Self.most || fields.count + (trailers?.count ?? 0) > Self.mostFields
    }

    /// Field lines, but for those that set cookies: what one client gets to know is not for the next.
    public static func withoutCookies(_ lines: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        for line in lines.split(separator: 0x0a) {
            let name = String(decoding: line.prefix { $0 != 0x3a }, as: UTF8.self).lowercased()
            if name != "set-cookie", name != "set-cookie2" { kept += line + [0x0a] }
        }
        return kept
    }
}
