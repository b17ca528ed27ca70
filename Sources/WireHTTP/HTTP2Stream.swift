public import Exchanges

/// One stream as its session sees it. Kept and used again by its owner; alive in the session from
/// `request` or `streamOpened` until `streamClosed`.
public final class HTTP2Stream {
    /// 0 = not in use.
    public internal(set) var id: Int32 = 0
    /// Who hears of this stream. The owner, which keeps this object, so not a reference to keep.
    public unowned(unsafe) var handler: (any HTTP2StreamHandler)?
    /// Body bytes that wait for credit. Append, then call the session's `resume`.
    public let outbound: Buffer

    /// Keeps the handler alive while the stream is open.
    var keeper: (any HTTP2StreamHandler)?
    /// Place in the session's list of open streams.
    var place = -1
    /// Bytes received for which no credit has been given back.
    var unused = 0
    /// How many of them no longer count against the connection.
    var stored = 0
    /// No more outbound bytes will come.
    var outboundEnded = false
    /// The session has asked for bytes and found none.
    var isDeferred = false
    var trailers: Buffer?
    /// The head of the answer has come (client) or has gone (server).
    var headDone = false
    /// This side has reset it.
    var isReset = false

    public convenience init(handler: any HTTP2StreamHandler, pool: BufferPool) {
        self.init(pool: pool)
        self.handler = handler
    }

    /// Follow with `handler`.
    public init(pool: BufferPool) {
        outbound = Buffer(pool: pool)
    }

    /// Keeps the handler alive until the stream has closed. For handlers that nobody else keeps when
    /// `streamOpened` returns.
    public func hold() { keeper = handler }

    /// No more outbound bytes will come. Follow with the session's `resume`.
    /// - Parameter trailers: whole field lines, or nil.
    public func end(trailers: Buffer?) {
        outboundEnded = true
        self.trailers = trailers
    }

    /// Bytes that were shown and whose credit has not been given back.
    public var unusedBytes: Int { unused }

    /// Makes it fit for its next life.
    func forget() {
        id = 0
        place = -1
        keeper = nil
        unused = 0
        stored = 0
        outboundEnded = false
        isDeferred = false
        trailers = nil
        headDone = false
        isReset = false
        outbound.clear()
        outbound.giveBack()
    }
}

/// What happens on one stream. Calls come inside the session's `receive` and `write`; what they do
/// must not call those two.
public protocol HTTP2StreamHandler: AnyObject {
    /// A request's head; or an answer's, interim (status below 200) or final.
    func headReceived(_ block: HTTP2Block, ended: Bool)
    /// Body bytes. Give their credit back by `consumed` when they have been used.
    func dataReceived(_ bytes: borrowing Span<UInt8>)
    func trailersReceived(_ block: HTTP2Block)
    /// END_STREAM has been seen, after the head, data or trailers.
    func inboundEnded()
    /// All of `outbound` has been taken.
    func outboundDrained()
    /// Our side's END_STREAM is on its way.
    func outboundFinished()
    /// The stream is gone; `.noError` = both sides ended in order. Called exactly once, and last.
    func streamClosed(_ error: HTTP2Error)
}

extension HTTP2StreamHandler {
    public func outboundFinished() {}
}

/// What happens on the connection.
public protocol HTTP2SessionHandler: AnyObject {
    /// Server only: a request begins, whose head follows at once. Nil = refused (REFUSED_STREAM).
    func streamOpened() -> HTTP2Stream?
    /// The peer takes no new streams. Those it has not processed are closed with `.refusedStream`.
    func goAwayReceived(_ error: HTTP2Error)
    /// The peer's settings have come, or changed.
    func settingsReceived()
}
