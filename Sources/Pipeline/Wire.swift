public import Exchanges

/// The size of a body as far as it is known when it begins; the neutral form of every framing.
public enum BodySize: Sendable, Hashable, BitwiseCopyable {
    case none
    case known(UInt64)
    case unknown

    /// Bytes, where the head said them.
    public var bytes: UInt64? {
        switch self {
        case .none: 0
        case .known(let n): n
        case .unknown: nil
        }
    }
}

/// The peer's side of an exchange: what a codec's connection or stream offers to the rest. Answers
/// go out through it, whoever made them; `flush` ends each turn's worth of calls.
public protocol Wire: AnyObject {
    /// Who is on the other side.
    var session: Session { get }
    /// Nobody listens there: the exchange is the gateway's own, and outcomes need no form to be read in.
    var isNull: Bool { get }

    /// Answers with what the gateway decided itself, in the wire's own form.
    func answer(_ outcome: Outcome, of exchange: Exchange)
    /// Answers with a whole body made by the gateway (a command's result, a page of metrics).
    func answer(_ reply: LocalReply, of exchange: Exchange)

    /// An interim answer (1xx) from upstream.
    func interim(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange)
    /// The head of a proxied answer: its own status and fields.
    func start(_ reply: borrowing ReplyHead, size: BodySize, in text: borrowing Span<UInt8>, of exchange: Exchange)
    /// The upstream has switched protocols: bytes in both directions from now on.
    func startTunnel(_ reply: borrowing ReplyHead, in text: borrowing Span<UInt8>, of exchange: Exchange)
    /// Body bytes of a proxied answer.
    func send(_ bytes: borrowing Span<UInt8>, of exchange: Exchange)
    /// The answer is complete, and goes on its way: no `flush` is needed. `trailers`: whole field lines, or nil.
    func end(trailers: Buffer?, of exchange: Exchange)
    /// Puts what was written on its way.
    func flush()

    /// The request body (or more of it) is wanted now: to be collected, or passed to the origin.
    func resumeBody(of exchange: Exchange)
    /// The answer has begun and cannot be completed: make that visible to the peer.
    /// - Parameter why: for wires that can still say it (gRPC's trailers).
    func abort(_ exchange: Exchange, _ why: Outcome)
}

extension Wire {
    public var isNull: Bool { false }
}

/// A wire between the client's and an origin that speaks another dialect: the answer passes through it on
/// its way to the client, the request's body through the origin it makes. One exchange has at most one.
public protocol Translation: Wire {
    /// The client's own wire.
    var client: any Wire { get }
    /// The path of the call as it goes upstream; nil = the client's own.
    var callPath: [UInt8]? { get }
    /// Where the client's wire sends the request's body; `origin` itself where it needs no translation.
    func requestOrigin(_ origin: any Origin, of exchange: Exchange) -> any Origin
    /// The request is here as far as its route waits for it: what has been collected becomes the call's. Said
    /// when the body is complete and once more before the exchange goes to its target.
    /// - Returns: false = it cannot be translated; the client has its answer.
    func prepare(_ exchange: Exchange) -> Bool
}

/// The answering side of a proxied exchange, as the asking side sees it.
public protocol Origin: AnyObject {
    /// Is there room for more of the request body?
    var wantsBody: Bool { get }
    /// Has all that was sent been put on its way?
    var isFlushed: Bool { get }
    /// Body bytes of the request; framed and sent, or kept within bounds.
    func send(_ bytes: borrowing Span<UInt8>)
    /// The request body is over. `trailers`: whole field lines, or nil.
    func endBody(trailers: Buffer?)
    /// Puts what was sent on its way.
    func flush()
    /// The asking side is slow: read no more of the answer until `resume`.
    func pause()
    func resume()
    /// Nobody waits for the answer any more.
    func cancel()
}

/// A whole answer made by the gateway.
public struct LocalReply: Sendable {
    public var status: UInt16
    /// Empty = none, or given in `fields`.
    public var contentType: StaticString
    public var body: [UInt8]
    /// Whole extra field lines, CRLF each.
    public var fields: [UInt8]
    /// What it says, where it is an error of the gateway's own: for wires whose answers are no documents. The body is then
    /// a line for people.
    public var outcome: Outcome?
    /// A head and nothing else: no length is said either. Only for wires that end a message otherwise.
    public var isHeadOnly = false

    public init(status: UInt16, contentType: StaticString = "application/json", body: [UInt8], fields: [UInt8] = []) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.fields = fields
    }
}
