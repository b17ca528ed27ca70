/// Bounds of one HTTP/1.1 message head. Bytes, or counts where the name says so.
public struct HTTP1Limits: Sendable, Hashable {
    /// Request line up to its version, or status line, without CRLF. Exceeded by a request: 414.
    public var line = 8 * 1024
    /// One field line, without CRLF. Exceeded: 431.
    public var fieldLine = 8 * 1024
    /// Number of field lines. Exceeded: 431.
    public var fieldCount = 100
    /// The whole head. Exceeded: 431.
    public var head = 32 * 1024
    /// The whole trailer section of a chunked body. Exceeded: 431.
    public var trailers = 8 * 1024
    /// Extensions of one chunk. Exceeded: 400.
    public var chunkExtension = 256
    /// Number of interim (1xx) answers before a final one.
    public var informational = 16
    public init() {}
}
