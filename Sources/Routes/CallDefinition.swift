public import Settings

/// A gRPC method as a route file names it, and how requests of plain HTTP become calls of it: the `transcode`
/// of a route (the rules of `google.api.http`, in our own file instead of the proto's).
public struct CallDefinition: Sendable, Hashable {
    /// `package.Service/Method`.
    public var method: String
    public var position: SourcePosition
    public var body: Body
    /// The field of the answer that is the whole answer; nil = the message.
    public var responseBody: String?
    /// Path parameters whose field has another name, or stands deeper.
    public var bindings: [Binding] = []
    /// Members of the request that the message does not have are left out instead of refused.
    public var ignoresUnknown = false
    /// Fields that have their default are written out too.
    public var writesDefaults = false

    public enum Body: Sendable, Hashable {
        /// There is none: all fields come from path and query.
        case none
        /// It is the message; the path adds to it, the query does not.
        case message
        /// It is this field; path and query add the others.
        case field(String)
    }

    public struct Binding: Sendable, Hashable {
        public var capture: String
        /// `a.b.c`
        public var field: String
    }

    /// As it stands in a request's path.
    public var path: String { "/\(method)" }

    public static func == (a: CallDefinition, b: CallDefinition) -> Bool {
        a.method == b.method && a.body == b.body && a.responseBody == b.responseBody && a.bindings == b.bindings
            && a.ignoresUnknown == b.ignoresUnknown && a.writesDefaults == b.writesDefaults
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(method)
        hasher.combine(body)
    }
}

/// What the contracts say of a method's kind.
public struct MethodShape: Sendable, Hashable, BitwiseCopyable {
    public var clientStreams: Bool
    public var serverStreams: Bool

    public init(clientStreams: Bool, serverStreams: Bool) {
        self.clientStreams = clientStreams
        self.serverStreams = serverStreams
    }
}
