import Settings

/// Which pages of other origins may use a route, as its file says it.
public struct CORSDefinition: Sendable, Hashable {
    public var origins: [OriginPattern] = []
    /// Upper-case tokens; empty = any.
    public var methods: [String] = []
    /// Request fields beside the safelisted ones: lower case; `*` = every one but `authorization`.
    public var headers: [String] = []
    /// Answer fields that pages may read, beside the safelisted ones: lower case; `*` = every one.
    public var expose: [String] = []
    public var credentials = false
    /// Milliseconds for which a browser may remember a permission; nil = as long as it likes.
    public var maxAge: UInt32?

    /// What a page needs that calls a gRPC method, by gRPC-Web or by the Connect protocol.
    static let callHeaders = [
        "content-type", "grpc-timeout", "x-grpc-web", "x-user-agent", "connect-protocol-version", "connect-timeout-ms",
    ]
    /// And what it must be able to read: an answer without messages has its status in the head.
    static let callExpose = ["grpc-status", "grpc-message", "grpc-status-details-bin"]

    /// As `routes` and `explain` show it.
    var setting: String {
        var parts = ["from " + origins.map(\.description).joined(separator: ", ")]
        parts.append(methods.isEmpty ? "any method" : methods.joined(separator: ", "))
        if !headers.isEmpty { parts.append("with " + headers.joined(separator: ", ")) }
        if !expose.isEmpty { parts.append("shows " + expose.joined(separator: ", ")) }
        if credentials { parts.append("credentials") }
        if let maxAge { parts.append("kept \(Quantity.text(milliseconds: maxAge))") }
        return parts.joined(separator: "; ")
    }
}
